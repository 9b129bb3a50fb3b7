// An image with busybox alone, for pods of the suite and as their pause.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { copyBusybox, writeImage } from './image-archive.ts';

export const BOX_IMAGE = 'localhost/box:1';
const APPLETS = ['sh', 'sleep', 'httpd', 'hostname', 'mkdir'];

export function writeBoxImage(path: string): Promise<void> {
  return writeImage(path, {
    names: [BOX_IMAGE],
    config: { Cmd: ['/bin/sleep', '2147483647'], Env: ['PATH=/bin'] },
    fill: async (root) => {
      await copyBusybox(root, APPLETS);
      for (const folder of ['tmp', 'etc']) await mkdir(join(root, folder));
    },
  });
}
