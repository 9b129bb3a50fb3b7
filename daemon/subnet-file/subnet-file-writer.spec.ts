import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FileWatch } from '../../lib/file-watch.ts';
import { createLogger } from '../log/log.ts';
import { SubnetFileWriter } from './subnet-file-writer.ts';

const TEXT = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n';

describe('subnet file keeper', () => {
  let folder: string;
  let clock: FakeClock;
  let lines: string[];
  let problems: (string | undefined)[];
  let nextChange: () => void;
  let keeper: SubnetFileWriter;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-file-keeper-'));
    path = join(folder, 'run', 'subnet.env');
    clock = new FakeClock();
    lines = [];
    problems = [];
    nextChange = () => undefined;
    const log = createLogger({ write: (line) => lines.push(line) });
    const onChange = (): void => {
      problems.push(keeper.problem);
      nextChange();
    };
    keeper = new SubnetFileWriter({ path, clock, log, onChange });
  });

  afterEach(async () => {
    await keeper.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Resolves once the keeper told of a change after `act`. */
  async function changeAfter(act: () => void): Promise<void> {
    const changed = new Promise<void>((resolve) => (nextChange = resolve));
    act();
    await changed;
  }

  const look = (): Promise<void> => changeAfter(() => void clock.advance(600_000));

  /** Resolves once the kernel has told, to the keeper as well, of what `act` does to the file. */
  function told(act: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const watch = new FileWatch(path, () => setImmediate(() => resolve(watch.close())));
      watch.start();
      act().catch(reject);
    });
  }

  it('writes what it is given, and the newest of several', async () => {
    assert.match(keeper.problem ?? '', /not written yet/);
    await changeAfter(() => {
      keeper.write('FLANNEL_SUBNET=10.5.1.1/24\n');
      keeper.write(TEXT);
    });
    assert.equal(keeper.problem, undefined);
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  for (const [what, spoil] of [
    ['removed', () => rm(path)],
    ['changed', () => writeFile(path, 'FLANNEL_SUBNET=10.5.9.1/24\n')],
    ['changed without changing its size', () => writeFile(path, TEXT.replaceAll('5', '6'))],
  ] as const)
    it(`writes again a file that somebody ${what}`, async () => {
      await changeAfter(() => keeper.write(TEXT));
      await look();
      await spoil();
      await look();
      assert.equal(await readFile(path, 'utf8'), TEXT);
      assert.match(lines.at(-1) ?? '', /changed or removed/);
    });

  it('writes it again within a second where the kernel tells', async () => {
    await changeAfter(() => keeper.write(TEXT));
    await look();
    await told(() => rm(path));
    await changeAfter(() => void clock.advance(1000));
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('takes turns with a program that wants it otherwise no faster than every five seconds', async () => {
    await changeAfter(() => keeper.write(TEXT));
    await told(() => writeFile(path, 'FLANNEL_SUBNET=10.5.9.1/24\n'));
    const before = lines.length;
    await clock.advance(4999);
    assert.deepEqual([lines.length, clock.pendingTimers], [before, 1]);
    await changeAfter(() => void clock.advance(1));
    assert.match(lines.at(-1) ?? '', /changed or removed/);
  });

  it('stays silent and without a problem while nobody touches the file', async () => {
    await changeAfter(() => keeper.write(TEXT));
    const before = lines.length;
    await look();
    await clock.advance(60_000);
    assert.equal(lines.length, before);
    assert.ok(problems.every((problem) => problem === undefined));
  });

  it('says why it cannot write, once, and tries again', async () => {
    await writeFile(join(folder, 'run'), 'a file where a folder is wanted');
    await changeAfter(() => keeper.write(TEXT));
    assert.match(keeper.problem ?? '', /no directory/);
    await look();
    assert.equal(lines.length, 1);
    await rm(join(folder, 'run'));
    await look();
    assert.equal(keeper.problem, undefined);
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('has a problem as soon as the file cannot be put back', async () => {
    await changeAfter(() => keeper.write(TEXT));
    await rm(path);
    await mkdir(path);
    await look();
    assert.match(keeper.problem ?? '', /is a directory/);
  });

  it('takes back a file that it wrote', async () => {
    keeper.write(TEXT);
    await keeper.withdraw();
    assert.deepEqual(await readdir(join(folder, 'run')), []);
  });

  it('leaves a file that was there before', async () => {
    await mkdir(join(folder, 'run'));
    await writeFile(path, TEXT);
    await changeAfter(() => keeper.write(TEXT));
    await keeper.withdraw();
    assert.equal(await readFile(path, 'utf8'), TEXT);
  });

  it('does nothing more after stop', async () => {
    keeper.write(TEXT);
    await keeper.stop();
    assert.equal(await readFile(path, 'utf8'), TEXT);
    await rm(path);
    await clock.advance(60_000);
    keeper.write(TEXT);
    await clock.settle();
    assert.deepEqual(await readdir(join(folder, 'run')), []);
    assert.equal(clock.pendingTimers, 0);
  });
});
