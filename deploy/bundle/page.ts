// The page of --metrics-port in one text: its template with script and style. In a bundle it is
// compressed, as most daemons are never asked for it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build, type Metafile, type Plugin } from 'esbuild';

/** Browsers of the last four years. */
const TARGET = 'es2022';

export interface PageText {
  readonly html: string;
  readonly metafile: Metafile;
}

/** `root` has daemon/page/ and node_modules/. */
export async function buildPage(root: string): Promise<PageText> {
  const folder = join(root, 'daemon/page');
  const result = await build({
    absWorkingDir: root,
    entryPoints: [join(folder, 'dom/main.ts'), join(folder, 'style.css')],
    outdir: 'page',
    bundle: true,
    format: 'iife',
    target: TARGET,
    minify: true,
    legalComments: 'none',
    write: false,
    metafile: true,
  });
  const textOf = (end: string): string =>
    result.outputFiles.find(({ path }) => path.endsWith(end))!.text.trim();
  const html = readFileSync(join(folder, 'page.html'), 'utf8')
    .replace('<style></style>', () => `<style>${textOf('.css')}</style>`)
    .replace('<script></script>', () => `<script>${textOf('.js')}</script>`);
  return { html, metafile: result.metafile };
}

/** Replaces the module that reads pages from files; `texts` has the text of each of its functions. */
export function embedPage(texts: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'embed-page',
    setup(plugin) {
      plugin.onLoad({ filter: /\/daemon\/metrics\/page-text\.js$/ }, () => {
        const readers = Object.entries(texts).map(([name, text]) => {
          const compressed = brotliCompressSync(text).toString('base64');
          return `export const ${name} = () => brotliDecompressSync(Buffer.from('${compressed}', 'base64')).toString();`;
        });
        return { contents: ["import { brotliDecompressSync } from 'node:zlib';", ...readers].join('\n') };
      });
    },
  };
}
