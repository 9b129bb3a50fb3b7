// The texts of page.html and runbook.html beside the compiled file. The bundler replaces this module
// by one that contains them.
import { readFileSync } from 'node:fs';

export function readPage(): string {
  return readFileSync(new URL('page.html', import.meta.url), 'utf8');
}

export function readRunbook(): string {
  return readFileSync(new URL('runbook.html', import.meta.url), 'utf8');
}
