import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DEFAULT_WIREGUARD } from '../../allocator/config/parse-wireguard.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Revision } from '../../allocator/registry/registry.ts';
import { network, VXLAN } from '../../backends/fixture.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { KeyRotation, untilNextEpochMs, withDueEpoch } from './key-rotation.ts';

const config = (rotateAfterSec: number, keyEpoch = 0): NetworkConfig =>
  network('4', { ...DEFAULT_WIREGUARD, rotateAfterSec, keyEpoch });
const epochOf = ({ backend }: NetworkConfig): number | undefined =>
  backend.type === 'wireguard' ? backend.keyEpoch : undefined;

describe('rotation of keys by age', () => {
  for (const [rotateAfter, keyEpoch, wallSec, epoch, untilSec] of [
    [0, 7, 1000, 7, undefined],
    [100, 0, 0, 0, 100],
    [100, 0, 99, 0, 1],
    [100, 0, 100, 1, 100],
    [100, 5, 250, 7, 50],
  ] as const)
    it(`every ${rotateAfter} s from epoch ${keyEpoch}: at ${wallSec} s epoch ${epoch}`, () => {
      const document = config(rotateAfter, keyEpoch);
      assert.equal(epochOf(withDueEpoch(document, wallSec * 1000)), epoch);
      assert.equal(untilNextEpochMs(document, wallSec * 1000), untilSec && untilSec * 1000);
    });

  it('another backend has no keys', () => {
    const document = network('4', VXLAN);
    assert.equal(withDueEpoch(document, 5000), document);
    assert.equal(untilNextEpochMs(document, 5000), undefined);
  });

  it('applies the epoch that is due, once it is due, and reports what is rejected', async () => {
    const clock = new FakeClock();
    const applied: (number | undefined)[] = [];
    const rejected: string[] = [];
    let answer: string | undefined;
    const rotation = new KeyRotation({
      clock,
      wallMs: () => 1_000_000 + clock.nowMs(),
      apply: (due) => {
        applied.push(epochOf(due));
        return Promise.resolve(answer === undefined ? undefined : { reason: answer, isRetryable: true });
      },
      onRejected: (reason) => rejected.push(reason),
    });
    assert.equal(await rotation.apply(config(100), 1 as unknown as Revision), undefined);
    await clock.advance(100_001);
    answer = 'no key';
    await clock.advance(100_001);
    await clock.settle();
    assert.deepEqual(applied, [10, 11, 12]);
    assert.deepEqual(rejected, ['no key']);
    rotation.stop();
    await clock.advance(1_000_000);
    assert.equal(applied.length, 3);
  });
});
