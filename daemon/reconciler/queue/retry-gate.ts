// When a failed or contested object may be tried again: owners with a rejected step back off,
// objects that another program keeps changing are rate-limited. Holds no timer and does no I/O.
import type { Random } from '../../../lib/backoff.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import type { Owner } from '../desired-state.ts';
import type { Objects } from '../diff.ts';
import { Failures } from './failures.ts';
import type { Failure } from './failures.ts';
import { RateLimiter } from './rate-limiter.ts';
import type { StepOutcome } from '../step-outcome.ts';

/**
 * A few repairs within seconds cost no wait; beyond that each waits, but too briefly to cost much
 * traffic.
 */
const CONTEST_LIMIT = { freeCount: 10, windowMs: 5_000, firstMs: 20, capMs: 150 };

/** What may be tried again. */
export interface DueRetries {
  readonly owners: readonly Owner[];
  readonly keys: readonly ObjectKey[];
}

export class RetryGate {
  readonly #failures: Failures<Owner>;
  /** Failures of objects that no owner wants: each fails for itself. */
  readonly #orphanFailures: Failures<ObjectKey>;
  readonly #limiter = new RateLimiter<ObjectKey>(CONTEST_LIMIT);
  /** When a contested object may be repaired next. */
  readonly #contestedUntilMs = new Map<ObjectKey, number>();
  readonly #contested = new Set<ObjectKey>();
  /** Time of the last {@link takeDue}: what became due later is left for the next. */
  #takenAtMs = -Infinity;

  constructor(random: Random) {
    this.#failures = new Failures(random);
    this.#orphanFailures = new Failures(random);
  }

  /** Objects that another program keeps changing, sorted. */
  contested(nowMs: number): readonly ObjectKey[] {
    for (const key of this.#contested) if (!this.#limiter.isLimited(key, nowMs)) this.#contested.delete(key);
    return [...this.#contested].sort();
  }

  /** Whether a repair waits only for its rate limit. */
  get hasContestedWaits(): boolean {
    return this.#contestedUntilMs.size > 0;
  }

  /** Whether the repair of `key` waits for its rate limit. */
  isCoolingDown(key: ObjectKey): boolean {
    return this.#contestedUntilMs.has(key);
  }

  /** Whether `owner`, or the orphan `key` where no owner wants it, backs off. */
  isWaiting(owner: Owner | undefined, key: ObjectKey, nowMs: number): boolean {
    if (owner === undefined) return this.#orphanFailures.isWaiting(key, nowMs);
    return this.#failures.isWaiting(owner, nowMs);
  }

  failureOf(owner: Owner): Failure | undefined {
    return this.#failures.get(owner);
  }

  /**
   * Records a change of `key` by another program. `isFirst`: the object becomes contested with it.
   */
  recordDrift(key: ObjectKey, nowMs: number): { readonly mustWait: boolean; readonly isFirst: boolean } {
    const waitMs = this.#limiter.record(key, nowMs);
    if (waitMs === 0) return { mustWait: false, isFirst: false };
    this.#contestedUntilMs.set(key, nowMs + waitMs);
    const isFirst = !this.#contested.has(key);
    this.#contested.add(key);
    return { mustWait: true, isFirst };
  }

  /**
   * Records what became of a step. Returns the failures in a row of its owner; 0 if it did not
   * fail.
   */
  recordOutcome(outcome: StepOutcome, nowMs: number): number {
    const { kind, step } = outcome;
    // Of nearly all steps no key is needed.
    if (kind === 'applied' && step.action === 'remove') this.#orphanFailures.delete(objectKey(step.object));
    if (kind !== 'failed') return 0;
    const key = objectKey(step.object);
    const { owner, errno, message } = outcome;
    const rejection = { object: step.object, errno, message };
    const failure =
      owner === undefined
        ? this.#orphanFailures.add(key, rejection, nowMs)
        : this.#failures.add(owner, rejection, nowMs);
    return failure.attempts;
  }

  /** Forgets an owner's failure, so that its next failure is a first one. */
  forgetFailure(owner: Owner): void {
    this.#failures.delete(owner);
  }

  /**
   * Ends every back-off that began at least `leastMs` ago, without forgetting the number of
   * failures.
   */
  retryNow(nowMs: number, leastMs = 0): void {
    this.#failures.retryNow(nowMs, leastMs);
    this.#orphanFailures.retryNow(nowMs, leastMs);
  }

  /** Takes what may be tried again now. */
  takeDue(nowMs: number): DueRetries {
    this.#takenAtMs = nowMs;
    const keys: ObjectKey[] = [...this.#orphanFailures.due(nowMs)];
    for (const [key, untilMs] of this.#contestedUntilMs)
      if (untilMs <= nowMs) {
        this.#contestedUntilMs.delete(key);
        keys.push(key);
      }
    return { owners: this.#failures.due(nowMs), keys };
  }

  /**
   * Earliest time at which {@link takeDue} finds more than at its last call, on the reconciler's
   * clock.
   */
  get nextDueMs(): number | undefined {
    const retriesMs = [this.#failures, this.#orphanFailures].map((each) => each.nextRetryMs(this.#takenAtMs));
    const timesMs = [...this.#contestedUntilMs.values(), ...retriesMs.filter((atMs) => atMs !== undefined)];
    return timesMs.length === 0 ? undefined : timesMs.reduce((a, b) => Math.min(a, b));
  }

  /** Forgets ended contests, and failures of orphans that are removed or wanted again. */
  prune(actual: Objects, desired: Objects, nowMs: number): void {
    this.#limiter.prune(nowMs);
    for (const key of this.#orphanFailures.due(nowMs))
      if (!actual.has(key) || desired.has(key)) this.#orphanFailures.delete(key);
  }
}
