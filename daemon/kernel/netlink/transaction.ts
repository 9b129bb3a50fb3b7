// Transactions on one netlink socket: a datagram of requests, and the messages that answer it. One
// at a time, so that answers cannot mix. It decides when answers are lost; it knows no message type
// but NLMSG_OVERRUN.
//
// When answers may be missing (overrun, time-out) the socket is replaced: nothing late can reach a
// later transaction.
import { NLMSG_OVERRUN } from './constants.ts';
import { forEachMessage } from './message.ts';
import type { NetlinkSocket, OpenSocket, SocketSettings } from './socket.ts';

/** The receiver of one transaction's answer. */
export interface Transaction {
  /** Takes one message of `buffer`, header at `start`. Returns whether it is the last one. */
  onMessage(type: number, buffer: Buffer, start: number, end: number): boolean;
  /** Ends the transaction: with its last message, or with why answers are missing. Called once. */
  settle(failure?: string): void;
}

export interface TransactionSocketOptions {
  readonly openSocket: OpenSocket;
  readonly settings: SocketSettings;
  /** How long to wait for the last message, in milliseconds. */
  readonly timeoutMs: number;
}

/** Why nothing is sent any more. */
export const CLOSED = 'the kernel interface is closed';

export class TransactionSocket {
  readonly #options: TransactionSocketOptions;
  /** Unset after a failure, until the next transaction opens another. */
  #socket: NetlinkSocket | undefined;
  #current: Transaction | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @throws Error with errno if no socket can be opened. */
  constructor(options: TransactionSocketOptions) {
    this.#options = options;
    this.#socket = this.#open();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Whether the kernel filters dumps by what their request names (NETLINK_GET_STRICT_CHK, Linux
   * 4.20).
   */
  get hasStrictCheck(): boolean {
    return this.#socket?.hasStrictCheck ?? false;
  }

  /** Receive buffer in force, in bytes as the kernel counts it; 0 while there is no socket. */
  get receiveBytes(): number {
    return this.#socket?.receiveBytes ?? 0;
  }

  /** Calls `run` after all that was enqueued before. */
  enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * Sends `bytes` and resolves when the transaction that `begin` makes resolves. Only inside {@link
   * enqueue}.
   */
  transact<T>(bytes: Buffer, begin: (resolve: (value: T) => void) => Transaction): Promise<T> {
    return new Promise((resolve) => {
      const transaction = begin(resolve);
      const socket = this.#readySocket();
      if (typeof socket === 'string') return transaction.settle(socket);
      const { timeoutMs } = this.#options;
      const timer = setTimeout(() => this.#fail(`no answer within ${timeoutMs} ms`), timeoutMs);
      this.#current = {
        onMessage: (type, buffer, start, end) => transaction.onMessage(type, buffer, start, end),
        settle: (failure) => {
          clearTimeout(timer);
          this.#current = undefined;
          transaction.settle(failure);
        },
      };
      socket.send(bytes);
    });
  }

  /** Fails the current transaction and all later ones with {@link CLOSED}. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
    this.#current?.settle(CLOSED);
  }

  #open(): NetlinkSocket {
    const { openSocket, settings } = this.#options;
    return openSocket(settings, {
      onDatagram: (datagram) => this.#onDatagram(datagram),
      onError: (message) => this.#fail(message),
    });
  }

  /** The socket, re-opened after a failure, or why there is none. */
  #readySocket(): NetlinkSocket | string {
    if (this.#isClosed) return CLOSED;
    try {
      return (this.#socket ??= this.#open());
    } catch (error) {
      return `cannot open a netlink socket: ${String(error)}`;
    }
  }

  #onDatagram(datagram: Buffer): void {
    let isOver = false;
    forEachMessage(datagram, (type, start, end) => {
      if (isOver || this.#current === undefined) return;
      if (type === NLMSG_OVERRUN) this.#fail('the kernel dropped an answer');
      else isOver = this.#current.onMessage(type, datagram, start, end);
    });
    if (isOver) this.#current?.settle();
  }

  /**
   * Answers may be missing: fails the current transaction and drops the socket with all that it
   * still holds.
   */
  #fail(message: string): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#current?.settle(message);
  }
}
