// What the kernel's notices must still say about our own steps. A notice can be older than a step that was acknowledged
// before it arrived: when a device goes, thousands of "gone" wait in the socket while its entries are already made anew.
// Notices come in order, so whatever comes for a key before the echo of our own step is old. Holds no timer.
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../../kernel/actual.ts';
import type { Step } from '../../kernel/kernel.ts';
import { isInSync } from '../diff.ts';

/** How long an echo may take, in ms. A step that changed nothing has none, so this must end. */
const SELF_NOTIFICATION_TIMEOUT_MS = 3_000;
/** The same after an overrun: echoes may be lost, but what is old is still in the socket. */
const OVERRUN_TIMEOUT_MS = 300;

/** A state that a notice told; unset `object` means gone. */
export interface Notified {
  readonly object: ActualObject | undefined;
}

interface Expectation {
  /** Unset if the step removes. */
  readonly object: KernelObject | undefined;
  isAnswered: boolean;
  isConfirmed: boolean;
  /** The last notice that did not fit: before the echo probably old, after it news. */
  other: Notified | undefined;
  untilMs: number;
}

export class Expectations {
  /** In the order in which they end. */
  readonly #byKey = new Map<ObjectKey, Expectation>();

  /** To be called before a step is sent. */
  expect(key: ObjectKey, { action, object }: Step): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, {
      object: action === 'set' ? object : undefined,
      isAnswered: false,
      isConfirmed: false,
      other: undefined,
      untilMs: Infinity,
    });
  }

  /** Takes a notification. Returns whether it belongs here; if not it is news. */
  take(key: ObjectKey, object: ActualObject | undefined): boolean {
    const expectation = this.#byKey.get(key);
    if (expectation === undefined) return false;
    if (fits(expectation, object)) {
      expectation.isConfirmed = true;
      expectation.other = undefined;
      if (expectation.isAnswered) this.#byKey.delete(key);
    } else expectation.other = { object };
    return true;
  }

  /** The kernel did the step. Returns what happened to the object since, if its echo was here already. */
  onDone(key: ObjectKey, nowMs: number): Notified | undefined {
    const expectation = this.#byKey.get(key);
    if (expectation === undefined) return undefined;
    this.#byKey.delete(key);
    if (expectation.isConfirmed) return expectation.other;
    expectation.isAnswered = true;
    expectation.untilMs = nowMs + SELF_NOTIFICATION_TIMEOUT_MS;
    this.#byKey.set(key, expectation);
    return undefined;
  }

  /** The kernel did not do the step, or did not say. Returns what a notice told meanwhile. */
  onNotDone(key: ObjectKey): Notified | undefined {
    const other = this.#byKey.get(key)?.other;
    this.#byKey.delete(key);
    return other;
  }

  /** Notices were lost, so that some echoes never come: waits for none much longer. */
  onOverrun(nowMs: number): void {
    for (const expectation of this.#byKey.values())
      if (expectation.isAnswered)
        expectation.untilMs = Math.min(expectation.untilMs, nowMs + OVERRUN_TIMEOUT_MS);
  }

  /** Ends what is overdue. Returns what notices told of those keys: they were no echoes, so they count after all. */
  takeOverdue(nowMs: number): ReadonlyMap<ObjectKey, Notified> {
    const told = new Map<ObjectKey, Notified>();
    for (const [key, { untilMs, other }] of this.#byKey) {
      // Unanswered ones have no end yet and may stand before answered ones.
      if (untilMs === Infinity) continue;
      if (untilMs > nowMs) break;
      this.#byKey.delete(key);
      if (other !== undefined) told.set(key, other);
    }
    return told;
  }

  /** When {@link takeOverdue} is due, on the reconciler's clock. */
  get nextDueMs(): number | undefined {
    for (const { untilMs } of this.#byKey.values()) if (untilMs !== Infinity) return untilMs;
    return undefined;
  }
}

function fits({ object: expected }: Expectation, object: ActualObject | undefined): boolean {
  return expected === undefined ? object === undefined : isInSync(expected, object);
}
