import assert from 'node:assert/strict';
import { debianComponent, formatSbom, npmComponents } from './sbom.ts';

describe('the bill of materials', () => {
  it('names packages of Debian by package URLs', () => {
    const control = 'Package: libstdc++6\nSource: gcc-12\nVersion: 1:2.36-9+deb12u1\nArchitecture: arm64\n';
    const { name, purl, version } = debianComponent(control);
    assert.deepEqual([name, version], ['libstdc++6', '1:2.36-9+deb12u1']);
    assert.equal(purl, 'pkg:deb/debian/libstdc++6@1%3A2.36-9%2Bdeb12u1?arch=arm64&distro=bookworm');
  });

  it('names bundled packages of npm by the list of licenses', () => {
    const text = `@grpc/grpc-js 1.14.7 (Apache-2.0)\n\nlong text\n\n${'-'.repeat(78)}\n\nyaml 2.9.1 (ISC)\n\ntext\n`;
    assert.deepEqual(npmComponents(text), [
      {
        name: '@grpc/grpc-js',
        version: '1.14.7',
        purl: 'pkg:npm/%40grpc/grpc-js@1.14.7',
        license: 'Apache-2.0',
      },
      { name: 'yaml', version: '2.9.1', purl: 'pkg:npm/yaml@2.9.1', license: 'ISC' },
    ]);
  });

  it('is SPDX 2.3: the image contains each other component', () => {
    const components = ['weft', 'node', 'libc6'].map((name) => ({
      name,
      version: '1',
      purl: `pkg:generic/${name}@1`,
    }));
    const document = JSON.parse(
      formatSbom({ name: 'weft-1-amd64', createdSec: 1_796_000_000, components }),
    ) as {
      spdxVersion: string;
      creationInfo: { created: string };
      packages: { SPDXID: string; name: string }[];
      relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
    };
    assert.equal(document.spdxVersion, 'SPDX-2.3');
    assert.match(document.creationInfo.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(
      document.packages.map(({ name }) => name),
      ['weft', 'node', 'libc6'],
    );
    assert.deepEqual(
      document.relationships.map(({ relationshipType }) => relationshipType),
      ['DESCRIBES', 'CONTAINS', 'CONTAINS'],
    );
  });
});
