// The registry lease behind this host's key: granted or taken over, kept alive on the same id, never granted anew while it
// lives. Times are counted from before the request, so that this host never believes in it longer than the registry.
import { Backoff } from '../../lib/backoff.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Registry, LeaseId } from './registry.ts';

export interface RegistryLeaseOptions {
  readonly registry: Pick<Registry, 'grant' | 'keepAlive' | 'revoke'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Life of a granted lease, in seconds. */
  readonly ttlSec: number;
  /** A lease is renewed at the latest so long before its end, in seconds; no effect if its life is shorter. */
  readonly renewMarginSec: number;
  readonly signal: AbortSignal;
}

const RETRY_BASE_MS = 1000;
const RETRY_CAP_MS = 60_000;

export class RegistryLease {
  readonly #options: RegistryLeaseOptions;
  readonly #backoff: Backoff;
  #id: LeaseId | undefined;
  #expiresAtMs = 0;
  #renewAtMs = 0;
  #isUsed = false;

  constructor(options: RegistryLeaseOptions) {
    this.#options = options;
    const { random } = options;
    this.#backoff = new Backoff({ baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS, random });
  }

  get id(): LeaseId | undefined {
    return this.#id;
  }

  /** When the registry may end it, on the clock given. */
  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** When to call {@link renew} next. */
  get renewAtMs(): number {
    return this.#renewAtMs;
  }

  /** The id of a lease that lives: the one at hand, or a new one. */
  async ensure(): Promise<LeaseId> {
    const { registry, clock, ttlSec, signal } = this.#options;
    if (this.#id !== undefined && clock.nowMs() < this.#expiresAtMs) return this.#id;
    const sentAtMs = clock.nowMs();
    const id = await registry.grant(ttlSec, signal);
    this.#id = id;
    this.#isUsed = false;
    this.#setLife(sentAtMs, ttlSec);
    return id;
  }

  /** Makes an existing lease the one at hand, keeping it alive at once; false if it does not exist any more. */
  async takeOver(id: LeaseId): Promise<boolean> {
    const { registry, clock, signal } = this.#options;
    const sentAtMs = clock.nowMs();
    const ttlSec = await registry.keepAlive(id, signal);
    if (ttlSec <= 0) return false;
    if (id !== this.#id) this.revokeUnused();
    this.#id = id;
    this.#isUsed = true;
    this.#setLife(sentAtMs, ttlSec);
    return true;
  }

  /** Keeps the lease at hand alive; false if it does not exist any more. @throws what the registry throws. */
  async renew(): Promise<boolean> {
    try {
      return this.#id !== undefined && (await this.takeOver(this.#id));
    } catch (error) {
      this.#renewAtMs = this.#options.clock.nowMs() + this.#backoff.nextMs();
      throw error;
    }
  }

  /** Asks for a renewal now. */
  renewSoon(): void {
    this.#renewAtMs = 0;
  }

  /** Tells whether a key hangs on it. */
  markUsed(isUsed: boolean): void {
    this.#isUsed = isUsed;
  }

  /** The lease is dead or another host's: there is none at hand any more. */
  forget(): void {
    this.#id = undefined;
    this.#isUsed = false;
  }

  /** Ends a lease on which no key of ours hangs; a key that a lost request put on it goes with it. Does not wait. */
  revokeUnused(): void {
    const id = this.#id;
    if (id === undefined || this.#isUsed) return;
    this.forget();
    const { registry, signal } = this.#options;
    registry.revoke(id, signal).catch(() => undefined);
  }

  #setLife(sentAtMs: number, ttlSec: number): void {
    const { random, renewMarginSec } = this.#options;
    const beforeMarginSec = ttlSec > renewMarginSec ? ttlSec - renewMarginSec : ttlSec;
    const intervalSec = Math.min(ttlSec / 3, beforeMarginSec);
    this.#expiresAtMs = sentAtMs + ttlSec * 1000;
    // Up to a tenth earlier, so that hosts that booted together do not renew together for ever.
    this.#renewAtMs = sentAtMs + intervalSec * 1000 * (1 - random() / 10);
    this.#backoff.reset();
  }
}
