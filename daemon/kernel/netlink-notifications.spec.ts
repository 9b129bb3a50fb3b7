import assert from 'node:assert/strict';
import { waitFor } from '../../lab/wait.ts';
import type { KernelNotification } from './kernel.ts';
import type { LinkMessage } from './netlink/link.ts';
import { NotificationReader } from './netlink-notifications.ts';

describe('names for notices', () => {
  let tellTrouble: () => void;
  let notices: KernelNotification[];
  let reads: number;
  let reader: NotificationReader;

  function open(readLinks: () => Promise<readonly LinkMessage[]>): void {
    [notices, reads] = [[], 0];
    reader = new NotificationReader({
      openSocket: (_settings, hooks) => {
        tellTrouble = () => hooks.onTrouble('ENOBUFS');
        return { receiveBytes: 1, hasStrictCheck: true, send: () => undefined, close: () => undefined };
      },
      receiveBytes: 1,
      readLinks: () => (reads++, readLinks()),
      ownership: () => undefined,
      onNotice: (notice) => notices.push(notice),
    });
  }
  afterEach(() => reader.close());

  it('are asked for again until the kernel lists its links', async () => {
    open(() => (reads < 3 ? Promise.reject(new Error('EINTR')) : Promise.resolve([])));
    await waitFor('what was missed is told', () => notices.length > 0);
    assert.deepEqual([reads, notices], [3, [{ type: 'overrun' }]]);
  });

  it('are asked for again where notices were lost while they came', async () => {
    let answer = (_links: readonly LinkMessage[]): void => undefined;
    open(() => new Promise((resolve) => (answer = resolve)));
    tellTrouble();
    answer([]);
    await waitFor('the links are listed again', () => reads === 2);
  });
});
