// The alerts of docs/how-to/monitor.md as a page: `runbook_url` of each alert leads to its heading.
// Knows the Markdown of that section: headings, paragraphs, code, emphasis and links.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const STYLE =
  'body{max-width:46em;margin:2em auto;padding:0 1em;font:16px/1.5 system-ui,sans-serif;color-scheme:light dark}' +
  'h2:target{border-left:4px solid;padding-left:.5em}code{font-family:ui-monospace,monospace}';

export function buildRunbook(root: string): string {
  const text = readFileSync(join(root, 'docs/how-to/monitor.md'), 'utf8');
  return renderRunbook(text.split('\n## Alerts\n')[1]!.split('\n## ')[0]!);
}

/** @param section - Markdown below `## Alerts`. */
export function renderRunbook(section: string): string {
  const blocks = section.split(/\n{2,}/).map((block) => block.trim());
  const body = blocks.filter((block) => block !== '').map(renderBlock);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>weft: alerts</title><style>${STYLE}</style></head><body><main><h1>Alerts of weft</h1>${body.join('\n')}</main></body></html>`;
}

function renderBlock(block: string): string {
  const heading = /^### (\w+)$/.exec(block)?.[1];
  if (heading !== undefined) return `<h2 id="${heading.toLowerCase()}">${heading}</h2>`;
  return `<p>${renderInline(block)}</p>`;
}

/** Links inside the section stay; those to other documents become their text, as no document is served. */
function renderInline(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\[([^\]]+)\]\((#\w+)\)/g, '<a href="$2">$1</a>')
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll(/\*([\w, -]+)\*/g, '<em>$1</em>');
}
