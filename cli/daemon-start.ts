// Entry of weft-daemon.cjs: runs the program of the weft.mjs beside it, with code that an earlier
// start compiled, where the service manager gives a folder for it (CACHE_DIRECTORY, systemd.exec(5)).
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CodeCache } from '../lib/code-cache.ts';

/** Where the program begins, and the names that are defined before it (deploy/bundle/bundle.ts). */
const PROGRAM_MARK = '/* The program: */';
const NAMES = ['require', 'module', 'exports', '__dirname', 'moduleUrl', 'weftCodeCache'];

const file = join(__dirname, 'weft.mjs');
const content = readFileSync(file, 'latin1');
const { ctimeNs, ino, mtimeNs, size } = statSync(file, { bigint: true });
// Several folders are separated by colons.
const [folder = ''] = (process.env['CACHE_DIRECTORY'] ?? '').split(':');
const cache = new CodeCache(folder === '' ? undefined : folder, [ino, size, mtimeNs, ctimeNs].join(' '));
const module = { exports: {} };
const start = content.indexOf(PROGRAM_MARK) + PROGRAM_MARK.length;
cache.compile('weft.cjs', content.slice(start), NAMES)(
  require,
  module,
  module.exports,
  __dirname,
  pathToFileURL(file).href,
  cache,
);
