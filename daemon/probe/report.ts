// Statistics of a series of echoes. Pure.
import type { IpAddress } from '../../lib/address.ts';
import type { EchoError } from './echo-error.ts';
import type { EchoResult } from './echo-socket.ts';

/** Round trips, in ms. */
export interface RoundTrips {
  readonly minMs: number;
  readonly avgMs: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

/** Result of the echoes to one address. */
export interface ProbeReport {
  readonly address: IpAddress;
  /** Echoes sent, or rejected by this host's kernel. */
  readonly sent: number;
  /** Replies that came in time. */
  readonly received: number;
  /** Unset if no reply came. */
  readonly rtt?: RoundTrips;
  /** Distinct errors in the order of their first occurrence. */
  readonly errors: readonly { readonly error: EchoError; readonly count: number }[];
}

/** Counts `results`, one an echo. */
export function reportOf(address: IpAddress, results: readonly EchoResult[]): ProbeReport {
  const rttsMs = results.flatMap((result) => (result.kind === 'reply' ? [result.rttMs] : []));
  const errors = new Map<string, { error: EchoError; count: number }>();
  for (const result of results) {
    if (result.kind !== 'error') continue;
    const key = JSON.stringify(result.error);
    errors.set(key, { error: result.error, count: (errors.get(key)?.count ?? 0) + 1 });
  }
  const rtt = roundTripsOf(rttsMs);
  return {
    address,
    sent: results.length,
    received: rttsMs.length,
    ...(rtt && { rtt }),
    errors: [...errors.values()],
  };
}

/** Minimum, mean, median and maximum; `undefined` for none. */
export function roundTripsOf(rttsMs: readonly number[]): RoundTrips | undefined {
  if (rttsMs.length === 0) return undefined;
  const sorted = [...rttsMs].sort((a, b) => a - b);
  const sum = sorted.reduce((total, ms) => total + ms, 0);
  const middle = sorted.length / 2;
  const p50Ms = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { minMs: sorted[0]!, avgMs: sum / sorted.length, p50Ms, maxMs: sorted.at(-1)! };
}
