// Points on the monotonic clock as times that people know.

/** The wall clock at `monotonicMs` of the system's clock, counted back from now, as ISO 8601. */
export function wallTime(monotonicMs: number): string {
  return new Date(Date.now() - (performance.now() - monotonicMs)).toISOString();
}
