// A netlink socket for notifications, of which tens of thousands come in a start among thousands of peers. The addon opens it and
// says when it is readable. A notification that comes alone is read at once; of many, those of some milliseconds together, so that
// their number costs little.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Native, NetlinkOptions, NetlinkWatch } from '../../../native/index.ts';
import { NETLINK_ROUTE } from './constants.ts';
import { guarded, watchDrops } from './datagram-socket.ts';
import type { NetlinkSocket, SocketHandlers, SocketSettings } from './datagram-socket.ts';

export type NotificationNative = Pick<
  Native,
  | 'armNetlinkWatch'
  | 'closeNetlinkWatch'
  | 'countNetlinkDrops'
  | 'openNetlinkWatch'
  | 'readNetlink'
  | 'setNetlinkOptions'
>;

/** Batches of a drain. */
const MAX_DRAINED = 100;
/** Between two reads while there are many. */
const PAUSE_MS = 4;
/** A smaller receive buffer could overflow in a pause. */
const MIN_PAUSE_BUFFER_BYTES = 4 << 20;
/** There are many if so many bytes come in such a time: some sixty, more than one device causes. */
const BUSY = { bytes: 8 * 1024, windowMs: 20 };

/** @throws Error with errno if the kernel rejects it. */
export function openNotificationSocket(
  native: NotificationNative,
  settings: SocketSettings,
  batchBytes: number,
  handlers: SocketHandlers,
): NetlinkSocket {
  const reader = new BatchReader(native, settings.datagramBytes, batchBytes, handlers);
  const { protocol = NETLINK_ROUTE, groups = [] } = settings;
  const watch = native.openNetlinkWatch(protocol, groups, () => reader.read());
  const options = tune(native, watch, settings.receiveBytes);
  reader.start(watch, options.receiveBytes);
  return {
    hasStrictCheck: options.hasStrictCheck,
    receiveBytes: options.receiveBytes,
    send: () => {
      throw new Error('nothing is sent by a socket for notifications');
    },
    drain: () => reader.drain(),
    close: () => reader.close(),
  };
}

/** @throws Error with errno if the kernel rejects it; `watch` is then closed. */
function tune(native: NotificationNative, watch: NetlinkWatch, receiveBytes: number): NetlinkOptions {
  try {
    const options = native.setNetlinkOptions(watch.fd, watch.port, receiveBytes);
    if (options !== false) return options;
  } catch (error) {
    native.closeNetlinkWatch(watch);
    throw error;
  }
  native.closeNetlinkWatch(watch);
  throw new Error(`descriptor ${watch.fd} is no netlink socket`);
}

class BatchReader {
  readonly #native: NotificationNative;
  readonly #datagramBytes: number;
  readonly #buffer: Buffer;
  readonly #handlers: SocketHandlers;
  #watch: NetlinkWatch | undefined;
  #checkDrops = (): void => undefined;
  #canPause = false;
  #window = { startMs: -Infinity, bytes: 0 };

  constructor(
    native: NotificationNative,
    datagramBytes: number,
    batchBytes: number,
    handlers: SocketHandlers,
  ) {
    this.#native = native;
    this.#datagramBytes = datagramBytes;
    this.#buffer = Buffer.allocUnsafeSlow(batchBytes);
    this.#handlers = handlers;
  }

  /** @param receiveBytes - size of the receive buffer; a small one has no room for what comes in a pause. */
  start(watch: NetlinkWatch, receiveBytes: number): void {
    const native = this.#native;
    this.#watch = watch;
    this.#canPause = receiveBytes >= MIN_PAUSE_BUFFER_BYTES;
    this.#checkDrops = watchDrops(
      { native, fd: watch.fd },
      () => this.#watch !== undefined,
      (message) => this.#fail(message),
    );
  }

  close(): void {
    if (this.#watch !== undefined) this.#native.closeNetlinkWatch(this.#watch);
    this.#watch = undefined;
  }

  /** Reads what waits, and sees to it that it is called again. */
  read(): void {
    if (this.#watch !== undefined) this.#plan(this.#handleBatch(this.#watch.fd));
  }

  /** Reads what waits, beside what is planned. The limit is for a kernel that never stops to notify. */
  async drain(): Promise<void> {
    for (let batch = 0; batch < MAX_DRAINED && this.#watch !== undefined; batch++) {
      if (batch > 0) await nextTurn();
      if (this.#watch === undefined || !this.#isFull(this.#handleBatch(this.#watch.fd))) return;
    }
  }

  /** @returns the bytes that were read */
  #handleBatch(fd: number): number {
    const length = this.#readBatch(fd);
    if (length > 0)
      guarded(() => this.#handlers.onDatagram(this.#buffer.subarray(0, length)), this.#handlers);
    this.#checkDrops();
    return length;
  }

  #isFull(length: number): boolean {
    return this.#buffer.length - length < this.#datagramBytes;
  }

  #readBatch(fd: number): number {
    try {
      return this.#native.readNetlink(fd, this.#buffer, this.#datagramBytes);
    } catch (error) {
      this.#fail(`cannot read netlink messages: ${String(error)}`);
      return 0;
    }
  }

  #plan(length: number): void {
    // The handler may have closed it.
    if (this.#watch === undefined) return;
    const isBusy = this.#canPause && length > 0 && this.#count(length) > BUSY.bytes;
    if (this.#isFull(length)) setImmediate(() => this.read());
    else if (isBusy) setTimeout(() => this.read(), PAUSE_MS);
    else this.#native.armNetlinkWatch(this.#watch);
  }

  /** @returns bytes of the present window */
  #count(bytes: number): number {
    const nowMs = performance.now();
    if (nowMs - this.#window.startMs > BUSY.windowMs) this.#window = { startMs: nowMs, bytes: 0 };
    this.#window.bytes += bytes;
    return this.#window.bytes;
  }

  #fail(message: string): void {
    if (this.#watch !== undefined) guarded(() => this.#handlers.onError(message), this.#handlers);
  }
}
