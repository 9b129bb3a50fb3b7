// Requests to the kernel and their outcomes, over one netlink socket: sequence numbers, batches,
// dumps. Knows no message type but the ends of answers.
//
//   send(requests)  packs many requests into a datagram; only the last asks for an ack. The kernel
//                   handles a datagram in order and answers every rejection, so the last answer
//                   proves the outcome of all.
//   dump(request)   one multipart answer, repeated while the kernel reports that its table changed
//   get(request)    one request with an answer of its own
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NLM_F_ACK, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from './constants.ts';
import { decodeError } from './error-message.ts';
import { forEachMessage, MessageWriter } from './message.ts';
import { DONE, KernelReadError, type Outcome } from './outcome.ts';
import type { OpenSocket } from './datagram-socket.ts';
import { OVERLAP, TransactionSocket, type Transaction } from './transaction.ts';

/** Writes one request: {@link MessageWriter.begin} and its attributes. The client ends it. */
export type Request = (writer: MessageWriter) => void;
/** Decodes the message of an answer from `start` (its header) to `end`; `undefined` drops it. */
export type Decode<T> = (buffer: Buffer, start: number, end: number) => T | undefined;

export interface NetlinkClientOptions {
  readonly openSocket: OpenSocket;
  /** NETLINK_*; default NETLINK_ROUTE. */
  readonly protocol?: number;
  /** How long to wait for an answer, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /**
   * Longest datagram of changes, in bytes; default 64 KiB. Without the addon the kernel does all changes of a datagram in the event
   * loop.
   */
  readonly sendBytes?: number;
  /** Receive buffer to request, in bytes; default 4 MiB. */
  readonly receiveBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_RECEIVE_BYTES = 4 << 20;
/**
 * The kernel fills dump datagrams up to the reader's buffer, but no further than this
 * (netlink_recvmsg).
 */
const DATAGRAM_BYTES = 32 * 1024;
const SEND_BYTES = 64 * 1024;
/**
 * Upper bound of what a rejection with its text takes in the receive buffer: an sk_buff and its
 * data (skb->truesize).
 */
const ANSWER_BYTES = 2048;
/** Far enough below 2^32 for any batch. */
const LAST_SEQUENCE = 0xffff_0000;
const MAX_DUMP_ATTEMPTS = 6;
/** Datagrams of a dump after which others have a turn: hundreds of messages. */
const LARGE_DUMP = 2;

/** A datagram of changes. */
interface Batch {
  readonly bytes: Buffer;
  /** Sequence number of the first request; the others follow. */
  readonly first: number;
  readonly count: number;
}

export class NetlinkClient {
  readonly #socket: TransactionSocket;
  readonly #writer: MessageWriter;
  #sequence = 1;

  /** @throws Error with errno if no socket can be opened. */
  constructor(options: NetlinkClientOptions) {
    const { openSocket, protocol, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const { receiveBytes = DEFAULT_RECEIVE_BYTES, sendBytes = SEND_BYTES } = options;
    this.#writer = new MessageWriter(sendBytes);
    this.#socket = new TransactionSocket({
      openSocket,
      timeoutMs,
      settings: {
        datagramBytes: DATAGRAM_BYTES,
        receiveBytes,
        ...(protocol !== undefined && { protocol }),
      },
    });
  }

  /** Whether the kernel filters dumps by what their request names. */
  get hasStrictCheck(): boolean {
    return this.#socket.hasStrictCheck;
  }

  /**
   * Sends changes in order; one outcome each. A rejected one does not stop the rest. Never rejects.
   */
  async send(requests: readonly Request[]): Promise<readonly Outcome[]> {
    const batches = this.#encode(requests);
    const parts = batches.map((batch) => this.#socket.enqueueChanges(() => this.#transactBatch(batch)));
    return (await Promise.all(parts)).flat();
  }

  /**
   * All messages of one dump; `what` names it in errors.
   * @throws KernelReadError if the kernel rejects it, or if six attempts are interrupted or lost
   * (EINTR).
   */
  async dump<T>(what: string, request: Request, decode: Decode<T>): Promise<T[]> {
    const items: T[] = [];
    for (const datagram of await this.dumpDatagrams(what, request))
      forEachMessage(datagram, (type, start, end) => {
        const item = type === NLMSG_DONE ? undefined : decode(datagram, start, end);
        if (item !== undefined) items.push(item);
      });
    return items;
  }

  /** As {@link dump}: the datagrams as they came, with the message that ends them. */
  async dumpDatagrams(what: string, request: Request): Promise<readonly Buffer[]> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.#socket.enqueue(() => this.#dumpOnce(request));
      if (isDatagrams(result)) {
        // All datagrams of a dump are read in one turn, and would be of the next as well.
        if (result.length > LARGE_DUMP) await nextTurn();
        return result;
      }
      if (result.status === 'rejected') throw new KernelReadError(what, result.errno, result.message);
      if (attempt === MAX_DUMP_ATTEMPTS || this.#socket.isClosed)
        throw new KernelReadError(what, 'EINTR', `${result.message} (${attempt} attempts)`);
    }
  }

