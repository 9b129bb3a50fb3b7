// `make bundle`: dist/weft.mjs, which needs Node and no node_modules, with dist/addons/linux-ARCH/ beside it and the
// licenses of what is in it.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { packageRoot } from '../../lab/package-root.ts';
import { bundle } from './bundle.ts';
import { licensesOf } from './licenses.ts';

/** Programs by the file that each starts with. */
const PROGRAMS = [{ entry: 'dist/cli/bundled.js', out: 'dist/weft.mjs' }] as const;
/** Names of Node and of the addons' folders. */
const ARCHITECTURES = ['x64', 'arm64'] as const;

const root = packageRoot();
process.chdir(root);
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const parts: Metafile[] = [];
for (const { entry, out } of PROGRAMS) parts.push(...(await bundle({ entry, out, root, version })));
writeFileSync('dist/THIRD-PARTY-LICENSES', licensesOf(parts, ['node_modules/node-addon-api']));
copyAddons();

/** Prebuilt copies, and for this machine what was built here. The newer of the two is never the prebuilt one. */
function copyAddons(): void {
  rmSync('dist/addons', { recursive: true, force: true });
  for (const arch of ARCHITECTURES) {
    const isHere = arch === process.arch;
    const weft = [...(isHere ? ['native/build/weft.node'] : []), `native/prebuilds/linux-${arch}/weft.node`];
    copyFirst(weft, arch, 'weft.node');
    copyFirst([`node_modules/netlink/prebuilds/linux-${arch}/node.napi.node`], arch, 'netlink.node');
  }
}

function copyFirst(candidates: readonly string[], arch: string, name: string): void {
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) return;
  const folder = join('dist/addons', `linux-${arch}`);
  mkdirSync(folder, { recursive: true });
  cpSync(found, join(folder, name));
}
