// Rate limit of log lines: passes the first lines of a key within the interval and counts the
// others. It does not print.

/** Default interval between two lines of a key. */
const INTERVAL_MS = 60_000;
/** Keys kept; the least recently printed one is evicted first. */
const MAX_KEYS = 1000;

export interface LogRateLimit {
  /**
   * Whether a line of this key may be printed now; `burst` lines may within the interval, default 1.
   * @returns the number of lines suppressed since the last one; `undefined` if this one is
   * suppressed, too.
   */
  take(key: string, burst?: number): number | undefined;
  /** Lets the next line of a key pass at once; to be called when the error has ended. */
  reset(key: string): void;
}

interface Entry {
  readonly sinceMs: number;
  passed: number;
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
    take(key, burst = 1) {
      const now = nowMs();
      const entry = entries.get(key);
      if (entry !== undefined && now - entry.sinceMs < intervalMs) {
        if (entry.passed >= burst) {
          entry.suppressed++;
          return undefined;
        }
        entry.passed++;
        return 0;
      }
      entries.delete(key);
      entries.set(key, { sinceMs: now, passed: 1, suppressed: 0 });
      if (entries.size > MAX_KEYS) evictOldest(entries);
      return entry?.suppressed ?? 0;
    },
    reset(key) {
      entries.delete(key);
    },
  };
}

function evictOldest(entries: Map<string, Entry>): void {
  for (const key of entries.keys()) {
    entries.delete(key);
    return;
  }
}
