// Waiting for a condition with a deadline: the one implementation for labs, tests and benchmarks.
import { TIME_SCALE } from './time-scale.ts';

/** Poll interval in ms. */
const DEFAULT_INTERVAL_MS = 10;
const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Resolves once `condition` is true. The pause between two polls is at least as long as a poll takes, so polling uses at
 * most half of a processor. A condition that throws counts as false; its last error becomes the cause.
 * @throws Error naming `what` after `timeoutMs`, which {@link TIME_SCALE} multiplies.
 */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = DEFAULT_TIMEOUT_MS,
  intervalMs = DEFAULT_INTERVAL_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs * TIME_SCALE;
  let cause: unknown;
  for (;;) {
    const startMs = performance.now();
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const nowMs = performance.now();
    if (nowMs >= deadline) break;
    const pauseMs = Math.max(intervalMs, nowMs - startMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new Error(
    `Waited ${timeoutMs * TIME_SCALE} ms for ${what}`,
    cause === undefined ? undefined : { cause },
  );
}
