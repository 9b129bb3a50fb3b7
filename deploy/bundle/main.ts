// `make bundle`: writes dist/weft.mjs, which needs no node_modules, dist/addons/linux-ARCH/ with
// addons and programs of the CNI plugin, and the licenses of bundled packages.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { packageRoot } from '../../lab/package-root.ts';
import { bundle } from './bundle.ts';
import { licensesOf } from './licenses.ts';

/** Programs by entry file. */
const PROGRAMS = [{ entry: 'dist/cli/bundled.js', out: 'dist/weft.mjs' }] as const;
/** Architectures as Node names them, also in names of addon folders. */
const ARCHITECTURES = ['x64', 'arm64'] as const;

const root = packageRoot();
process.chdir(root);
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const parts: Metafile[] = [];
for (const { entry, out } of PROGRAMS) parts.push(...(await bundle({ entry, out, root, version })));
writeFileSync('dist/THIRD-PARTY-LICENSES', licensesOf(parts, ['node_modules/node-addon-api']));
copyAddons();

/**
 * Copies prebuilt addons; for this architecture the local build, which is never older, takes
 * precedence.
 */
function copyAddons(): void {
  rmSync('dist/addons', { recursive: true, force: true });
  for (const arch of ARCHITECTURES) {
    const isHere = arch === process.arch;
    const weft = [...(isHere ? ['native/build/weft.node'] : []), `native/prebuilds/linux-${arch}/weft.node`];
    copyFirst(weft, arch, 'weft.node');
    for (const name of ['cni-client', 'cni-launcher']) {
      const built = [...(isHere ? [`native/build/${name}`] : []), `native/prebuilds/linux-${arch}/${name}`];
      copyFirst(built, arch, name);
    }
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
