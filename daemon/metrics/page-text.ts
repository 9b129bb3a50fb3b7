// The text of page.html, which lies beside the compiled file; the bundler puts the text here instead.
import { readFileSync } from 'node:fs';

export function readPage(): string {
  return readFileSync(new URL('page.html', import.meta.url), 'utf8');
}
