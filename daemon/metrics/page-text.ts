// The text of page.html beside the compiled file. The bundler replaces this module by one that
// contains the text.
import { readFileSync } from 'node:fs';

export function readPage(): string {
  return readFileSync(new URL('page.html', import.meta.url), 'utf8');
}
