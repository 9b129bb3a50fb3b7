// agnhost, the image that Kubernetes' own suites run in pods, from its Go program and what specs of
// networking call inside of it, by Debian: dash, curl and nc.
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyBusybox, writeImage } from '../e2e/image-archive.ts';
import { run } from '../e2e/run-command.ts';

/** Debian's busybox prefers its own nc, which knows no UDP, to that of PATH. */
const PROGRAMS = {
  'bin/sh': '/bin/dash',
  'usr/bin/curl': '/usr/bin/curl',
  'usr/bin/nc': '/usr/bin/nc.openbsd',
} as const;
const APPLETS = ['cat', 'grep', 'hostname', 'sleep', 'true'];

/** @param agnhost - the program, without libraries. */
export function writeAgnhostImage(archive: string, agnhost: string, names: readonly string[]): Promise<void> {
  return writeImage(archive, {
    names,
    config: { Entrypoint: ['/agnhost'], Cmd: ['pause'], Env: ['PATH=/usr/bin:/bin'] },
    fill: async (root) => {
      await copyBusybox(root, APPLETS);
      await copyFile(agnhost, join(root, 'agnhost'));
      for (const folder of ['tmp', 'etc', 'usr/bin']) await mkdir(join(root, folder), { recursive: true });
      for (const [path, file] of Object.entries(PROGRAMS)) await copyProgram(file, root, path);
    },
  });
}

/** With its libraries, and its loader. */
async function copyProgram(file: string, root: string, path: string): Promise<void> {
  await copyFile(file, join(root, path));
  // Lines like `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x7f…)`, and the loader alone.
  for (const [, library] of (await run(['ldd', file])).matchAll(/(?:=> |^\s*)(\/\S+) \(/gm)) {
    await mkdir(join(root, dirname(library!)), { recursive: true });
    await copyFile(library!, join(root, library!));
  }
}
