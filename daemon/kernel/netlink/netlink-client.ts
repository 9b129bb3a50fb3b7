// Requests and their answers on one socket: sequence numbers, batches, dumps, time-outs. One transaction at a time, so
// that answers cannot mix. Knows no message type.
//
//   send(requests)  packs many requests into a datagram; only the last asks for an ack. The kernel works through a
//                   datagram in order and answers every refusal, so the last answer proves the fate of all.
//   dump(request)   one multipart answer, repeated from the start if the kernel says that its table changed meanwhile
//   get(request)    one request with an answer of its own
//
// When answers may be missing (overrun, time-out) the socket is replaced: nothing late can reach a later transaction.
import {
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_OVERRUN,
  NLMSGERR_ATTR_MSG,
} from './constants.ts';
import { AttributeTable, forEachMessage, HEADER_BYTES, MessageWriter } from './message.ts';
import { DONE, KernelReadError, type Outcome, rejectionOf } from './outcome.ts';
import { type NetlinkSocket, openNetlinkSocket, type OpenSocket } from './socket.ts';

/** Writes one request (begin and attributes, not end). */
export type Request = (writer: MessageWriter) => void;
/** Decodes one message of an answer; `undefined` drops it. */
export type Decode<T> = (buffer: Buffer, start: number, end: number) => T | undefined;

export interface NetlinkClientOptions {
  /** NETLINK_*; default rtnetlink. */
  readonly protocol?: number;
  /** How long to wait for an answer, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
  /** Receive buffer to ask for, in bytes; default 4 MiB. */
  readonly receiveBytes?: number;
  readonly openSocket?: OpenSocket;
}

/** The kernel fills dump datagrams up to the reader's buffer, but no further than this (netlink_recvmsg). */
const DATAGRAM_BYTES = 32 * 1024;
const SEND_BYTES = 64 * 1024;
/** What a refusal with its text costs in the receive buffer, at most: an sk_buff and its data as the kernel counts them. */
const ANSWER_BYTES = 2048;
/** Far enough from 2^32 for any batch. */
const LAST_SEQUENCE = 0xffff_0000;
const MAX_DUMP_ATTEMPTS = 6;
const CLOSED = 'the kernel door is closed';

/** What is waited for. `onMessage` returns true when the transaction is over. */
interface Transaction {
  onMessage(type: number, buffer: Buffer, start: number, end: number): boolean;
  settle(failure?: string): void;
}

const errorAttributes = new AttributeTable(NLMSGERR_ATTR_MSG);

export class NetlinkClient {
  readonly #openSocket: OpenSocket;
  readonly #timeoutMs: number;
  readonly #receiveBytes: number;
  readonly #protocol: number | undefined;
  readonly #writer = new MessageWriter(SEND_BYTES);
  /** Unset after a failure, until the next transaction opens another. */
  #socket: NetlinkSocket | undefined;
  #sequence = 1;
  #tail: Promise<unknown> = Promise.resolve();
  #transaction: Transaction | undefined;
  #isClosed = false;

  /** @throws Error with errno if no socket can be opened. */
  constructor(options: NetlinkClientOptions = {}) {
    this.#openSocket = options.openSocket ?? openNetlinkSocket;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#receiveBytes = options.receiveBytes ?? 4 << 20;
    this.#protocol = options.protocol;
    this.#socket = this.#open();
  }

  /** Whether the kernel filters dumps by what their request names. */
  get hasStrictCheck(): boolean {
    return this.#socket?.hasStrictCheck ?? false;
  }

  /** Sends changes in order; one outcome each. A refused one does not stop the rest. Never rejects. */
  async send(requests: readonly Request[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < requests.length && !this.#isClosed) {
      const from = outcomes.length;
      for (const outcome of await this.#enqueue(() => this.#sendBatch(requests, from)))
        outcomes.push(outcome);
    }
    while (outcomes.length < requests.length) outcomes.push({ status: 'unknown', message: CLOSED });
    return outcomes;
  }

  /** All messages of one dump. @throws KernelReadError if the kernel refuses or stays interrupted; `what` names it. */
  async dump<T>(what: string, request: Request, decode: Decode<T>): Promise<T[]> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.#enqueue(() => this.#dumpOnce(request, decode));
      if (Array.isArray(result)) return result;
      if (result.status === 'rejected') throw new KernelReadError(what, result.errno, result.message);
      if (attempt === MAX_DUMP_ATTEMPTS || this.#isClosed)
        throw new KernelReadError(what, 'EINTR', `${result.message} (${attempt} attempts)`);
    }
  }

