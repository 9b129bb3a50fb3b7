// Waiting for a condition with a deadline, the only kind of waiting that labs, tests and benchmarks do.

/** How often a condition is looked at, in milliseconds, unless told otherwise. */
const DEFAULT_INTERVAL_MS = 10;

/**
 * Resolves once `condition` holds. Between two looks at least as much time passes as one takes, so that waiting never
 * takes a processor from what is waited for. A condition that throws does not hold; its last error becomes the cause.
 * @throws Error naming `what` after `timeoutMs`.
 */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  intervalMs = DEFAULT_INTERVAL_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    const askedMs = performance.now();
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const nowMs = performance.now();
    if (nowMs >= deadline) break;
    const pauseMs = Math.max(intervalMs, nowMs - askedMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new Error(`Waited ${timeoutMs} ms for ${what}`, cause === undefined ? undefined : { cause });
}
