// Waiting in tests for something that gives no notice.

const INTERVAL_MS = 10;

/** Asks `condition` until it holds. @throws Error naming `what` after `timeoutMs`, or what `condition` throws */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
