import assert from 'node:assert/strict';
import { until } from '../../test/support/wait-for.ts';
import type { KernelNotification } from './kernel.ts';
import type { LinkMessage } from './netlink/link.ts';
import { NotificationReader } from './netlink-notifications.ts';

describe('names for notifications', () => {
  let tellTrouble: () => void;
  let notifications: KernelNotification[];
  let reads: number;
  let reader: NotificationReader;

  function open(readLinks: () => Promise<readonly LinkMessage[]>): void {
    [notifications, reads] = [[], 0];
    reader = new NotificationReader({
      openSocket: (_settings, hooks) => {
        tellTrouble = () => hooks.onError('ENOBUFS');
        return { receiveBytes: 1, hasStrictCheck: true, send: () => undefined, close: () => undefined };
      },
      receiveBytes: 1,
      readLinks: () => (reads++, readLinks()),
      ownership: () => undefined,
      onNotification: (notification) => notifications.push(notification),
    });
  }
  afterEach(() => reader.close());

  it('are asked for again until the kernel lists its links', async () => {
    open(() => (reads < 3 ? Promise.reject(new Error('EINTR')) : Promise.resolve([])));
    await until('what was missed is told', () => notifications.length > 0);
    assert.deepEqual([reads, notifications], [3, [{ kind: 'overrun' }]]);
  });

  it('are asked for again where notifications were lost while they came', async () => {
    let answer = (_links: readonly LinkMessage[]): void => undefined;
    open(() => new Promise((resolve) => (answer = resolve)));
    tellTrouble();
    answer([]);
    await until('the links are listed again', () => reads === 2);
  });
});
