import assert from 'node:assert/strict';
import { toLeaseId } from '../registry/registry.ts';
import {
  aliveLeaseId,
  forgetLease,
  grantedLease,
  keptAliveLease,
  renewLater,
  renewNow,
  unusedLeaseId,
} from './registry-lease.ts';

const ID = toLeaseId('70');
const SENT_MS = 5000;
const at = (jitter: number) => ({ ms: 9000, jitter });
const granted = (ttlSec: number, renewMarginSec: number, jitter = 0) =>
  grantedLease({ leaseId: ID, sentAtMs: SENT_MS, ttlSec }, { ttlSec, renewMarginSec }, at(jitter));

describe('a registry lease', () => {
  for (const [ttlSec, marginSec, jitter, renewAfterMs] of [
    [90, 60, 0, 30_000],
    [90, 60, 1, 27_000],
    [90, 70, 0, 20_000],
    [90, 89, 0, 1000],
    [90, 90, 0, 30_000],
    [90, 91, 0, 30_000],
    [86_400, 3600, 0, 28_800_000],
    [86_400, 3600, 0.5, 27_360_000],
  ] as const)
    it(`of ${ttlSec} s with a margin of ${marginSec} s is renewed after ${renewAfterMs} ms`, () => {
      const { expiresAtMs, renewAtMs, failures, isUsed } = granted(ttlSec, marginSec, jitter);
      assert.deepEqual(
        [expiresAtMs - SENT_MS, renewAtMs - SENT_MS, failures, isUsed],
        [ttlSec * 1000, renewAfterMs, 0, false],
      );
    });

  it('is alive until its last moment', () => {
    const lease = granted(90, 60);
    assert.deepEqual([aliveLeaseId(lease, 94_999), aliveLeaseId(lease, 95_000)], [ID, undefined]);
  });

  it('is renewed later and later while that fails, and in time again after an answer', () => {
    const waits = [];
    let lease = granted(90, 60);
    for (let count = 1; count <= 8; count++) {
      lease = renewLater(lease, at(1));
      waits.push(lease.renewAtMs - 9000);
      assert.deepEqual([lease.failures, lease.expiresAtMs], [count, 95_000]);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    const grant = { leaseId: ID, sentAtMs: 8000, ttlSec: 90 };
    const kept = keptAliveLease(grant, { ttlSec: 90, renewMarginSec: 60 }, at(0));
    assert.deepEqual(
      [kept.failures, kept.renewAtMs, kept.expiresAtMs, kept.isUsed],
      [0, 38_000, 98_000, true],
    );
  });

  it('is renewed at once on demand', () => assert.equal(renewNow(granted(90, 60)).renewAtMs, 0));

  it('is revoked only if no key uses it', () => {
    const lease = granted(90, 60);
    assert.deepEqual(
      [lease, { ...lease, isUsed: true }, forgetLease({ ...lease, isUsed: true })].map(unusedLeaseId),
      [ID, undefined, undefined],
    );
  });
});
