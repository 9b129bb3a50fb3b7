// Whether a process has ended, for those that are not its parent.
import { readdir, readFile } from 'node:fs/promises';

/**
 * Whether the process of a folder of procfs has ended, with all its files and sockets closed; its parent may not have waited for
 * it yet. While other threads of a zombie end, they hold these: what starts next could not listen on the same port (proc(5)).
 */
export async function hasEnded(folder: string): Promise<boolean> {
  const status = await readFile(`${folder}/status`, 'utf8').catch(() => undefined);
  if (status === undefined) return true;
  if (!/^State:\s+[ZX]/m.test(status)) return false;
  const threads = await readdir(`${folder}/task`).catch(() => []);
  return threads.length <= 1;
}
