// An image with busybox alone, as `docker save` writes it, for pods of the suite and as their pause.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run-command.ts';

export const BOX_IMAGE = 'localhost/box:1';
const BUSYBOX = '/usr/bin/busybox';
const APPLETS = ['sh', 'sleep', 'httpd', 'hostname', 'mkdir'];

/** Writes the archive to `path`, with a folder of the same name beside it for a while. */
export async function writeBoxImage(path: string): Promise<void> {
  const folder = `${path}.d`;
  await mkdir(join(folder, 'root/bin'), { recursive: true });
  await mkdir(join(folder, 'root/tmp'));
  await mkdir(join(folder, 'root/etc'));
  await copyFile(BUSYBOX, join(folder, 'root/bin/busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(folder, 'root/bin', applet));
  await run([
    'tar',
    '-C',
    join(folder, 'root'),
    '--owner=0',
    '--group=0',
    '-cf',
    join(folder, 'layer.tar'),
    '.',
  ]);
  const digest = createHash('sha256')
    .update(await readFile(join(folder, 'layer.tar')))
    .digest('hex');
  const config = {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: { Cmd: ['/bin/sleep', '2147483647'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [BOX_IMAGE], Layers: ['layer.tar'] }];
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await run(['tar', '-C', folder, '-cf', path, 'manifest.json', 'config.json', 'layer.tar']);
  await rm(folder, { recursive: true });
}
