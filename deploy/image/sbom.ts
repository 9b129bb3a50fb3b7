// The bill of materials of an image, in SPDX 2.3 as JSON: Debian's packages, Node, weft, and the npm
// packages that are bundled in it. Pure.

export interface Component {
  readonly name: string;
  readonly version: string;
  /** Package URL. */
  readonly purl: string;
  /** An SPDX expression; unset means that of its copyright file. */
  readonly license?: string;
}

export interface Sbom {
  readonly name: string;
  readonly createdSec: number;
  readonly components: readonly Component[];
}

/** Formats the document; the first component describes the image. */
export function formatSbom({ components, createdSec, name }: Sbom): string {
  const idOf = (index: number): string => `SPDXRef-Package-${index}`;
  const packages = components.map(({ license, name: title, purl, version }, index) => ({
    SPDXID: idOf(index),
    name: title,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: license ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  }));
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://spdx.org/spdxdocs/${name}-${createdSec}`,
    creationInfo: {
      created: new Date(createdSec * 1000).toISOString().replace(/\.\d+/, ''),
      creators: ['Tool: weft-make-image'],
    },
    packages,
    relationships: [
      relation('SPDXRef-DOCUMENT', 'DESCRIBES', idOf(0)),
      ...packages.slice(1).map(({ SPDXID }) => relation(idOf(0), 'CONTAINS', SPDXID)),
    ],
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

function relation(spdxElementId: string, relationshipType: string, relatedSpdxElement: string): object {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/** A package of Debian, from its control file. */
export function debianComponent(control: string): Component {
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(control)?.[1] ?? '';
  const [name, version, arch] = [field('Package'), field('Version'), field('Architecture')];
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}&distro=bookworm`;
  return { name, version, purl };
}

/** The npm packages of `make bundle`'s list of licenses. */
export function npmComponents(licenses: string): Component[] {
  const heads = licenses.split(`${'-'.repeat(78)}\n\n`).map((text) => text.split('\n', 1)[0] ?? '');
  return heads.flatMap((head) => {
    const found = /^(\S+) (\S+) \((.*)\)$/.exec(head);
    if (found === null) return [];
    const [, name = '', version = '', license = ''] = found;
    return [{ name, version, purl: `pkg:npm/${name.replace('@', '%40')}@${version}`, license }];
  });
}
