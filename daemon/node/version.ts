// The version of this weft, from its package.json.
import { readFileSync } from 'node:fs';

/** Put in by the bundler: a bundle has no package.json. */
declare const WEFT_VERSION: string | undefined;

/**
 * For example `0.1.0`. Searches the folders above this file, because the compiled file lies deeper
 * than the source.
 */
export function weftVersion(): string {
  if (typeof WEFT_VERSION === 'string') return WEFT_VERSION;
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    const version = readVersion(new URL('package.json', folder));
    if (version !== undefined) return version;
    if (folder.pathname === '/') return 'unknown';
  }
}

function readVersion(file: URL): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown };
  return name === 'weft' && typeof version === 'string' ? version : undefined;
}
