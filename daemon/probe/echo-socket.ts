// ICMP echoes of one family from one socket: each is sent, then waited for. The kernel notes when a
// reply came, so that a process that looks late measures no more than one that looks at once; it
// looks often only while a reply is awaited.
import { randomBytes, randomInt } from 'node:crypto';
import type { Family, IpAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EchoAnswer, NativeEcho } from '../../native/index.ts';
import { describeEchoError, type EchoError } from './echo-error.ts';

/** Bytes of IP and ICMP headers of an echo. */
export const ECHO_HEADER_BYTES: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };

export type EchoResult =
  | { readonly kind: 'reply'; readonly rttMs: number }
  /** Nothing came in time. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'error'; readonly error: EchoError };

export interface EchoSocketOptions {
  readonly native: NativeEcho;
  readonly clock: Clock;
  readonly family: Family;
  /** Name of the interface that echoes leave by; unset: as routes say. */
  readonly device?: string;
  readonly source?: IpAddress;
  /** Routers that echoes may pass; default: as the kernel has it. */
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

/** First and longest pause between two looks while replies are awaited. */
const FIRST_LOOK_MS = 1;
const LONGEST_LOOK_MS = 10;
const MAX_SEQUENCE = 0xffff;
const TOKEN_BYTES = 8;

export class EchoSocket {
  readonly #options: EchoSocketOptions;
  readonly #fd: number;
  readonly #identifier = randomInt(1, 0x10000);
  readonly #token: Uint8Array = randomBytes(TOKEN_BYTES);
  readonly #awaited = new Map<number, Awaited>();
  /**
   * Errors come for the echoes of every program on this host, and tell whose by sequence and
   * destination alone.
   */
  #sequence = randomInt(0, MAX_SEQUENCE + 1);
  #pauseMs = FIRST_LOOK_MS;
  #cancelLook: (() => void) | undefined;
  #isClosed = false;

  /** @throws Error with errno if the socket cannot be opened: EACCES without the right to. */
  constructor(options: EchoSocketOptions) {
    const { native, family, device, source, ttl } = options;
    this.#options = options;
    this.#fd = native.echoOpen(family, this.#identifier, device, source);
    if (ttl !== undefined) native.echoSetTtl(this.#fd, family, ttl);
  }

  /**
   * One echo of an IP packet of `packetBytes`, its header included, with DF set. Resolves always:
   * at the latest `timeoutMs` after it was sent, or when the socket is closed, as lost.
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
      this.#pauseMs = FIRST_LOOK_MS;
      this.#lookSoon();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelLook?.();
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

  /** Of a packet that is too large the kernel tells the MTU apart from the error. */
  #notSent(error: NodeJS.ErrnoException, address: string): EchoError {
    let mtu: number | undefined;
    if (error.code === 'EMSGSIZE')
      for (const answer of this.#read())
        if (answer.kind === 'local' && answer.to === address && answer.mtu > 0) mtu = answer.mtu;
    if (error.code === 'EMSGSIZE') return { kind: 'too-big', ...(mtu !== undefined && { mtu }) };
    return { kind: 'not-sent', code: error.code ?? '', message: error.message };
  }

  #lookSoon(): void {
    if (this.#isClosed || this.#awaited.size === 0) return;
    this.#cancelLook?.();
    this.#cancelLook = this.#options.clock.setTimer(this.#pauseMs, () => this.#look());
  }

  #look(): void {
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_LOOK_MS);
    // Before what was read: a reply that was there in time counts, however late this look is.
    const nowMs = this.#options.clock.nowMs();
    this.#read();
    for (const [sequence, { deadlineMs, settle }] of this.#awaited) {
      if (nowMs < deadlineMs) continue;
      this.#awaited.delete(sequence);
      settle({ kind: 'lost' });
    }
    this.#lookSoon();
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
