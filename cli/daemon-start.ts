// Entry of weft-daemon.cjs: runs the program of the weft.mjs beside it, with code that an earlier
// start compiled, where there is a folder for it (CACHE_DIRECTORY, systemd.exec(5)).
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CodeCache } from '../lib/code-cache.ts';

/** Where the program begins, and the names that are defined before it (deploy/bundle/bundle.ts). */
const PROGRAM_MARK = '/* The program: */';
const NAMES = ['require', 'module', 'exports', '__dirname', 'moduleUrl', 'weftCodeCache'];

const file = join(__dirname, 'weft.mjs');
const bytes = readFileSync(file);
// Not what stat() says of the file, which images of two versions may have in common.
const key = createHash('sha256').update(bytes).digest('hex');
const content = bytes.toString('latin1');
// Several folders are separated by colons.
const [folder = ''] = (process.env['CACHE_DIRECTORY'] ?? '').split(':');
if (folder !== '') makeFolder(folder);
const cache = new CodeCache(folder === '' ? undefined : folder, key);
const module = { exports: {} };
const mark = content.indexOf(PROGRAM_MARK);
if (mark < 0) throw new Error(`${file} is of another version of weft: install all files of one version`);
cache.compile('weft.cjs', content.slice(mark + PROGRAM_MARK.length), NAMES)(
  require,
  module,
  module.exports,
  __dirname,
  pathToFileURL(file).href,
  cache,
);

/** Where it cannot be made, the daemon starts without. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {
    // It exists, or nothing can be written there.
  }
}
