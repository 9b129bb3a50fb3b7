import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GcMode } from './gc-mode.ts';

describe('GcMode', () => {
  async function run(flags: readonly string[], leases: number): Promise<string[]> {
    const set: string[] = [];
    const mode = new GcMode(
      flags,
      (flag) => set.push(flag),
      () => set.push('collect'),
    );
    mode.begin(leases);
    mode.end();
    mode.end();
    setImmediate(() => set.push('what waits'));
    await nextTurn();
    await nextTurn();
    return set;
  }

  it('lets V8 take memory while many peers are taken in, and saves it again afterwards', async () => {
    assert.deepEqual(await run(['--optimize-for-size'], 10_000), [
      '--no-optimize-for-size',
      '--optimize-for-size',
      'collect',
      'what waits',
      'collect',
    ]);
  });

  it('gives back what it took', () => {
    const mode = new GcMode(['--optimize-for-size'], () => undefined);
    let waste: unknown[] | undefined = Array.from({ length: 1_000_000 }, (_, index) => ({ index }));
    const before = process.memoryUsage().heapUsed;
    mode.begin(waste.length);
    waste = undefined;
    mode.end();
    assert.ok(process.memoryUsage().heapUsed < before - 10_000_000);
  });

  it('saves memory all the time among few peers', async () => {
    assert.deepEqual(await run(['--optimize-for-size'], 999), ['what waits']);
  });

  it('leaves V8 alone without a flag to save memory', async () => {
    assert.deepEqual(await run([], 10_000), ['what waits']);
  });
});
