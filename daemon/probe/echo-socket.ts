// ICMP echoes of one family on one socket (RFC 792, RFC 4443 §4). The kernel timestamps replies
// (SO_TIMESTAMPNS), so that a late poll measures the same as an early one. Polls only while replies
// are awaited.
import { randomBytes, randomInt } from 'node:crypto';
import type { Family, IpAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { EchoAnswer, NativeEcho } from '../../native/index.ts';
import { describeEchoError, type EchoError } from './echo-error.ts';

/** Bytes of the IP and ICMP headers of an echo. */
export const ECHO_HEADER_BYTES: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };

/** Result of one echo. */
export type EchoResult =
  /** Round trip by the kernel's timestamps. */
  | { readonly kind: 'reply'; readonly rttMs: number }
  /** No answer came in time. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'error'; readonly error: EchoError };

export interface EchoSocketOptions {
  readonly native: NativeEcho;
  readonly clock: Clock;
  readonly family: Family;
  /** Interface that echoes leave by (SO_BINDTODEVICE); unset: by the routes. */
  readonly device?: string;
  readonly source?: IpAddress;
  /** TTL or hop limit; default: the kernel's. */
  readonly ttl?: number;
}

interface Awaited {
  readonly address: string;
  readonly sentUs: number;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly hasToken: boolean;
  readonly settle: (result: EchoResult) => void;
}

/** First and longest pause between two polls while replies are awaited. */
const FIRST_POLL_MS = 1;
const LONGEST_POLL_MS = 10;
const MAX_SEQUENCE = 0xffff;
const TOKEN_BYTES = 8;

/** One socket; echoes to any addresses of its family. */
export class EchoSocket {
  readonly #options: EchoSocketOptions;
  readonly #fd: number;
  readonly #identifier = randomInt(1, 0x10000);
  readonly #token: Uint8Array = randomBytes(TOKEN_BYTES);
  readonly #awaited = new Map<number, Awaited>();
  /**
   * Starts at random: errors of the echoes of every program arrive here, and differ only by
   * sequence and destination.
   */
  #sequence = randomInt(0, MAX_SEQUENCE + 1);
  readonly #loop: ControlLoop;
  #pauseMs = FIRST_POLL_MS;
  #nextPollMs = Infinity;
  #isClosed = false;

  /** @throws Error with a `code` if the socket cannot be opened: EACCES without CAP_NET_RAW. */
  constructor(options: EchoSocketOptions) {
    const { native, clock, family, device, source, ttl } = options;
    this.#options = options;
    this.#fd = native.echoOpen(family, this.#identifier, device, source);
    if (ttl !== undefined) native.echoSetTtl(this.#fd, family, ttl);
    this.#loop = new ControlLoop({
      clock,
      step: () => this.#step(),
      deadlinesMs: () => [Math.max(this.#nextPollMs, clock.nowMs() + FIRST_POLL_MS)],
    });
    this.#loop.start();
  }

  /**
   * One echo in an IP packet of `packetBytes`, its header included, with DF set. Never rejects:
   * resolves as lost `timeoutMs` after it was sent, or when the socket is closed.
   */
  send(address: IpAddress, packetBytes: number, timeoutMs: number): Promise<EchoResult> {
    const { native, clock, family } = this.#options;
    const payloadBytes = packetBytes - ECHO_HEADER_BYTES[family];
    const sequence = this.#nextSequence();
    if (this.#isClosed || sequence === undefined) return Promise.resolve({ kind: 'lost' });
    let sentUs: number;
    try {
      sentUs = native.echoSend(this.#fd, address, this.#identifier, sequence, payloadBytes, this.#token);
    } catch (error) {
      return Promise.resolve({
        kind: 'error',
        error: this.#notSent(error as NodeJS.ErrnoException, address),
      });
    }
    return new Promise((settle) => {
      const deadlineMs = clock.nowMs() + timeoutMs;
      const hasToken = payloadBytes >= TOKEN_BYTES;
      this.#awaited.set(sequence, { address, sentUs, timeoutMs, deadlineMs, hasToken, settle });
      this.#pauseMs = FIRST_POLL_MS;
      this.#nextPollMs = clock.nowMs() + this.#pauseMs;
      this.#loop.wake();
    });
  }

  /** Resolves awaited echoes as lost. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    void this.#loop.stop();
    for (const { settle } of this.#awaited.values()) settle({ kind: 'lost' });
    this.#awaited.clear();
    this.#options.native.echoClose(this.#fd);
  }

  #nextSequence(): number | undefined {
    if (this.#awaited.size >= MAX_SEQUENCE) return undefined;
    do this.#sequence = (this.#sequence + 1) & MAX_SEQUENCE;
    while (this.#awaited.has(this.#sequence));
    return this.#sequence;
  }

  /** The kernel queues the MTU apart from EMSGSIZE (IP_RECVERR, ip(7)). */
  #notSent(error: NodeJS.ErrnoException, address: string): EchoError {
    let mtu: number | undefined;
    if (error.code === 'EMSGSIZE')
      for (const answer of this.#read())
        if (answer.kind === 'local' && answer.to === address && answer.mtu > 0) mtu = answer.mtu;
    if (error.code === 'EMSGSIZE') return { kind: 'too-big', ...(mtu !== undefined && { mtu }) };
    return { kind: 'not-sent', code: error.code ?? '', message: error.message };
  }

  #step(): boolean {
    if (this.#options.clock.nowMs() >= this.#nextPollMs) this.#poll();
    return false;
  }

  #poll(): void {
    // Read before the answers: a reply that came in time counts, however late this poll is.
    const nowMs = this.#options.clock.nowMs();
    this.#read();
    for (const [sequence, { deadlineMs, settle }] of this.#awaited) {
      if (nowMs < deadlineMs) continue;
      this.#awaited.delete(sequence);
      settle({ kind: 'lost' });
    }
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_POLL_MS);
    this.#nextPollMs = this.#awaited.size === 0 ? Infinity : nowMs + this.#pauseMs;
  }

  #read(): readonly EchoAnswer[] {
    const { native, family } = this.#options;
    const all: EchoAnswer[] = [];
    for (;;) {
      const answers = native.echoRead(this.#fd, family, this.#token);
      if (answers.length === 0) return all;
      for (const answer of answers) if (answer.kind !== 'local') this.#take(answer);
      all.push(...answers);
    }
  }

  #take(answer: EchoAnswer): void {
    const awaited = this.#awaited.get(answer.sequence);
    if (awaited === undefined) return;
    const isReply = answer.kind === 'reply';
    const isOurs = isReply
      ? answer.from === awaited.address && answer.hasToken === awaited.hasToken
      : answer.to === awaited.address;
    if (!isOurs) return;
    const rttMs = Math.max(0, (answer.timeUs - awaited.sentUs) / 1000);
    if (isReply && rttMs > awaited.timeoutMs) return;
    this.#awaited.delete(answer.sequence);
    awaited.settle(
      isReply
        ? { kind: 'reply', rttMs }
        : { kind: 'error', error: describeEchoError(answer, this.#options.family) },
    );
  }
}
