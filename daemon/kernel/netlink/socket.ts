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

export interface SocketHandlers {
  onDatagram(datagram: Buffer): void;
  /** Datagrams are missing: the kernel dropped some, or the socket failed. */
  onError(message: string): void;
}

export interface SocketSettings {
  /** NETLINK_*; default NETLINK_ROUTE. */
  readonly protocol?: number;
  /**
   * Longest datagram that can be read, in bytes. Each read allocates as much. A longer one counts
   * as overrun.
   */
  readonly datagramBytes: number;
  /**
   * Read as many datagrams as fit this many bytes in each turn of the event loop, without an allocation for each: the handler
   * gets them as one, and must keep no view of it. Default: none.
   */
  readonly batchBytes?: number;
  /** Receive buffer to request, in bytes. */
  readonly receiveBytes: number;
  /** RTNLGRP_* (or of another protocol) to join. */
  readonly groups?: readonly number[];
}

export interface NetlinkSocket {
  /** False without the addon: dumps come unfiltered, errors without text. */
  readonly hasStrictCheck: boolean;
  /** Receive buffer in force, as the kernel counts it. */
  readonly receiveBytes: number;
  /**
   * Sends one datagram; `bytes` may be reused once its answer is there. Failures go to {@link
   * SocketHandlers.onError}.
   */
  send(bytes: Buffer): void;
  /** No handler is called afterwards. */
  close(): void;
}

/**
 * Opens a socket to the kernel of this network namespace.
 * @throws Error with errno if the kernel rejects it.
 */
export type OpenSocket = (settings: SocketSettings, handlers: SocketHandlers) => NetlinkSocket;

/** The functions of the addon that tune a socket. */
export type NetlinkNative = Pick<Native, 'setNetlinkOptions' | 'countNetlinkDrops' | 'readNetlink'>;

const SEND_BUFFER_BYTES = 1 << 18;

/** The opener of real sockets, tuned by `native` unless that is missing. */
export function socketOpener(native: NetlinkNative | undefined): OpenSocket {
  return (settings, handlers) => openSocket(native, settings, handlers);
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
  const checkDrops = tuned ? watchDrops(tuned, () => isOpen, fail) : NOTHING;
  const { batchBytes, datagramBytes } = settings;
  const readBatch =
    tuned && batchBytes !== undefined
      ? batchReader(
          tuned,
          { batchBytes, datagramBytes },
          (batch) => guard(() => handlers.onDatagram(batch)),
          fail,
        )
      : NOTHING;
  raw.on('message', (datagram, sender) => {
    // Any local process can send to a netlink socket; only port 0 is the kernel.
    if (sender.port === 0) guard(() => handlers.onDatagram(datagram));
    if (isOpen) readBatch();
    checkDrops();
  });
  raw.on('truncatedMessage', () => fail('a netlink message was longer than the read buffer'));
  raw.on('error', (error) => fail(error.message));
  join(raw, settings.groups ?? []);
  return {
    hasStrictCheck: tuned?.options.hasStrictCheck ?? false,
    receiveBytes: tuned?.options.receiveBytes ?? raw.getRecvBufferSize(),
    send: (bytes) =>
      raw.send(bytes, {}, (error) => error && fail(`cannot send to the kernel: ${error.message}`)),
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      // The binding aborts the process if it is closed from inside one of its own calls.
      setImmediate(() => raw.close());
    },
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

/**
 * Reports a handler's own exception as an error of the socket: it must neither be lost nor end the
 * process.
 */
function guarded(handle: () => void, handlers: SocketHandlers): void {
  try {
    handle();
  } catch (error) {
    queueMicrotask(() => handlers.onError(String(error)));
  }
}

interface Tuned {
  readonly native: NetlinkNative;
  readonly fd: number;
  readonly options: NetlinkOptions;
}

const NOTHING = (): void => undefined;

/**
 * Returns what to call after reading, to read what the package left in this turn: it takes 32 datagrams, each in a buffer of
 * the longest size, and a start among thousands of peers causes tens of thousands of notifications.
 */
function batchReader(
  { native, fd }: Tuned,
  { batchBytes, datagramBytes }: { readonly batchBytes: number; readonly datagramBytes: number },
  onBatch: (batch: Buffer) => void,
  fail: (message: string) => void,
): () => void {
  const buffer = Buffer.allocUnsafeSlow(batchBytes);
  let hasRead = false;
  const read = (): void => {
    try {
      const length = native.readNetlink(fd, buffer, datagramBytes);
      if (length > 0) onBatch(buffer.subarray(0, length));
    } catch (error) {
      fail(`cannot read netlink messages: ${String(error)}`);
    }
  };
  return () => {
    if (hasRead) return;
    hasRead = true;
    setImmediate(() => (hasRead = false));
    read();
  };
}

/**
 * Returns what to call after reading: once a round, it compares the kernel's count of dropped
 * datagrams.
 */
function watchDrops(
  { native, fd }: Tuned,
  isOpen: () => boolean,
  fail: (message: string) => void,
): () => void {
  let known = 0;
  let isScheduled = false;
  const check = (): void => {
    isScheduled = false;
    if (!isOpen()) return;
    const drops = native.countNetlinkDrops(fd);
    if (drops === known) return;
    known = drops;
    fail('the kernel dropped netlink messages: the receive buffer was full');
  };
  return () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(check);
  };
}

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
