// Transactions on one netlink socket: a datagram of requests, and the messages that answer it. They
// begin in the order in which they were enqueued. Those of changes may overlap, so that the next is
// there when the kernel has done one; any other is alone. It decides when answers are lost; it knows
// no message type but NLMSG_OVERRUN.
//
// When answers may be missing (overrun, time-out) the socket is replaced: nothing late can reach a
// later transaction.
import { NLMSG_OVERRUN } from './constants.ts';
import { forEachMessage } from './message.ts';
import { Turns } from '../../../lib/turns.ts';
import type { NetlinkSocket, OpenSocket, SocketSettings } from './datagram-socket.ts';

/** The receiver of one transaction's answer. */
export interface Transaction {
  /**
   * Takes one message of `buffer`, header at `start`, if it is an answer to this transaction. Returns whether it is the last
   * one.
   */
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

/** One that the kernel does, and the next. */
export const OVERLAP = 2;

/** Why nothing is sent any more. */
const CLOSED = 'the kernel interface is closed';

export class TransactionSocket {
  readonly #options: TransactionSocketOptions;
  /** Unset after a failure, until the next transaction opens another. */
  #socket: NetlinkSocket | undefined;
  /** Those without their last answer, in order. */
  readonly #pending = new Set<Transaction>();
  readonly #turns = new Turns();
  #receiveBytes = 0;
  #hasStrictCheck = false;
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
    return this.#hasStrictCheck;
  }

  /** Receive buffer of the last socket, in bytes as the kernel counts it. */
  get receiveBytes(): number {
    return this.#receiveBytes;
  }

  /** Calls `run` after all that was enqueued before has ended. */
  enqueue<T>(run: () => Promise<T>): Promise<T> {
    return this.#turns.take(1, run);
  }

  /** As {@link enqueue}, but up to {@link OVERLAP} of them in a row overlap. */
  enqueueChanges<T>(run: () => Promise<T>): Promise<T> {
    return this.#turns.take(OVERLAP, run);
  }

  /**
   * Sends `bytes` and resolves when the transaction that `begin` makes resolves. Only inside {@link
   * enqueue}, or {@link enqueueChanges} with `isChange`.
   */
  transact<T>(
    bytes: Buffer,
    begin: (resolve: (value: T) => void) => Transaction,
    isChange = false,
  ): Promise<T> {
    return new Promise((resolve) => {
      const transaction = begin(resolve);
      const socket = this.#readySocket();
      if (typeof socket === 'string') return transaction.settle(socket);
      const { timeoutMs } = this.#options;
      const timer = setTimeout(() => this.#fail(`no answer within ${timeoutMs} ms`), timeoutMs);
      const pending: Transaction = {
        onMessage: (type, buffer, start, end) => transaction.onMessage(type, buffer, start, end),
        settle: (failure) => {
          clearTimeout(timer);
          this.#pending.delete(pending);
          transaction.settle(failure);
        },
      };
      this.#pending.add(pending);
      if (isChange && socket.sendChanges !== undefined) socket.sendChanges(bytes);
      else socket.send(bytes);
    });
  }

  /** Fails the current transactions and all later ones with {@link CLOSED}. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
    this.#settleAll(CLOSED);
  }

  #open(): NetlinkSocket {
    const { openSocket, settings } = this.#options;
    const socket = openSocket(settings, {
      onDatagram: (datagram) => this.#onDatagram(datagram),
      onError: (message) => this.#fail(message),
    });
    // A request may be made before the socket that replaces one is opened.
    this.#receiveBytes = socket.receiveBytes;
    this.#hasStrictCheck = socket.hasStrictCheck;
    return socket;
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
    const ended = new Set<Transaction>();
    forEachMessage(datagram, (type, start, end) => {
      if (type === NLMSG_OVERRUN) return this.#fail('the kernel dropped an answer');
      for (const transaction of this.#pending)
        if (!ended.has(transaction) && transaction.onMessage(type, datagram, start, end))
          ended.add(transaction);
    });
    for (const transaction of ended) if (this.#pending.has(transaction)) transaction.settle();
  }

  /**
   * Answers may be missing: fails the current transactions and drops the socket with all that it
   * still holds.
   */
  #fail(message: string): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#settleAll(message);
  }

  #settleAll(failure: string): void {
    for (const transaction of this.#pending) transaction.settle(failure);
  }
}
