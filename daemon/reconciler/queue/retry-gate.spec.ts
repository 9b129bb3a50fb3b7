import assert from 'node:assert/strict';
import { objectKey, type KernelObject, type ObjectKey } from '../../../backends/kernel-state.ts';
import type { Owner } from '../desired-state.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { RetryGate } from './retry-gate.ts';

const OBJECT: KernelObject = { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' };
const KEY = objectKey(OBJECT);
const OWNER = 'peer' as Owner;
const failed = (owner: Owner | undefined): StepOutcome => ({
  kind: 'failed',
  step: { action: 'set', object: OBJECT },
  owner,
  errno: 'EROFS',
  message: 'EROFS',
});
const removed: StepOutcome = { kind: 'applied', step: { action: 'remove', object: OBJECT } };
const applied: StepOutcome = { kind: 'applied', step: { action: 'set', object: OBJECT } };

describe('the retry gate', () => {
  let gate: RetryGate;
  beforeEach(() => (gate = new RetryGate(() => 0)));

  it('lets an owner wait after its failure, and no orphan', () => {
    assert.deepEqual(
      [gate.recordOutcome(failed(OWNER), 1000), gate.recordOutcome(failed(OWNER), 1000)],
      [1, 2],
    );
    assert.deepEqual(
      [
        gate.isWaiting(OWNER, KEY, 1999),
        gate.isWaiting(OWNER, KEY, 2000),
        gate.isWaiting(undefined, KEY, 1000),
      ],
      [true, false, false],
    );
    assert.equal(gate.nextDueMs, 2000);
    assert.deepEqual(gate.takeDue(1999), { owners: [], keys: [] });
    assert.deepEqual(gate.takeDue(2000), { owners: [OWNER], keys: [] });
    assert.equal(gate.nextDueMs, undefined);
    assert.equal(gate.failureOf(OWNER)?.attempts, 2);
    gate.forgetFailure(OWNER);
    assert.deepEqual([gate.failureOf(OWNER), gate.recordOutcome(failed(OWNER), 3000)], [undefined, 1]);
  });

  it('lets an orphan wait by its key until it is removed', () => {
    gate.recordOutcome(failed(undefined), 1000);
    assert.deepEqual(
      [
        gate.isWaiting(undefined, KEY, 1499),
        gate.isWaiting(undefined, KEY, 1500),
        gate.isWaiting(OWNER, KEY, 1000),
      ],
      [true, false, false],
    );
    assert.deepEqual(gate.takeDue(1500), { owners: [], keys: [KEY] });
    assert.equal(gate.recordOutcome(applied, 1600), 0);
    assert.equal(gate.recordOutcome(failed(undefined), 1600), 2);
    assert.equal(gate.recordOutcome(removed, 1700), 0);
    assert.equal(gate.recordOutcome(failed(undefined), 1800), 1);
  });

  for (const kind of ['applied', 'failed-too', 'device-missing'] as const)
    it(`counts no failure for ${kind}`, () => {
      assert.equal(gate.recordOutcome({ ...applied, kind }, 1000), 0);
      assert.equal(gate.nextDueMs, undefined);
    });

  it('tries all at once on request', () => {
    gate.recordOutcome(failed(OWNER), 1000);
    gate.recordOutcome(failed(undefined), 1100);
    gate.retryNow(1150, 100);
    assert.deepEqual(gate.takeDue(1150), { owners: [OWNER], keys: [] });
    gate.retryNow(1150);
    assert.deepEqual(gate.takeDue(1150).keys, [KEY]);
  });

  it('lets a contested object wait, and reports it once until the contest ends', () => {
    const drifts = Array.from({ length: 12 }, () => gate.recordDrift(KEY, 1000));
    assert.deepEqual(drifts.slice(9), [
      { mustWait: false, isFirst: false },
      { mustWait: true, isFirst: true },
      { mustWait: true, isFirst: false },
    ]);
    assert.deepEqual(
      [gate.contested(1000), gate.hasContestedWaits, gate.isCoolingDown(KEY)],
      [[KEY], true, true],
    );
    assert.equal(gate.nextDueMs, 1040);
    assert.deepEqual(gate.takeDue(1039).keys, []);
    assert.deepEqual(gate.takeDue(1040).keys, [KEY]);
    assert.deepEqual([gate.hasContestedWaits, gate.isCoolingDown(KEY)], [false, false]);
    // Ten drain in five seconds.
    assert.deepEqual([gate.contested(1999), gate.contested(2000)], [[KEY], []]);
  });

  for (const [what, isPresent, isWanted, attempts] of [
    ['present and unwanted', true, false, 2],
    ['gone', false, false, 1],
    ['wanted again', true, true, 1],
  ] as const)
    it(`forgets failures of an orphan that is ${what}: ${attempts === 1}`, () => {
      gate.recordOutcome(failed(undefined), 1000);
      const objects = new Map<ObjectKey, KernelObject>([[KEY, OBJECT]]);
      const none = new Map<ObjectKey, KernelObject>();
      gate.prune(isPresent ? objects : none, isWanted ? objects : none, 1500);
      assert.equal(gate.recordOutcome(failed(undefined), 1600), attempts);
    });
});
