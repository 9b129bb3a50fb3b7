import assert from 'node:assert/strict';
import type { KernelNotification } from '../kernel.ts';
import { NotificationBuffer } from './notification-buffer.ts';

const NOTIFICATION: KernelNotification = { kind: 'forward-policy' };

describe('the notification buffer', () => {
  it('delivers at once, but not before the results of running steps', async () => {
    const events: string[] = [];
    const buffer = new NotificationBuffer(() => events.push('notification'));
    buffer.push(NOTIFICATION);
    assert.deepEqual(events, ['notification']);
    await buffer.during(async () => {
      buffer.push(NOTIFICATION);
      await Promise.resolve();
    });
    events.push('results');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(events, ['notification', 'results', 'notification']);
  });

  it('delivers after failed steps, but not while others are running', async () => {
    let count = 0;
    let finish = (): void => undefined;
    const buffer = new NotificationBuffer(() => count++);
    const long = buffer.during(() => new Promise<void>((resolve) => (finish = resolve)));
    await assert.rejects(buffer.during(() => Promise.reject(new Error('rejected'))));
    buffer.push(NOTIFICATION);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count, 0);
    finish();
    await long;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count, 1);
  });
});
