// Waiting for a condition with a deadline: the one implementation for labs, tests and benchmarks.
import { TIME_SCALE } from './time-scale.ts';

/** Poll interval in ms. */
const DEFAULT_INTERVAL_MS = 10;
const DEFAULT_TIMEOUT_MS = 60_000;

type Condition = () => boolean | Promise<boolean>;

/** Times of a wait, in ms: its interval, how long the last poll took, how long the wait has lasted. */
export interface PollTimes {
  readonly intervalMs: number;
  readonly pollMs: number;
  readonly waitedMs: number;
}

/**
 * A poll often starts processes. The pause is at least as long as a poll takes, so polling uses at most half of a
 * processor, and grows up to nine times a poll, a tenth of a processor, within a quarter of the time waited: the caller
 * learns of the condition at most that much later.
 */
export function pauseMs({ intervalMs, pollMs, waitedMs }: PollTimes): number {
  return Math.max(intervalMs, pollMs, Math.min(9 * pollMs, waitedMs / 4));
}

/** As {@link pauseMs}, without growth. */
const evenPauseMs = ({ intervalMs, pollMs }: PollTimes): number => Math.max(intervalMs, pollMs);

/**
 * Resolves once `condition` is true. A condition that throws counts as false; its last error becomes the cause.
 * @throws Error naming `what` after `timeoutMs`, which {@link TIME_SCALE} multiplies.
 */
export function waitFor(
  what: string,
  condition: Condition,
  timeoutMs = DEFAULT_TIMEOUT_MS,
  intervalMs = DEFAULT_INTERVAL_MS,
): Promise<void> {
  return poll(what, condition, timeoutMs * TIME_SCALE, intervalMs, pauseMs);
}

/** As {@link waitFor}, with even pauses: for measurements of how long the wait takes. */
export function waitEvenly(
  what: string,
  condition: Condition,
  timeoutMs: number,
  intervalMs = DEFAULT_INTERVAL_MS,
): Promise<void> {
  return poll(what, condition, timeoutMs * TIME_SCALE, intervalMs, evenPauseMs);
}

/** As {@link waitEvenly}, with pauses of a hundredth of the time waited: where a poll is work for what is measured. */
export function waitRarely(
  what: string,
  condition: Condition,
  timeoutMs: number,
  intervalMs = DEFAULT_INTERVAL_MS,
): Promise<void> {
  const pauseAfter = (times: PollTimes): number => Math.max(evenPauseMs(times), times.waitedMs / 100);
  return poll(what, condition, timeoutMs * TIME_SCALE, intervalMs, pauseAfter);
}

async function poll(
  what: string,
  condition: Condition,
  timeoutMs: number,
  intervalMs: number,
  pauseAfter: (times: PollTimes) => number,
): Promise<void> {
  const startMs = performance.now();
  let cause: unknown;
  for (;;) {
    const pollStartMs = performance.now();
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const nowMs = performance.now();
    const waitedMs = nowMs - startMs;
    if (waitedMs >= timeoutMs) break;
    const pause = pauseAfter({ intervalMs, pollMs: nowMs - pollStartMs, waitedMs });
    // The last poll is at the deadline.
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, timeoutMs - waitedMs + 1)));
  }
  throw new Error(`Waited ${timeoutMs} ms for ${what}`, cause === undefined ? undefined : { cause });
}
