import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileWatch } from './file-watch.ts';

describe('FileWatch', () => {
  let folder: string;
  let path: string;
  let watch: FileWatch | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-file-watch-'));
    path = join(folder, 'subnet.env');
    await writeFile(path, 'old');
  });

  afterEach(async () => {
    watch?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Resolves once the watch reports what `act` does. */
  async function touchAfter(act: () => Promise<void>, watched = path): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      watch = new FileWatch(watched, resolve);
      watch.start();
      assert.ok(watch.isWatching);
      act().catch(reject);
    });
  }

  it('reports a change', () => touchAfter(() => writeFile(path, 'new')));

  it('reports a removal', () => touchAfter(() => rm(path)));

  it('reports another file in its place', () =>
    touchAfter(async () => {
      await writeFile(join(folder, 'other'), 'new');
      await rename(join(folder, 'other'), path);
    }));

  it('reports a folder that goes away with the file', () =>
    touchAfter(() => rename(folder, `${folder}-gone`).then(() => rename(`${folder}-gone`, folder))));

  it('watches the target of a symbolic link', async () => {
    const [inner, link] = [join(folder, 'inner'), join(folder, 'link')];
    await mkdir(inner);
    await writeFile(join(inner, 'file'), 'old');
    await symlink(join(inner, 'file'), link);
    await touchAfter(() => writeFile(join(inner, 'file'), 'new'), link);
  });

  /** As kubelet mounts a ConfigMap: `file` → `..data/file`, `..data` → `..1/`. */
  async function mountConfigMap(): Promise<string> {
    const mount = join(folder, 'mount');
    await mkdir(mount);
    await putVersion(mount, 1);
    await symlink('..data/file', join(mount, 'file'));
    return mount;
  }
  async function putVersion(mount: string, version: number): Promise<void> {
    await mkdir(join(mount, `..${version}`));
    await writeFile(join(mount, `..${version}/file`), String(version));
    await symlink(`..${version}`, join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    if (version > 1) await rm(join(mount, `..${version - 1}`), { recursive: true });
  }

  it('reports each replacement of a folder behind the file, as of a ConfigMap', async () => {
    const mount = await mountConfigMap();
    let touches = 0;
    watch = new FileWatch(join(mount, 'file'), () => touches++);
    watch.start();
    for (const version of [2, 3, 4]) {
      const before = touches;
      await putVersion(mount, version);
      await touchOf(join(mount, `last${version}`));
      assert.ok(touches > before, `version ${version}`);
    }
    const before = touches;
    await writeFile(join(mount, '..4/file'), 'in place');
    await touchOf(join(mount, '..4/last'));
    assert.ok(touches > before, 'in place');
  });

  it('goes on when its folder is replaced by another of the same name', async () => {
    const inner = join(folder, 'inner');
    await mkdir(inner);
    const other = join(folder, 'other');
    await mkdir(other);
    let touches = 0;
    watch = new FileWatch(join(inner, 'file'), () => touches++);
    watch.start();
    await rename(inner, `${inner}-gone`);
    await rename(other, inner);
    await touchOf(join(inner, 'last'));
    watch.start();
    const before = touches;
    await writeFile(join(inner, 'file'), 'new');
    await touchOf(join(inner, 'last'));
    assert.ok(touches > before);
  });

  it('does not report other files', async () => {
    let touches = 0;
    watch = new FileWatch(path, () => touches++);
    watch.start();
    await writeFile(join(folder, 'other'), 'new');
    await touchOf(join(folder, 'last'));
    assert.equal(touches, 0);
  });

  it('does not watch where there is no folder', () => {
    watch = new FileWatch(join(folder, 'none', 'subnet.env'), () => undefined);
    watch.start();
    assert.ok(!watch.isWatching);
  });
});

/** Makes a file, and resolves once the kernel reported it: earlier changes are reported by then. */
async function touchOf(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const other = new FileWatch(path, () => resolve(other.close()));
    other.start();
    writeFile(path, '').catch(reject);
  });
}
