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
