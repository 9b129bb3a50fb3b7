import assert from 'node:assert/strict';
import { cidr, ip4 } from '../../../backends/fixture.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { KernelObject } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../../kernel/actual-state.ts';
import { Expectations } from './expectations.ts';

function route(gateway: number): KernelObject {
  const destination = cidr('10.5.2.0/24');
  return { kind: 'route', destination, gateway: ip4(`10.9.0.${gateway}`), dev: 'eth0', isOnLink: false };
}
const read = (object: KernelObject): ActualObject => ({ ...object, protocol: 87, metric: 0 }) as ActualObject;
const KEY = objectKey(route(2));
const SET = { action: 'set', object: route(2) } as const;
const SELF = read(route(2));

describe('Expectations', () => {
  it('ignores a notification without an expectation', () => {
    assert.equal(new Expectations().take(KEY, SELF), false);
  });

  it('takes the self-notification after the answer and nothing after that', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, SET);
    assert.equal(expectations.onDone(KEY, 0), undefined);
    assert.equal(expectations.take(KEY, SELF), true);
    assert.equal(expectations.take(KEY, undefined), false);
  });

  it('takes old notifications before the self-notification, before and after the answer', () => {
    for (const isAnsweredFirst of [true, false]) {
      const expectations = new Expectations();
      expectations.expect(KEY, SET);
      if (isAnsweredFirst) expectations.onDone(KEY, 0);
      assert.equal(expectations.take(KEY, undefined), true);
      assert.equal(expectations.take(KEY, read(route(9))), true);
      assert.equal(expectations.take(KEY, SELF), true);
      if (!isAnsweredFirst) assert.equal(expectations.onDone(KEY, 0), undefined);
      assert.equal(expectations.take(KEY, undefined), false, 'later than the self-notification');
    }
  });

  it('returns the notification between self-notification and answer', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, SET);
    expectations.take(KEY, SELF);
    expectations.take(KEY, undefined);
    assert.deepEqual(expectations.onDone(KEY, 0), { object: undefined });
  });

  it('returns the notification during a step that was not done', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, SET);
    expectations.take(KEY, undefined);
    assert.deepEqual(expectations.onNotDone(KEY), { object: undefined });
  });

  it('recognizes the self-notification of a removal', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, { action: 'remove', object: route(2) });
    expectations.onDone(KEY, 0);
    assert.equal(expectations.take(KEY, SELF), true);
    assert.equal(expectations.take(KEY, undefined), true);
    assert.equal(expectations.nextDueMs, undefined);
  });

  it('expires sooner after an overrun', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, SET);
    expectations.onDone(KEY, 0);
    expectations.take(KEY, undefined);
    expectations.onOverrun(1_000);
    assert.equal(expectations.takeOverdue(1_500).size, 1);
  });

  it('expires in time and returns the notification taken for old', () => {
    const expectations = new Expectations();
    expectations.expect(KEY, SET);
    expectations.onDone(KEY, 0);
    expectations.take(KEY, undefined);
    const dueMs = expectations.nextDueMs ?? NaN;
    assert.equal(expectations.takeOverdue(dueMs - 1).size, 0);
    assert.deepEqual([...expectations.takeOverdue(dueMs)], [[KEY, { object: undefined }]]);
    assert.equal(expectations.nextDueMs, undefined);
  });
});
