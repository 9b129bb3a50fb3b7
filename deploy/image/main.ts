// `make image`: dist/weft_VERSION.oci.tar for all architectures, without an engine, with a bill of
// materials in each image and beside it. Usage: main.js [--packages FOLDER] [OUT], with packages that
// were fetched before; each architecture has a folder.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../lab/package-root.ts';
import { ImageLayout, type Descriptor } from './oci.ts';
import { debianComponent, formatSbom, npmComponents, type Component } from './sbom.ts';

const ARCHITECTURES = ['amd64', 'arm64'] as const;
type Architecture = (typeof ARCHITECTURES)[number];

const root = packageRoot();
process.chdir(root);
const { values, positionals } = parseArgs({
  options: { packages: { type: 'string' }, work: { type: 'string', default: '.build/image' } },
  allowPositionals: true,
});
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const createdSec = Number(process.env['SOURCE_DATE_EPOCH'] ?? (commitTime() || 0));
const out = positionals[0] ?? `dist/weft_${version}.oci.tar`;
const labels = {
  'org.opencontainers.image.title': 'weft',
  'org.opencontainers.image.version': version,
  'org.opencontainers.image.licenses': 'Apache-2.0',
};

const layout = new ImageLayout(join(values.work, 'layout'));
const images: Descriptor[] = [];
for (const architecture of ARCHITECTURES) images.push(addImage(architecture));
const digest = layout.addIndex(images, `docker.io/library/weft:${version}`);
layout.archive(out, createdSec);
process.stdout.write(`${out}  ${mib(statSync(out).size)}  ${digest}\n`);

function addImage(architecture: Architecture): Descriptor {
  const packages = values.packages ?? join(values.work, 'packages');
  const debs = join(packages, architecture);
  if (values.packages === undefined) run('deploy/image/fetch-packages.sh', architecture, debs);
  const trees = join(values.work, architecture);
  run('deploy/image/rootfs.sh', architecture, debs, trees);
  writeSbom(architecture, trees);
  const layers = ['base', 'weft'].map((tree) => layout.addLayer(join(trees, tree), createdSec));
  const sizes = layers.map(({ descriptor }) => mib(descriptor.size)).join(' + ');
  process.stdout.write(`${architecture}: layers of ${sizes}\n`);
  return layout.addImage({ architecture, layers, createdSec, labels });
}

function writeSbom(architecture: Architecture, trees: string): void {
  const doc = join(trees, 'weft/usr/share/doc/weft');
  const controls = join(trees, 'base/var/lib/dpkg/status.d');
  const node = readFileSync(join(trees, 'base/usr/share/doc/node/version'), 'utf8').trim();
  const components: Component[] = [
    {
      name: 'weft',
      version,
      purl: `pkg:generic/weft@${version}?arch=${architecture}`,
      license: 'Apache-2.0',
    },
    { name: 'node', version: node, purl: `pkg:generic/node@${node}?arch=${architecture}`, license: 'MIT' },
    ...readdirSync(controls)
      .toSorted()
      .map((name) => debianComponent(readFileSync(join(controls, name), 'utf8'))),
    ...npmComponents(readFileSync('dist/THIRD-PARTY-LICENSES', 'utf8')),
  ];
  mkdirSync(doc, { recursive: true });
  const file = join(doc, 'sbom.spdx.json');
  writeFileSync(file, formatSbom({ name: `weft-${version}-${architecture}`, createdSec, components }));
  copyFileSync(file, out.replace(/(?:\.oci)?\.tar$/, `_${architecture}.spdx.json`));
}

function run(...[program = '', ...args]: readonly string[]): void {
  const { status } = spawnSync('sh', [program, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Of the last commit, so that a commit has one digest; empty outside of git. */
function commitTime(): string {
  return spawnSync('git', ['log', '-1', '--format=%ct'], { encoding: 'utf8' }).stdout.trim();
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
