// "At most once a minute": lets through the first of many equal log lines and counts the rest. Does not print.

/** How long a key stays quiet after a line, by default. */
const INTERVAL_MS = 60_000;
/** Keys remembered at most; the ones quiet for longest are forgotten first. */
const MAX_KEYS = 1000;

export interface LogRateLimit {
  /**
   * Asks whether a line with this key may be printed now.
   * @returns how many were held back since the last one, or `undefined` if this one is to be held back too.
   */
  take(key: string): number | undefined;
  /** Forgets a key, so that its next line is printed at once: when the trouble has ended. */
  reset(key: string): void;
}

interface Entry {
  readonly sinceMs: number;
  suppressed: number;
}

/** Makes a limit. `nowMs` is a monotonic clock; default `performance.now`. */
export function createLogRateLimit(
  options: { readonly intervalMs?: number; readonly nowMs?: () => number } = {},
): LogRateLimit {
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  const nowMs = options.nowMs ?? (() => performance.now());
  const entries = new Map<string, Entry>();
  return {
    take(key) {
      const now = nowMs();
      const entry = entries.get(key);
      if (entry !== undefined && now - entry.sinceMs < intervalMs) {
        entry.suppressed++;
        return undefined;
      }
      entries.delete(key);
      entries.set(key, { sinceMs: now, suppressed: 0 });
      if (entries.size > MAX_KEYS) forgetOldest(entries);
      return entry?.suppressed ?? 0;
    },
    reset(key) {
      entries.delete(key);
    },
  };
}

function forgetOldest(entries: Map<string, Entry>): void {
  for (const key of entries.keys()) {
    entries.delete(key);
    return;
  }
}
