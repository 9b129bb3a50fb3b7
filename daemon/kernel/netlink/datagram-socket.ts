// What a netlink socket is to those who use it: datagrams, settings, losses. Knows no messages.
import type { Native } from '../../../native/index.ts';

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
   * Read as many datagrams as fit this many bytes at a time, without an allocation for each: the handler gets them as one, and
   * must keep no view of it. Only with the addon, and only for notifications. Default: none.
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
  /** Sends one datagram. `bytes` may be reused then. Failures go to {@link SocketHandlers.onError}. */
  send(bytes: Buffer): void;
  /**
   * The same for requests that only change something: in a thread, after all earlier ones. A dump must begin where it is read:
   * else the kernel may end it between a check and the lock, and reports EINVAL (netlink_recvmsg). Absent without the addon.
   */
  readonly sendChanges?: (bytes: Buffer) => void;
  /** Resolves once the handler had what has come until now. Of sockets that read many at a time. */
  readonly drain?: () => Promise<void>;
  /** No handler is called afterwards. */
  close(): void;
}

/**
 * Opens a socket to the kernel of this network namespace.
 * @throws Error with errno if the kernel rejects it.
 */
export type OpenSocket = (settings: SocketSettings, handlers: SocketHandlers) => NetlinkSocket;

/**
 * Reports a handler's own exception as an error of the socket: it must neither be lost nor end the
 * process.
 */
export function guarded(handle: () => void, handlers: SocketHandlers): void {
  try {
    handle();
  } catch (error) {
    queueMicrotask(() => handlers.onError(String(error)));
  }
}

/**
 * Returns what to call after reading: once a round, it compares the kernel's count of dropped
 * datagrams.
 */
export function watchDrops(
  { native, fd }: { readonly native: Pick<Native, 'countNetlinkDrops'>; readonly fd: number },
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
