// Leaves out what weft never runs, and replaces accesses of packages to their own folder: the netlink
// addon loads from beside the bundle. An unexpected version of a package fails the build.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

export const packageFixes: Plugin = {
  name: 'package-fixes',
  setup(plugin) {
    // gRPC loads protocol files for servers that show their own state, of which weft has none.
    plugin.onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ path }) => ({ path, namespace: 'left-out' }));
    plugin.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `throw new Error('${path} is not part of this bundle')`,
    }));
    plugin.onLoad({ filter: /\/netlink\/dist\/raw\.js$/ }, ({ path }) => ({
      contents: replaceOnce(
        path,
        "require('node-gyp-build')(__dirname + '/..')",
        "require(__dirname + '/addons/linux-' + process.arch + '/netlink.node')",
      ),
    }));
    // The main file of jsonc-parser hides its imports from bundlers.
    plugin.onResolve({ filter: /^jsonc-parser$/ }, ({ resolveDir }) =>
      plugin.resolve('jsonc-parser/lib/esm/main.js', { resolveDir, kind: 'require-call' }),
    );
  },
};

function replaceOnce(file: string, from: string, to: string): string {
  const parts = readFileSync(file, 'utf8').split(from);
  if (parts.length !== 2)
    throw new Error(
      `${file} does not have '${from}' once: this version of the package needs another fix here`,
    );
  return parts.join(to);
}
