// One netlink socket: the `netlink` package's, with the options that only weft's addon can set. Knows datagrams, no
// messages. Handlers are called from native code, where an exception would end the process, so none gets out of here.
//
// Losses: a pending ENOBUFS ends the process (libuv reports POLLERR, on which the package's native code throws). With
// the addon the kernel only counts what it drops, and the count is looked at after every round of reading: a drop
// means that the queue was full, so there is something to read. Without the addon a socket must never overflow.
import { readdirSync, readlinkSync } from 'node:fs';
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { loadNative, type Native, type NetlinkOptions } from '../../../native/index.ts';
import { NETLINK_ROUTE } from './constants.ts';

export interface SocketHandlers {
  onDatagram(datagram: Buffer): void;
  /** Datagrams are missing: the kernel dropped some, or the socket failed. */
  onError(message: string): void;
}

export interface SocketSettings {
  /** NETLINK_*; default rtnetlink. */
  readonly protocol?: number;
  /** Longest datagram that can be read, in bytes. Each read allocates as much. A longer one counts as overrun. */
  readonly datagramBytes: number;
  /** Receive buffer to ask for, in bytes. */
  readonly receiveBytes: number;
  /** RTNLGRP_* (or of another protocol) to join. */
  readonly groups?: readonly number[];
}

export interface NetlinkSocket {
  /** False without the addon: dumps come unfiltered, errors without text. */
  readonly hasStrictCheck: boolean;
  /** Receive buffer in force, as the kernel counts it. */
  readonly receiveBytes: number;
  /** Sends one datagram; `bytes` may be reused once its answer is there. Failures come as trouble. */
  send(bytes: Buffer): void;
  /** No handler is called afterwards. */
  close(): void;
}

/** How a {@link NetlinkSocket} is opened; tests put their own in its place. */
export type OpenSocket = (settings: SocketSettings, handlers: SocketHandlers) => NetlinkSocket;

const SEND_BUFFER_BYTES = 1 << 18;

/** Opens a socket to the kernel of this network namespace. @throws Error with errno if the kernel refuses. */
export const openNetlinkSocket: OpenSocket = (settings, handlers) => {
  let isOpen = true;
  const guard = (handle: () => void): void => {
    if (isOpen) guarded(handle, handlers);
  };
  const trouble = (message: string): void => guard(() => handlers.onError(message));
  const raw = new RawNetlinkSocket(settings.protocol ?? NETLINK_ROUTE, {
    messagePeeking: false,
    msgBufferSize: settings.datagramBytes,
    recvBufferSize: settings.receiveBytes,
    sendBufferSize: SEND_BUFFER_BYTES,
  });
  const tuned = tune(raw, settings.receiveBytes);
  const checkDrops = tuned ? watchDrops(tuned, () => isOpen, trouble) : (): void => undefined;
  raw.on('message', (datagram, sender) => {
    // Any local process can send to a netlink socket; only port 0 is the kernel.
    if (sender.port === 0) guard(() => handlers.onDatagram(datagram));
    checkDrops();
  });
  raw.on('truncatedMessage', () => trouble('a netlink message was longer than the read buffer'));
  raw.on('error', (error) => trouble(error.message));
  try {
    for (const group of settings.groups ?? []) raw.addMembership(group);
  } catch (error) {
    raw.close();
    throw error;
  }
  return {
    hasStrictCheck: tuned?.options.hasStrictCheck ?? false,
    receiveBytes: tuned?.options.receiveBytes ?? raw.getRecvBufferSize(),
    send: (bytes) =>
      raw.send(bytes, {}, (error) => error && trouble(`cannot send to the kernel: ${error.message}`)),
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      // The binding aborts the process if it is closed from inside one of its own calls.
      setImmediate(() => raw.close());
    },
  };
};

/** A handler's own failure must neither be lost nor end the process: it is trouble like any other. */
function guarded(handle: () => void, handlers: SocketHandlers): void {
  try {
    handle();
  } catch (error) {
    queueMicrotask(() => handlers.onError(String(error)));
  }
}

interface Tuned {
  readonly native: Native;
  readonly fd: number;
  readonly options: NetlinkOptions;
}

/** Returns what to call after reading: once a round, it compares the kernel's count of dropped datagrams. */
function watchDrops(
  { native, fd }: Tuned,
  isOpen: () => boolean,
  trouble: (message: string) => void,
): () => void {
  let known = 0;
  let isScheduled = false;
  const check = (): void => {
    isScheduled = false;
    if (!isOpen()) return;
    const drops = native.countNetlinkDrops(fd);
    if (drops === known) return;
    known = drops;
    trouble('the kernel dropped netlink messages: the receive buffer was full');
  };
  return () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(check);
  };
}

/** The package hides its descriptor, so it is found by asking each socket of this process for the port it is bound to. */
function tune(raw: RawNetlinkSocket, receiveBytes: number): Tuned | undefined {
  const { native } = loadNative();
  if (!native) return undefined;
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
