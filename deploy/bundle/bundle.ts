// Bundles a program and its imports into one file that needs only Node.
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { buildPage, embedPage } from './page.ts';
import { buildRunbook } from './runbook.ts';
import { embedPackages, gatherPackages } from './packages.ts';

export interface BundleOptions {
  /** Compiled entry file, without await at its top level. */
  readonly entry: string;
  /** File to write, executable. */
  readonly out: string;
  /** Folder of node_modules. */
  readonly root: string;
  readonly version: string;
}

/**
 * The bundled code is CommonJS inside an ES module, so that built-in modules load on first use.
 * cli/daemon-start.ts knows the last line.
 */
const preamble = (checkNode: string): string => `#!/usr/bin/env node
${checkNode}
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
const moduleUrl = import.meta.url;
const require = createRequire(moduleUrl);
const __dirname = fileURLToPath(new URL('.', moduleUrl));
const module = { exports: {} };
/* The program: */`;

/** @returns the inputs of the bundle. */
export async function bundle({ entry, out, root, version }: BundleOptions): Promise<Metafile[]> {
  const packages = await gatherPackages(entry, root);
  const page = await buildPage(root);
  const result = await build({
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    platform: 'node',
    // weft-daemon.cjs reads one byte a character.
    charset: 'ascii',
    format: 'cjs',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    define: { 'import.meta.url': 'moduleUrl', WEFT_VERSION: JSON.stringify(version) },
    banner: { js: preamble(await readFile(join(root, 'bin/check-node.mjs'), 'utf8')) },
    plugins: [embedPackages(packages), embedPage({ readPage: page.html, readRunbook: buildRunbook(root) })],
    metafile: true,
  });
  await chmod(out, 0o755);
  return [result.metafile, page.metafile, ...(packages.metafile ? [packages.metafile] : [])];
}
