import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { waitFor } from '../../lab/wait.ts';
import type { Clock } from '../../lib/clock.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';
import { LastKnownFile, lastKnownPath, readLastKnown } from './last-known-file.ts';

describe('the file of what the registry said last', () => {
  let folder: string;
  let path: string;
  let clock: FakeClock;
  let lines: string[];
  let text: string | undefined;
  let file: LastKnownFile;
  let writes: number;
  /** What a call for the text takes. */
  let formatMs: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-last-known-'));
    path = lastKnownPath(join(folder, 'run/subnet.env'));
    clock = new FakeClock();
    lines = [];
    writes = 0;
    text = 'one';
    const log = createLogger({ write: (line) => lines.push(line) });
    const limit = createLogRateLimit();
    formatMs = 0;
    let laterMs = 0;
    const slow: Clock = {
      nowMs: () => clock.nowMs() + laterMs,
      setTimer: (ms, callback) => clock.setTimer(ms, callback),
    };
    const counted = (): string | undefined => {
      writes++;
      laterMs += formatMs;
      return text;
    };
    file = new LastKnownFile({ path, clock: slow, log, limit, text: counted });
  });
  afterEach(async () => {
    file.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The file system takes time of its own. */
  const written = (expected: string): Promise<void> =>
    waitFor(`${path} to be ${expected}`, async () => {
      await clock.advance(0);
      return file.isIdle && (await readFile(path, 'utf8').catch(() => '')) === expected;
    });

  it('is beside subnet.env, and readable by root alone', async () => {
    file.touch();
    await clock.advance(1000);
    await written('one');
    assert.equal(path, join(folder, 'run/.subnet.env.nodes'));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(join(folder, 'run')), ['.subnet.env.nodes']);
  });

  it('is written once for changes that come together, and soon again after that', async () => {
    for (let change = 0; change < 50; change++) file.touch();
    await clock.advance(1000);
    await written('one');
    text = 'two';
    file.touch();
    assert.equal(writes, 1);
    await clock.advance(1000);
    await written('two');
    assert.equal(writes, 2);
  });

  it('is written seldom where that takes long', async () => {
    formatMs = 200;
    file.touch();
    await clock.advance(1000);
    await written('one');
    text = 'two';
    file.touch();
    await clock.advance(9000);
    assert.equal(writes, 1);
    await clock.advance(3000);
    await written('two');
  });

  it('stays as it is while the registry has said nothing', async () => {
    text = undefined;
    file.touch();
    await clock.advance(60_000);
    assert.deepEqual(await readdir(folder), []);
  });

  it('is tried again when it cannot be written, and says so once', async () => {
    await writeFile(join(folder, 'run'), 'no folder');
    file.touch();
    await clock.advance(1000);
    await waitFor('the failure to be logged', () => Promise.resolve(lines.length > 0 && file.isIdle));
    assert.match(lines.join('\n'), /Cannot keep the known peers in .*EEXIST|ENOTDIR/);
    await rm(join(folder, 'run'));
    await clock.advance(10_000);
    await written('one');
    assert.equal(lines.length, 1);
  });

  describe('read', () => {
    const log = { write: (line: string) => lines.push(line) };
    const read = (): Promise<string | undefined> => readLastKnown(path, createLogger(log));
    beforeEach(() => mkdir(join(folder, 'run')));

    it('is nothing if there is none, without a line in the log', async () => {
      assert.equal(await read(), undefined);
      assert.deepEqual(lines, []);
    });

    it('is its text', async () => {
      await writeFile(path, 'text');
      assert.equal(await read(), 'text');
    });

    it('is nothing if it is larger than weft writes', async () => {
      await writeFile(path, '');
      await truncate(path, 65 * 1024 * 1024);
      assert.equal(await read(), undefined);
      assert.match(lines.join(), /68157440 bytes/);
    });
  });
});
