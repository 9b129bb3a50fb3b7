// Control groups of clusters. They outlive the processes and namespaces that they were made for.
import { copyFile, mkdir, readdir, rmdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../../lab/wait.ts';

const ROOT = '/sys/fs/cgroup';

/** The folders that a group has one in each of: version 1 of cgroups has one a controller. */
async function hierarchies(): Promise<string[]> {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  const names = (await readdir(ROOT)).filter((name) => existsSync(join(ROOT, name, 'cgroup.procs')));
  return names.filter((name) => name !== 'unified').map((name) => join(ROOT, name));
}

/** Makes the groups `/<name>/<child>` that kubelets are given as their roots. */
export async function makeGroups(name: string, children: readonly string[]): Promise<void> {
  for (const hierarchy of await hierarchies())
    for (const path of [name, ...children.map((child) => join(name, child))]) {
      await mkdir(join(hierarchy, path), { recursive: true });
      // A new group of version 1 has no processor, so that no process can enter it.
      for (const file of ['cpuset.mems', 'cpuset.cpus'])
        if (existsSync(join(hierarchy, file)))
          await copyFile(join(hierarchy, file), join(hierarchy, path, file));
    }
}

/** Removes a group, once its processes have ended. */
export async function removeGroups(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const path = join(hierarchy, name);
    if (existsSync(path)) await waitFor(`${path} to be removed`, () => removeTree(path), 20_000);
  }
}

async function removeTree(path: string): Promise<boolean> {
  const children = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  for (const { name } of children) await removeTree(join(path, name));
  await rmdir(path);
  return true;
}
