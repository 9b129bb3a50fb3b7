// One netlink socket: that of the `netlink` package, with the options that only weft's addon can
// set. Knows datagrams, no messages. Native code calls the handlers, and an exception there would
// end the process, so none gets out of here.
//
// Losses: a pending ENOBUFS ends the process (libuv reports POLLERR, on which the package's native
// code throws). With the addon the kernel only counts what it drops, and the count is read after
// every round of reading: a drop means that the queue was full, so there is something to read.
// Without the addon a socket must never overflow.
import { readdirSync, readlinkSync } from 'node:fs';
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import type { Native, NetlinkOptions } from '../../../native/index.ts';
import { NETLINK_ROUTE } from './constants.ts';
import type { NetlinkSocket, OpenSocket, SocketHandlers, SocketSettings } from './datagram-socket.ts';
import { guarded, watchDrops } from './datagram-socket.ts';
import { openNotificationSocket, type NotificationNative } from './notification-socket.ts';

/** The functions of the addon for netlink. */
export type NetlinkNative = NotificationNative & Pick<Native, 'sendNetlink'>;

const SEND_BUFFER_BYTES = 1 << 18;

/** The opener of real sockets, tuned by `native` unless that is missing. */
export function socketOpener(native: NetlinkNative | undefined): OpenSocket {
  return (settings, handlers) =>
    native !== undefined && settings.batchBytes !== undefined
      ? openNotificationSocket(native, settings, settings.batchBytes, handlers)
      : openSocket(native, settings, handlers);
}

function openSocket(
  native: NetlinkNative | undefined,
  settings: SocketSettings,
  handlers: SocketHandlers,
): NetlinkSocket {
  let isOpen = true;
  const guard = (handle: () => void): void => {
    if (isOpen) guarded(handle, handlers);
  };
  const fail = (message: string): void => guard(() => handlers.onError(message));
  const raw = new RawNetlinkSocket(settings.protocol ?? NETLINK_ROUTE, {
    messagePeeking: false,
    msgBufferSize: settings.datagramBytes,
    recvBufferSize: settings.receiveBytes,
    sendBufferSize: SEND_BUFFER_BYTES,
  });
  const tuned = native && tune(native, raw, settings.receiveBytes);
  const failToSend = (message: string): void => fail(`cannot send to the kernel: ${message}`);
  const send = (bytes: Buffer): void =>
    raw.send(Buffer.from(bytes), {}, (error) => error && failToSend(error.message));
  const checkDrops = tuned ? watchDrops(tuned, () => isOpen, fail) : NOTHING;
  raw.on('message', (datagram, sender) => {
    // Any local process can send to a netlink socket; only port 0 is the kernel.
    if (sender.port === 0) guard(() => handlers.onDatagram(datagram));
    checkDrops();
  });
  raw.on('truncatedMessage', () => fail('a netlink message was longer than the read buffer'));
  raw.on('error', (error) => fail(error.message));
  join(raw, settings.groups ?? []);
  return {
    hasStrictCheck: tuned?.options.hasStrictCheck ?? false,
    receiveBytes: tuned?.options.receiveBytes ?? raw.getRecvBufferSize(),
    send,
    ...(tuned && { sendChanges: threadSender(tuned, failToSend) }),
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      // The binding aborts the process if it is closed from inside one of its own calls.
      setImmediate(() => raw.close());
    },
  };
}

function threadSender({ native, fd }: Tuned, fail: (message: string) => void): NetlinkSocket['send'] {
  return (bytes) => {
    try {
      native.sendNetlink(fd, bytes, fail);
    } catch (error) {
      queueMicrotask(() => fail(String(error)));
    }
  };
}

function join(raw: RawNetlinkSocket, groups: readonly number[]): void {
  try {
    for (const group of groups) raw.addMembership(group);
  } catch (error) {
    raw.close();
    throw error;
  }
}

interface Tuned {
  readonly native: NetlinkNative;
  readonly fd: number;
  readonly options: NetlinkOptions;
}

const NOTHING = (): void => undefined;

/**
 * The package hides its descriptor: finds it by the port that each socket of this process is bound
 * to.
 */
function tune(native: NetlinkNative, raw: RawNetlinkSocket, receiveBytes: number): Tuned | undefined {
  const { port } = raw.address();
  for (const name of readdirSync('/proc/self/fd')) {
    if (!isSocket(name)) continue;
    const fd = Number(name);
    const options = native.setNetlinkOptions(fd, port, receiveBytes);
    if (options !== false) return { native, fd, options };
  }
  return undefined;
}

function isSocket(name: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:');
  } catch {
    // The descriptor of the directory listing itself is gone by now.
    return false;
  }
}