  /** The one message that answers `request`, with the outcome. Never rejects. */
  async get<T>(
    request: Request,
    decode: Decode<T>,
  ): Promise<{ readonly outcome: Outcome; readonly item?: T }> {
    let item: T | undefined;
    const outcome = await this.#socket.enqueue(() =>
      this.#transact(request, NLM_F_ACK, (buffer, start, end) => {
        item ??= decode(buffer, start, end);
      }),
    );
    return item === undefined ? { outcome } : { outcome, item };
  }

  /** Ends pending and later requests with an unknown outcome. */
  close(): void {
    this.#socket.close();
  }

  /**
   * As many requests a datagram as fit it, and whose rejections, with those of datagrams that overlap, would all fit the
   * receive buffer.
   */
  #encode(requests: readonly Request[]): readonly Batch[] {
    const limit = Math.max(1, Math.floor(this.#socket.receiveBytes / ANSWER_BYTES / OVERLAP));
    const batches: Batch[] = [];
    for (let from = 0; from < requests.length;) {
      const batch = this.#encodeBatch(requests, from, Math.min(requests.length, from + limit));
      batches.push(batch);
      from += batch.count;
    }
    return batches;
  }

  #encodeBatch(requests: readonly Request[], from: number, to: number): Batch {
    const first = this.#beginSequence();
    this.#writer.clear();
    let next = from;
    while (next < to && this.#writer.hasRoom) {
      requests[next]!(this.#writer);
      next++;
      const isLast = next === to || !this.#writer.hasRoom;
      this.#writer.end(this.#sequence++, isLast ? NLM_F_ACK : 0);
    }
    return { bytes: Buffer.from(this.#writer.bytes), first, count: next - from };
  }

  #transactBatch({ bytes, first, count }: Batch): Promise<Outcome[]> {
    const outcomes: Outcome[] = Array.from({ length: count }, () => DONE);
    const begin = (resolve: (outcomes: Outcome[]) => void): Transaction => ({
      onMessage: (type, buffer, start, end) => {
        const index = buffer.readUInt32LE(start + 8) - first;
        if (type !== NLMSG_ERROR || index < 0 || index >= count) return false;
        outcomes[index] = decodeError(buffer, start, end);
        return index === count - 1;
      },
      settle: (failure) =>
        resolve(failure === undefined ? outcomes : outcomes.map((outcome) => withoutAck(outcome, failure))),
    });
    return this.#socket.transact(bytes, begin, true);
  }

  async #dumpOnce(request: Request): Promise<readonly Buffer[] | Exclude<Outcome, { status: 'done' }>> {
    const datagrams: Buffer[] = [];
    let isInterrupted = false;
    const outcome = await this.#transact(request, 0, (buffer, start) => {
      if ((buffer.readUInt16LE(start + 6) & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
      if (datagrams.at(-1) !== buffer) datagrams.push(buffer);
    });
    if (outcome.status !== 'done') return outcome;
    return isInterrupted
      ? { status: 'unknown', message: 'the table kept changing while it was read' }
      : datagrams;
  }

  /** One request; every message of its answer goes to `onItem`, the last of a dump too. */
  #transact(
    request: Request,
    flags: number,
    onItem: (buffer: Buffer, start: number, end: number) => void,
  ): Promise<Outcome> {
    const sequence = this.#beginSequence();
    this.#writer.clear();
    request(this.#writer);
    this.#writer.end(this.#sequence++, flags);
    let outcome: Outcome = DONE;
    return this.#socket.transact(this.#writer.bytes, (resolve) => ({
      onMessage: (type, buffer, start, end) => {
        if (buffer.readUInt32LE(start + 8) !== sequence) return false;
        const isLast = type === NLMSG_ERROR || type === NLMSG_DONE;
        if (type !== NLMSG_ERROR) onItem(buffer, start, end);
        if (isLast) outcome = decodeError(buffer, start, end);
        return isLast;
      },
      settle: (message) => resolve(message === undefined ? outcome : { status: 'unknown', message }),
    }));
  }

  /** Number of the next request. Starts over between transactions, never inside one. */
  #beginSequence(): number {
    if (this.#sequence >= LAST_SEQUENCE) this.#sequence = 1;
    return this.#sequence;
  }
}

function isDatagrams(result: readonly Buffer[] | Outcome): result is readonly Buffer[] {
  return Array.isArray(result);
}

/**
 * Outcome of a request in a batch whose last answer is missing: a rejection stands, success was
 * only assumed.
 */
function withoutAck(outcome: Outcome, message: string): Outcome {
  return outcome.status === 'rejected' ? outcome : { status: 'unknown', message };
}
