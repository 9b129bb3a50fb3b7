// Parses the body of POST /v1/ping and fills in defaults. Pure.
import type { Family } from '../../lib/address.ts';
import { ControlError } from './endpoint.ts';

export interface PingRequest {
  /** Public IP, subnet or key; unset means all peers. */
  readonly peer?: string;
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly payloadBytes: number;
  readonly family?: Family;
}

/** Minimum, maximum (both included) and default of each number. */
export const PING_BOUNDS = {
  count: [1, 100_000, 3],
  intervalMs: [10, 3_600_000, 1000],
  timeoutMs: [1, 600_000, 1000],
  payloadBytes: [0, 65_487, 56],
} as const satisfies Record<string, readonly [min: number, max: number, fallback: number]>;

/** @throws ControlError */
export function parsePingRequest(body: unknown): PingRequest {
  const given = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  const { peer, family } = given;
  if (peer !== undefined && (typeof peer !== 'string' || peer === ''))
    throw reject('peer', peer, 'a public IP, a subnet, a key, or left out for all peers');
  if (family !== undefined && family !== 4 && family !== 6) throw reject('family', family, '4 or 6');
  return {
    ...(peer !== undefined && { peer }),
    ...(family !== undefined && { family }),
    count: numberOf(given, 'count'),
    intervalMs: numberOf(given, 'intervalMs'),
    timeoutMs: numberOf(given, 'timeoutMs'),
    payloadBytes: numberOf(given, 'payloadBytes'),
  };
}

function numberOf(given: Readonly<Record<string, unknown>>, name: keyof typeof PING_BOUNDS): number {
  const [min, max, fallback] = PING_BOUNDS[name];
  const number = given[name] ?? fallback;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
  throw reject(name, number, `an integer from ${min} to ${max}`);
}

function reject(name: string, value: unknown, rule: string): ControlError {
  return new ControlError(400, 'bad-ping', `${name} ${JSON.stringify(value)}: must be ${rule}`);
}
