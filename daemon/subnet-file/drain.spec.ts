import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DrainStateV1 } from '../../api/index.ts';
import { createLogger } from '../log/log.ts';
import { Drain } from './drain.ts';

describe('a drained host', () => {
  let folder = '';
  let applied: DrainStateV1[] = [];
  let failure: Error | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-drain-'));
    [applied, failure] = [[], undefined];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const create = (): Drain =>
    new Drain({
      subnetFile: join(folder, 'subnet.env'),
      log: createLogger({ write: () => undefined }),
      apply: (state) => {
        if (failure !== undefined) return Promise.reject(failure);
        applied.push(state);
        return Promise.resolve();
      },
      onChange: () => undefined,
    });

  it('is so until that is undone, over restarts', async () => {
    await create().set('drained');
    const next = create();
    await next.start();
    assert.equal(next.state, 'drained');
    await next.untilAdmitted();
    await next.set('none');
    assert.deepEqual(
      [applied, existsSync(join(folder, '.subnet.env.drained'))],
      [['drained', 'none'], false],
    );
  });

  it('leases nothing while it is released', async () => {
    await create().set('released');
    const next = create();
    await next.start();
    let isAdmitted = false;
    const admitted = next.untilAdmitted().then(() => (isAdmitted = true));
    await new Promise(setImmediate);
    assert.equal(isAdmitted, false);
    await next.set('none');
    await admitted;
  });

  it('stays as it was if the change fails', async () => {
    const drain = create();
    failure = new Error('no etcd');
    await assert.rejects(drain.set('released'), /no etcd/);
    assert.deepEqual([drain.state, existsSync(join(folder, '.subnet.env.drained'))], ['none', false]);
  });
});
