// Finds a daemon in this network namespace: it would re-create the kernel state that cleanup
// removes.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';

/**
 * A flanneld or weft daemon in the network namespace of this process, or `undefined`. A process
 * whose namespace cannot be read counts as one of ours. `proc` is where procfs is mounted.
 */
export async function findDaemon(
  proc = '/proc',
): Promise<{ readonly pid: number; readonly command: string } | undefined> {
  const own = await readlink(`${proc}/self/ns/net`);
  for (const name of await readdir(proc)) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const args = await readArgs(`${proc}/${name}/cmdline`);
    if (!isDaemon(args)) continue;
    if ((await readlink(`${proc}/${name}/ns/net`).catch(() => own)) === own)
      return { pid: Number(name), command: args.includes('daemon') ? 'weft daemon' : 'flanneld' };
  }
  return undefined;
}

async function readArgs(file: string): Promise<readonly string[]> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\0');
}

/**
 * Whether `args` are the command line of a daemon, with or without the node that runs it; not that
 * of a shell.
 */
export function isDaemon(args: readonly string[]): boolean {
  const [program = '', command] = withoutNode(args);
  const name = basename(program);
  return name === 'flanneld' || (/^weft(?:\.mjs|-daemon\.cjs)?$/.test(name) && command === 'daemon');
}

/** Drops node, its options, and the start file of the program. */
function withoutNode(args: readonly string[]): readonly string[] {
  if (!/^node(?:js)?$/.test(basename(args[0] ?? ''))) return args;
  const rest = args.slice(args.findIndex((arg, index) => index > 0 && !arg.startsWith('-')));
  return /^(?:start|weft)\.mjs$/.test(basename(rest[0] ?? '')) && rest[1]?.includes('/')
    ? rest.slice(1)
    : rest;
}
