// Embeds the npm packages of a bundle as one text that is compiled on first use: commands without
// them, such as `weft version`, skip half a megabyte of code.
import { build, type Metafile, type Plugin } from 'esbuild';
import { packageFixes } from './package-fixes.ts';

export interface PackageText {
  /** Names as the program imports them, for example `netlink/dist/raw.js`. */
  readonly names: readonly string[];
  /** Body of a CommonJS module that exports a function for each name; empty without any. */
  readonly text: string;
  readonly metafile: Metafile | undefined;
}

const COMPILER = 'weft:packages';
const NAMESPACE = 'package';
/** Module names that are no path. */
const BARE = /^[^./]/;

/** Packages that the program of `entry` imports. */
export async function gatherPackages(entry: string, root: string): Promise<PackageText> {
  const scan = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    write: false,
    metafile: true,
  });
  const imports = Object.values(scan.metafile.outputs).flatMap((output) => output.imports);
  const names = [...new Set(imports.map(({ path }) => path))].filter((path) => !path.startsWith('node:'));
  if (names.length === 0) return { names, text: '', metafile: undefined };
  const exports = names
    .toSorted()
    .map((name) => `${JSON.stringify(name)}: () => require(${JSON.stringify(name)})`);
  const result = await build({
    stdin: { contents: `module.exports = { ${exports.join(', ')} };`, resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    minifyIdentifiers: true,
    legalComments: 'none',
    plugins: [packageFixes],
    write: false,
    metafile: true,
  });
  return { names, text: result.outputFiles[0]!.text, metafile: result.metafile };
}

/** Resolves the program's imports of packages to `packages`. */
export function embedPackages(packages: PackageText): Plugin {
  return {
    name: 'embed-packages',
    setup(plugin) {
      plugin.onResolve({ filter: BARE }, ({ path }) => {
        if (path === COMPILER || packages.names.includes(path)) return { path, namespace: NAMESPACE };
        return undefined;
      });
      plugin.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
        contents:
          path === COMPILER
            ? compiler(packages.text)
            : `module.exports = require('${COMPILER}')[${JSON.stringify(path)}]();`,
      }));
    },
  };
}

/** A module that compiles `text`; `require` and `__dirname` are those of the bundle. */
function compiler(text: string): string {
  return `const text = ${JSON.stringify(text)}, parameters = ['module', 'exports', 'require', '__dirname'], filename = 'weft-packages.cjs';
const run = typeof weftCodeCache === 'undefined' ? require('node:vm').compileFunction(text, parameters, { filename }) : weftCodeCache.compile(filename, text, parameters);
run(module, exports, require, __dirname);`;
}
