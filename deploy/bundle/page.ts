// Embeds the status page in the bundle.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

export const embedPage: Plugin = {
  name: 'embed-page',
  setup(plugin) {
    plugin.onLoad({ filter: /\/daemon\/metrics\/page-text\.js$/ }, ({ path }) => {
      const html = readFileSync(join(dirname(path), 'page.html'), 'utf8');
      return { contents: `export const readPage = () => ${JSON.stringify(html)};` };
    });
  },
};
