// Waiting for a condition with a deadline, the only kind of waiting that labs, tests and benchmarks do.

/** How often a condition is looked at, in milliseconds, unless told otherwise. */
const DEFAULT_INTERVAL_MS = 10;

/**
 * Resolves once `condition` holds. A condition that throws does not hold; its last error becomes the cause.
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
  do {
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  } while (performance.now() < deadline);
  throw new Error(`Waited ${timeoutMs} ms for ${what}`, cause === undefined ? undefined : { cause });
}
