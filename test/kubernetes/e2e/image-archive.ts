// Images of one layer, as `docker save` writes them, of files of this machine.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run-command.ts';

export interface ImageArchive {
  /** With registry and tag: containerd pulls none that it has by such a name. */
  readonly names: readonly string[];
  /** `config` of the image, for example Cmd. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Fills the root of the image. */
  readonly fill: (root: string) => Promise<void>;
}

/** Writes the archive to `path`, with a folder of the same name beside it for a while. */
export async function writeImage(path: string, { config, fill, names }: ImageArchive): Promise<void> {
  const folder = `${path}.d`;
  const [root, layer] = [join(folder, 'root'), join(folder, 'layer.tar')];
  await mkdir(root, { recursive: true });
  await fill(root);
  await run(['tar', '-C', root, '--owner=0', '--group=0', '-cf', layer, '.']);
  const digest = createHash('sha256')
    .update(await readFile(layer))
    .digest('hex');
  const image = {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(image));
  const manifest = [{ Config: 'config.json', RepoTags: names, Layers: ['layer.tar'] }];
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await run(['tar', '-C', folder, '-cf', path, 'manifest.json', 'config.json', 'layer.tar']);
  await rm(folder, { recursive: true });
}

/** Copies busybox to /bin, with the applets given. */
export async function copyBusybox(root: string, applets: readonly string[]): Promise<void> {
  const folder = join(root, 'bin');
  await mkdir(folder, { recursive: true });
  await run(['cp', '/usr/bin/busybox', folder]);
  for (const applet of applets) await run(['ln', '-s', 'busybox', join(folder, applet)]);
}
