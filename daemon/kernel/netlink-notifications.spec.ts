import assert from 'node:assert/strict';
import { systemClock } from '../../lib/clock.ts';
import { waitFor } from '../../lab/wait.ts';
import type { KernelNotification } from './kernel.ts';
import type { LinkMessage } from './netlink/link.ts';
import { NotificationReader } from './netlink-notifications.ts';

describe('the names of links for notifications', () => {
  let reportError: () => void;
  let notifications: KernelNotification[];
  let reads: number;
  let reader: NotificationReader;

  function open(readLinks: () => Promise<readonly LinkMessage[]>): void {
    [notifications, reads] = [[], 0];
    reader = new NotificationReader({
      clock: systemClock,
      openSocket: (_settings, handlers) => {
        reportError = () => handlers.onError('ENOBUFS');
        return { receiveBytes: 1, hasStrictCheck: true, send: () => undefined, close: () => undefined };
      },
      receiveBytes: 1,
      readLinks: () => (reads++, readLinks()),
      ownership: () => undefined,
      onNotification: (notification) => notifications.push(notification),
    });
  }
  afterEach(() => reader.close());

  it('are read again until the kernel lists its links', async () => {
    open(() => (reads < 3 ? Promise.reject(new Error('EINTR')) : Promise.resolve([])));
    await waitFor('the missed messages are reported', () => notifications.length > 0);
    assert.deepEqual([reads, notifications], [3, [{ kind: 'overrun' }]]);
  });

  it('are read again if notifications are lost during the read', async () => {
    let answer = (_links: readonly LinkMessage[]): void => undefined;
    open(() => new Promise((resolve) => (answer = resolve)));
    reportError();
    answer([]);
    await waitFor('the links are listed again', () => reads === 2);
  });
});