  /** The one message that answers a question, with the outcome. */
  async get<T>(
    request: Request,
    decode: Decode<T>,
  ): Promise<{ readonly outcome: Outcome; readonly item?: T }> {
    let item: T | undefined;
    const outcome = await this.#enqueue(() =>
      this.#transact(
        (writer) => request(writer),
        NLM_F_ACK,
        (buffer, start, end) => {
          item ??= decode(buffer, start, end);
        },
      ),
    );
    return item === undefined ? { outcome } : { outcome, item };
  }

  /** Ends all: what is under way and what comes later has an unknown outcome. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
    this.#transaction?.settle(CLOSED);
  }

  #open(): NetlinkSocket {
    const protocol = this.#protocol;
    return this.#openSocket(
      {
        datagramBytes: DATAGRAM_BYTES,
        receiveBytes: this.#receiveBytes,
        ...(protocol !== undefined && { protocol }),
      },
      {
        onDatagram: (datagram) => this.#onDatagram(datagram),
        onError: (message) => this.#fail(message),
      },
    );
  }

  #enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** As many requests from `from` on as fit a datagram, and whose refusals would all fit the receive buffer. */
  #sendBatch(requests: readonly Request[], from: number): Promise<Outcome[]> {
    const limit = Math.max(1, Math.floor((this.#socket?.receiveBytes ?? 0) / ANSWER_BYTES));
    const to = Math.min(requests.length, from + limit);
    const first = this.#beginSequence();
    this.#writer.clear();
    let next = from;
    while (next < to && this.#writer.hasRoom) {
      requests[next]!(this.#writer);
      next++;
      const isLast = next === to || !this.#writer.hasRoom;
      this.#writer.end(this.#sequence++, isLast ? NLM_F_ACK : 0);
    }
    return this.#transactBatch(first, next - from);
  }

  #transactBatch(first: number, count: number): Promise<Outcome[]> {
    const outcomes: Outcome[] = Array.from({ length: count }, () => DONE);
    return this.#run((resolve) => ({
      onMessage: (type, buffer, start, end) => {
        const index = buffer.readUInt32LE(start + 8) - first;
        if (type !== NLMSG_ERROR || index < 0 || index >= count) return false;
        outcomes[index] = decodeError(buffer, start, end);
        return index === count - 1;
      },
      settle: (failure) =>
        resolve(failure === undefined ? outcomes : outcomes.map((outcome) => lost(outcome, failure))),
    }));
  }

  async #dumpOnce<T>(
    request: Request,
    decode: Decode<T>,
  ): Promise<T[] | Exclude<Outcome, { status: 'done' }>> {
    const items: T[] = [];
    let isInterrupted = false;
    const outcome = await this.#transact(request, 0, (buffer, start, end) => {
      if ((buffer.readUInt16LE(start + 6) & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
      if (buffer.readUInt16LE(start + 4) === NLMSG_DONE) return;
      const item = decode(buffer, start, end);
      if (item !== undefined) items.push(item);
    });
    if (outcome.status !== 'done') return outcome;
    return isInterrupted
      ? { status: 'unknown', message: 'the table kept changing while it was read' }
      : items;
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
    return this.#run((resolve) => ({
      onMessage: (type, buffer, start, end) => {
        if (buffer.readUInt32LE(start + 8) !== sequence) return false;
        if (type !== NLMSG_ERROR) onItem(buffer, start, end);
        if (type === NLMSG_ERROR || type === NLMSG_DONE) outcome = decodeError(buffer, start, end);
        return type === NLMSG_ERROR || type === NLMSG_DONE;
      },
      settle: (message) => resolve(message === undefined ? outcome : { status: 'unknown', message }),
    }));
  }

  /** Sends what the writer holds and waits until the transaction is over, has failed, or time is up. */
  #run<T>(begin: (resolve: (value: T) => void) => Transaction): Promise<T> {
    return new Promise((resolve) => {
      const transaction = begin(resolve);
      const socket = this.#readySocket();
      if (typeof socket === 'string') return transaction.settle(socket);
      const timer = setTimeout(() => this.#fail(`no answer within ${this.#timeoutMs} ms`), this.#timeoutMs);
      this.#transaction = {
        onMessage: (type, buffer, start, end) => transaction.onMessage(type, buffer, start, end),
        settle: (failure) => {
          clearTimeout(timer);
          this.#transaction = undefined;
          transaction.settle(failure);
        },
      };
      socket.send(this.#writer.bytes);
    });
  }

  /** The socket, opened anew after a failure, or why there is none. */
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
      if (isOver || this.#transaction === undefined) return;
      if (type === NLMSG_OVERRUN) this.#fail('the kernel dropped an answer');
      else isOver = this.#transaction.onMessage(type, datagram, start, end);
    });
    if (isOver) this.#transaction?.settle();
  }

  /** Answers may be missing: whatever is under way is unknown, and nothing more is taken from this socket. */
  #fail(message: string): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#transaction?.settle(message);
  }

  /** Number of the next request. Starts over between transactions, never inside one. */
  #beginSequence(): number {
    if (this.#sequence >= LAST_SEQUENCE) this.#sequence = 1;
    return this.#sequence;
  }
}

/** A refusal that did arrive stands; success was only assumed. */
function lost(outcome: Outcome, message: string): Outcome {
  return outcome.status === 'rejected' ? outcome : { status: 'unknown', message };
}

/**
 * Payload of NLMSG_ERROR: error i32, the request's header, the request's payload unless capped, attributes.
 * NLMSG_DONE has the error and the attributes only.
 */
function decodeError(buffer: Buffer, start: number, end: number): Outcome {
  const at = start + HEADER_BYTES;
  const code = end >= at + 4 ? buffer.readInt32LE(at) : 0;
  if (code >= 0) return DONE;
  const flags = buffer.readUInt16LE(start + 6);
  if ((flags & NLM_F_ACK_TLVS) === 0) return rejectionOf(code, '');
  errorAttributes.read(buffer, attributesOffset(buffer, start, flags), end);
  return rejectionOf(code, errorAttributes.text(NLMSGERR_ATTR_MSG));
}

function attributesOffset(buffer: Buffer, start: number, flags: number): number {
  const at = start + HEADER_BYTES + 4;
  if (buffer.readUInt16LE(start + 4) === NLMSG_DONE) return at;
  return (flags & NLM_F_CAPPED) === 0 ? at + ((buffer.readUInt32LE(at) + 3) & ~3) : at + HEADER_BYTES;
}
