import assert from 'node:assert/strict';
import type { Ownership } from '../../backends/backend.ts';
import type { IpAddress } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import { waitFor } from '../../lab/wait.ts';
import type { KernelNotification } from './kernel.ts';
import { encodeAddressSet } from './netlink/address.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from './netlink/constants.ts';
import type { LinkMessage } from './netlink/link.ts';
import { HEADER_BYTES, MessageWriter } from './netlink/message.ts';
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

describe('addresses of this node’s devices', () => {
  const DEVICES = { devices: ['flannel.1'] } as unknown as Ownership;
  const links = [
    { index: 2, name: 'eth0' },
    { index: 4, name: 'flannel.1' },
  ] as unknown as LinkMessage[];

  const report = async (index: number, address: string, scope: number): Promise<KernelNotification[]> => {
    const notifications: KernelNotification[] = [];
    let receive: (datagram: Buffer) => void = () => undefined;
    let isRead = false;
    const reader = new NotificationReader({
      clock: systemClock,
      openSocket: (_settings, handlers) => {
        receive = (datagram) => handlers.onDatagram(datagram);
        return { receiveBytes: 1, hasStrictCheck: true, send: () => undefined, close: () => undefined };
      },
      receiveBytes: 1,
      readLinks: () => Promise.resolve(links).finally(() => (isRead = true)),
      ownership: () => DEVICES,
      onNotification: (notification) => notifications.push(notification),
    });
    await waitFor('the links are listed', () => isRead);
    await new Promise((resolve) => setImmediate(resolve));
    const writer = new MessageWriter(1024);
    encodeAddressSet(writer, { index, address: address as IpAddress, prefixLength: 64 });
    writer.end(1);
    const datagram = Buffer.from(writer.bytes);
    datagram[HEADER_BYTES + 3] = scope;
    receive(datagram);
    reader.close();
    return notifications;
  };
  const changed = (name: string): KernelNotification[] => [{ kind: 'interfaces', names: [name] }];

  it('that the kernel gives are no change', async () => {
    assert.deepEqual(await report(4, 'fe80::1', RT_SCOPE_LINK), []);
  });

  it('of other programs are one, as are all of other devices', async () => {
    assert.deepEqual(await report(4, 'fd00::1', RT_SCOPE_UNIVERSE), changed('flannel.1'));
    assert.deepEqual(await report(4, '10.5.1.0', RT_SCOPE_LINK), changed('flannel.1'));
    assert.deepEqual(await report(2, 'fe80::1', RT_SCOPE_LINK), changed('eth0'));
  });
});
