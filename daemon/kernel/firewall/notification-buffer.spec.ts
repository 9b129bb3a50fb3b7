import assert from 'node:assert/strict';
import type { KernelNotification } from '../kernel.ts';
import { NotificationBuffer } from './notification-buffer.ts';

const NOTIFICATION: KernelNotification = { kind: 'forward-policy' };

describe('the gate of notifications', () => {
  it('passes them on at once, but not before the results of steps that are under way', async () => {
    const told: string[] = [];
    const gate = new NotificationBuffer(() => told.push('notification'));
    gate.tell(NOTIFICATION);
    assert.deepEqual(told, ['notification']);
    await gate.during(async () => {
      gate.tell(NOTIFICATION);
      await Promise.resolve();
    });
    told.push('results');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, ['notification', 'results', 'notification']);
  });

  it('opens after steps that failed, and stays shut while others are under way', async () => {
    let count = 0;
    let finish = (): void => undefined;
    const gate = new NotificationBuffer(() => count++);
    const long = gate.during(() => new Promise<void>((resolve) => (finish = resolve)));
    await assert.rejects(gate.during(() => Promise.reject(new Error('rejected'))));
    gate.tell(NOTIFICATION);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count, 0);
    finish();
    await long;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count, 1);
  });
});
