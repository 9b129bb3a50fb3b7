// Monotonic time and one-shot timers. Everything that waits takes a Clock, so that tests and
// simulations control the time. It must never return wall-clock time, which jumps.

/** Source of time and timers. */
export interface Clock {
  /** Milliseconds since an arbitrary point; never goes back. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that Node takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * The process's own clock (CLOCK_MONOTONIC). It stands still while the machine is suspended, not
 * while the process is stopped. A timer longer than 24 days fires after 24 days: callers compare
 * `nowMs` when a timer fires.
 */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`. @throws the signal's reason as soon as it aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Time and chance of one transition of a pure state machine, which has neither of its own. */
export interface Now {
  /** {@link Clock.nowMs} at the transition. */
  readonly ms: number;
  /** Uniform in 0 (included) to 1 (excluded), drawn for the transition. */
  readonly jitter: number;
}
