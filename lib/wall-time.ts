// Converts points on the monotonic clock into wall-clock times.

/** The wall-clock time of `monotonicMs`, counted back from now, as ISO 8601 in UTC. */
export function wallTime(monotonicMs: number): string {
  return new Date(Date.now() - (performance.now() - monotonicMs)).toISOString();
}
