import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../lab/wait.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FileWatch } from '../../lib/file-watch.ts';
import { createLogger } from '../log/log.ts';
import { SubnetFileWriter } from './subnet-file-writer.ts';

const TEXT = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n';

describe('the subnet file writer', () => {
  let folder: string;
  let clock: FakeClock;
  let lines: string[];
  let problems: (string | undefined)[];
  let nextChange: () => void;
  let writer: SubnetFileWriter;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-file-writer-'));
    path = join(folder, 'run', 'subnet.env');
    clock = new FakeClock();
    lines = [];
    problems = [];
    nextChange = () => undefined;
    const log = createLogger({ write: (line) => lines.push(line) });
    const onChange = (): void => {
      problems.push(writer.problem);
      nextChange();
    };
    writer = new SubnetFileWriter({ path, clock, log, onChange });
  });

  afterEach(async () => {
    await writer.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Resolves at the first onChange after `act`. */
  async function changeAfter(act: () => void): Promise<void> {
    const changed = new Promise<void>((resolve) => (nextChange = resolve));
    act();
    await changed;
  }

  const nextCheck = (): Promise<void> => changeAfter(() => void clock.advance(600_000));

  /**
   * Resolves once the kernel has notified every watch, the writer's included, of what `act` does to
   * the file.
   */
  function notified(act: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const watch = new FileWatch(path, () => setImmediate(() => resolve(watch.close())));
      watch.start();
      act().catch(reject);
    });
  }

  it('writes the newest of several texts', async () => {
    assert.match(writer.problem ?? '', /not written yet/);
    await changeAfter(() => {
      writer.write('FLANNEL_SUBNET=10.5.1.1/24\n');
      writer.write(TEXT);
    });
    assert.equal(writer.problem, undefined);
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  for (const [what, modify] of [
    ['removed', () => rm(path)],
    ['changed', () => writeFile(path, 'FLANNEL_SUBNET=10.5.9.1/24\n')],
    ['changed without changing its size', () => writeFile(path, TEXT.replaceAll('5', '6'))],
  ] as const)
    it(`restores a file that another program ${what}`, async () => {
      await changeAfter(() => writer.write(TEXT));
      await nextCheck();
      await modify();
      await nextCheck();
      assert.equal(await readFile(path, 'utf8'), TEXT);
      assert.match(lines.at(-1) ?? '', /changed or removed/);
    });

  it('restores the file within a second after a notification', async () => {
    await changeAfter(() => writer.write(TEXT));
    await nextCheck();
    await notified(() => rm(path));
    await changeAfter(() => void clock.advance(1000));
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('restores the file at most every five seconds', async () => {
    await changeAfter(() => writer.write(TEXT));
    await notified(() => writeFile(path, 'FLANNEL_SUBNET=10.5.9.1/24\n'));
    const before = lines.length;
    await clock.advance(4999);
    assert.deepEqual([lines.length, clock.pendingTimers], [before, 1]);
    await changeAfter(() => void clock.advance(1));
    assert.match(lines.at(-1) ?? '', /changed or removed/);
  });

  it('logs nothing while the file is unmodified', async () => {
    await changeAfter(() => writer.write(TEXT));
    const before = lines.length;
    await nextCheck();
    await clock.advance(60_000);
    assert.equal(lines.length, before);
    assert.ok(problems.every((problem) => problem === undefined));
  });

  it('logs an error once and retries', async () => {
    await writeFile(join(folder, 'run'), 'a file in place of the folder');
    await changeAfter(() => writer.write(TEXT));
    assert.match(writer.problem ?? '', /no directory/);
    await nextCheck();
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /Cannot write .*no directory.*; retrying every 5 s/);
    await rm(join(folder, 'run'));
    await nextCheck();
    assert.equal(writer.problem, undefined);
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('has a problem as soon as it fails to restore the file', async () => {
    await changeAfter(() => writer.write(TEXT));
    await rm(path);
    await mkdir(path);
    await nextCheck();
    assert.match(writer.problem ?? '', /is a directory/);
  });

  it('keeps a withdrawn file absent until it is restored', async () => {
    await changeAfter(() => writer.write(TEXT));
    await changeAfter(() => writer.withdraw());
    assert.deepEqual([await readdir(join(folder, 'run')), writer.problem], [[], undefined]);
    await writeFile(path, TEXT);
    await waitFor('the file to be gone again', () => !existsSync(path));
    writer.restore();
    await waitFor('the file to be back', () => existsSync(path));
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('reports a withdrawn file that it cannot remove, and retries', async () => {
    await mkdir(path, { recursive: true });
    await changeAfter(() => writer.withdraw());
    assert.match(writer.problem ?? '', /Cannot remove .*is a directory/);
    await changeAfter(() => void clock.advance(5000));
    assert.equal(lines.length, 1);
    await rm(path, { recursive: true });
    await writeFile(path, TEXT);
    // The retry, or the watch before it.
    await clock.advance(5000);
    await waitFor('the file to be gone', () => !existsSync(path));
    await writer.stop();
    assert.deepEqual([await readdir(join(folder, 'run')), writer.problem], [[], undefined]);
  });

  it('removes a file that it wrote', async () => {
    writer.write(TEXT);
    await writer.remove();
    assert.deepEqual(await readdir(join(folder, 'run')), []);
  });

  it('does not remove a file that existed before', async () => {
    await mkdir(join(folder, 'run'));
    await writeFile(path, TEXT);
    await changeAfter(() => writer.write(TEXT));
    await writer.remove();
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('writes nothing after stop', async () => {
    writer.write(TEXT);
    await writer.stop();
    assert.equal(await readFile(path, 'utf8'), TEXT);
    await rm(path);
    await clock.advance(60_000);
    writer.write(TEXT);
    await clock.settle();
    assert.deepEqual(await readdir(join(folder, 'run')), []);
    assert.equal(clock.pendingTimers, 0);
  });
});
