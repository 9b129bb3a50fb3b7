// Whether a daemon serves this network namespace: one whose kernel state is being looked for would make it again at once.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';

/** Process id and command of a flanneld or a weft daemon in the network namespace of this process, or `undefined`. */
export async function findDaemon(
  proc = '/proc',
): Promise<{ readonly pid: number; readonly command: string } | undefined> {
  const own = await readlink(`${proc}/self/ns/net`);
  for (const name of await readdir(proc)) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const words = await readWords(`${proc}/${name}/cmdline`);
    if (!isDaemon(words)) continue;
    if ((await readlink(`${proc}/${name}/ns/net`).catch(() => own)) === own)
      return { pid: Number(name), command: words.includes('daemon') ? 'weft daemon' : 'flanneld' };
  }
  return undefined;
}

async function readWords(file: string): Promise<readonly string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\0');
}

/** Whether a command line is that of a daemon, by itself or behind the node that runs it; not of a shell that names one. */
export function isDaemon(words: readonly string[]): boolean {
  const [program = '', word] = withoutNode(words);
  const name = basename(program);
  return name === 'flanneld' || (/^weft(?:\.mjs)?$/.test(name) && word === 'daemon');
}

/** Program and words as they were typed: node comes with options, and with a file that starts the program. */
function withoutNode(words: readonly string[]): readonly string[] {
  if (!/^node(?:js)?$/.test(basename(words[0] ?? ''))) return words;
  const rest = words.slice(words.findIndex((word, index) => index > 0 && !word.startsWith('-')));
  return /^(?:start|weft)\.mjs$/.test(basename(rest[0] ?? '')) && rest[1]?.includes('/')
    ? rest.slice(1)
    : rest;
}
