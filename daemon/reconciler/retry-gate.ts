// What must be left alone for now and when it may be tried again: owners whose objects the kernel refused, objects that
// somebody else keeps changing, and whatever lies on a device that is itself held. Holds no timer and does no I/O.
import type { Random } from '../../lib/backoff.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import { RateLimiter } from './rate-limiter.ts';
import { HOST } from './desired-state.ts';
import type { DesiredState } from './desired-state.ts';
import { isSameTunnel } from './diff.ts';
import { Failures } from './failures.ts';
import type { Failure, Rejection } from './failures.ts';
import type { CachedState } from './cached-state.ts';
import { deviceOf } from './object-device.ts';

/** A few repairs within seconds may be chance; then each waits, but never so long that traffic would suffer much. */
const CONTEST = { freeCount: 10, windowMs: 5_000, firstMs: 20, capMs: 150 };

const ORPHAN = 'orphan ';

export class RetryGate {
  readonly #desired: DesiredState;
  readonly #failures: Failures;
  readonly #limiter = new RateLimiter(CONTEST);
  /** When a contested object may be repaired next. */
  readonly #contestedUntilMs = new Map<ObjectKey, number>();
  readonly #contested = new Set<ObjectKey>();
  /** When {@link takeDue} looked last: what became due since waits for its next look. */
  #takenAtMs = -Infinity;

  constructor(desired: DesiredState, random: Random) {
    this.#desired = desired;
    this.#failures = new Failures(random);
  }

  /** Objects that keep being changed. */
  contested(nowMs: number): readonly ObjectKey[] {
    for (const key of this.#contested) if (!this.#limiter.isLimited(key, nowMs)) this.#contested.delete(key);
    return [...this.#contested].sort();
  }

  /** Whether a repair waits only for its contest to cool down. */
  get hasContestedWaits(): boolean {
    return this.#contestedUntilMs.size > 0;
  }

  /** Records that somebody changed `key`. Tells whether the repair must wait, and whether that is news. */
  recordDrift(key: ObjectKey, nowMs: number): { readonly mustWait: boolean; readonly isNews: boolean } {
    const waitMs = this.#limiter.record(key, nowMs);
    if (waitMs === 0) return { mustWait: false, isNews: false };
    this.#contestedUntilMs.set(key, nowMs + waitMs);
    const isNews = !this.#contested.has(key);
    this.#contested.add(key);
    return { mustWait: true, isNews };
  }

  /** Records that the kernel refused a step for `key`; an object that nobody wants fails for itself. */
  recordRejection(key: ObjectKey, refusal: Rejection, nowMs: number): Failure {
    return this.#failures.add(this.#desired.ownerOf(key) ?? ORPHAN + key, refusal, nowMs);
  }

  failureOf(owner: string): Failure | undefined {
    return this.#failures.get(owner);
  }

  /** Forgets a failure; returns whether there was one. */
  forgetFailure(owner: string): boolean {
    return this.#failures.delete(owner);
  }

  forgetOrphan(key: ObjectKey): void {
    this.#failures.delete(ORPHAN + key);
  }

  /** Lets everything that failed at least `leastMs` ago be tried at once. */
  expedite(nowMs: number, leastMs = 0): void {
    this.#failures.expedite(nowMs, leastMs);
  }

  /** Whether `object` must be left as it is. */
  isDeferred(object: KernelObject, key: ObjectKey, cached: CachedState, nowMs: number): boolean {
    if (this.#contestedUntilMs.has(key)) return true;
    const owner = this.#desired.ownerOf(key) ?? ORPHAN + key;
    if (this.#failures.isWaiting(owner, nowMs)) return true;
    return object.kind !== 'link' && this.isDeviceDeferred(deviceOf(object), cached, nowMs);
  }

  /** Whether the device `name` ought to exist but does not, or is another tunnel, and must wait. */
  isDeviceDeferred(name: string | undefined, cached: CachedState, nowMs: number): boolean {
    const key = `link ${name}`;
    const want = this.#desired.objects.get(key);
    if (want?.kind !== 'link') return false;
    const have = cached.objects.get(key);
    // A device that differs in what can be changed in place carries traffic as it is.
    if (have?.kind === 'link' && isSameTunnel(want, have)) return false;
    return this.#contestedUntilMs.has(key) || this.#failures.isWaiting(HOST, nowMs);
  }

  /** Takes the keys that may be tried again now. */
  takeDue(nowMs: number): readonly ObjectKey[] {
    this.#takenAtMs = nowMs;
    const keys: ObjectKey[] = [];
    for (const [key, untilMs] of this.#contestedUntilMs)
      if (untilMs <= nowMs) {
        this.#contestedUntilMs.delete(key);
        keys.push(key);
      }
    for (const name of this.#failures.due(nowMs))
      if (name.startsWith(ORPHAN)) keys.push(name.slice(ORPHAN.length));
      else keys.push(...this.#desired.objectsOf(name).keys());
    return keys;
  }

  /** When {@link takeDue} will have, or has, something new, on the reconciler's clock. */
  get nextDueMs(): number | undefined {
    const times = [...this.#contestedUntilMs.values()];
    const retryMs = this.#failures.nextRetryMs(this.#takenAtMs);
    if (retryMs !== undefined) times.push(retryMs);
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  /** Forgets what is over: quiet contests, and orphans that are gone or wanted again. */
  prune(cached: CachedState, nowMs: number): void {
    this.#limiter.prune(nowMs);
    for (const name of this.#failures.due(nowMs)) {
      if (!name.startsWith(ORPHAN)) continue;
      const key = name.slice(ORPHAN.length);
      if (!cached.objects.has(key) || this.#desired.objects.has(key)) this.#failures.delete(name);
    }
  }
}
