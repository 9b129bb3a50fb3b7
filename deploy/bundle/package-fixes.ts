// Replaces accesses of packages to their own folder: etcd's protocol files are embedded, and the
// netlink addon loads from beside the bundle. An unexpected version of a package fails the build.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';
import protobuf from 'protobufjs';

export const packageFixes: Plugin = {
  name: 'package-fixes',
  setup(plugin) {
    plugin.onLoad({ filter: /\/etcd3\/lib\/connection-pool\.js$/ }, ({ path }) => ({
      contents: replaceOnce(
        path,
        '(0, proto_loader_1.loadSync)(`${__dirname}/../proto/rpc.proto`',
        `(0, proto_loader_1.fromJSON)(${protocolOf(join(dirname(path), '../proto'))}`,
      ),
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

/** The protocol as JSON, so that the daemon starts without the parser. */
function protocolOf(folder: string): string {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(folder, target.split('/').pop()!);
  root.loadSync('rpc.proto', { keepCase: true });
  root.resolveAll();
  return JSON.stringify(root.toJSON());
}
