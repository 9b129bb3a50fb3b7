// Notifications that our own steps cause, as far as they have not arrived. A notification can be
// older than a step acknowledged before it arrives: when a device is deleted, thousands of
// deletions wait in the socket while its entries are already re-created. Notifications arrive in
// order, so those of a key before the self-notification of our step are old. Holds no timer.
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../../kernel/actual-state.ts';
import type { Step } from '../../kernel/kernel.ts';
import { isInSync } from '../diff.ts';

/** Longest delay of a self-notification, in ms. A step that changed nothing causes none. */
const SELF_NOTIFICATION_TIMEOUT_MS = 3_000;
/** The same after an overrun: self-notifications may be lost, old ones are still in the socket. */
const OVERRUN_TIMEOUT_MS = 300;

/** A notified state; unset `object` means absent. */
export interface Notified {
  readonly object: ActualObject | undefined;
}

interface Expectation {
  /** Unset if the step removes. */
  readonly object: KernelObject | undefined;
  isAnswered: boolean;
  isConfirmed: boolean;
  /** The last other notification: probably old before the self-notification, new after it. */
  other: Notified | undefined;
  untilMs: number;
}

export class Expectations {
  /** In the order of expiry. */
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

  /**
   * Takes a notification. Returns whether it is expected or old; a new one is left to the caller.
   */
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

  /** The kernel did the step. Returns a notification newer than that, if any arrived. */
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

  /** The kernel rejected or did not answer the step. Returns the last notification meanwhile. */
  onNotDone(key: ObjectKey): Notified | undefined {
    const other = this.#byKey.get(key)?.other;
    this.#byKey.delete(key);
    return other;
  }

  /** Notifications were lost, self-notifications perhaps among them: expires all soon. */
  onOverrun(nowMs: number): void {
    for (const expectation of this.#byKey.values())
      if (expectation.isAnswered)
        expectation.untilMs = Math.min(expectation.untilMs, nowMs + OVERRUN_TIMEOUT_MS);
  }

  /** Expires overdue expectations. Returns their last other notifications, which were not old. */
  takeOverdue(nowMs: number): ReadonlyMap<ObjectKey, Notified> {
    const notified = new Map<ObjectKey, Notified>();
    for (const [key, { untilMs, other }] of this.#byKey) {
      // Unanswered ones do not expire yet and may come before answered ones.
      if (untilMs === Infinity) continue;
      if (untilMs > nowMs) break;
      this.#byKey.delete(key);
      if (other !== undefined) notified.set(key, other);
    }
    return notified;
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
