// Which requests of peers are answered: one at a time, and few a minute. Pure.

export interface GateState {
  readonly isBusy: boolean;
  /** When requests were answered or refused in the last minute, in ms. */
  readonly answeredMs: readonly number[];
}

export const OPEN_GATE: GateState = { isBusy: false, answeredMs: [] };

/** `ignore`: not even refused, which costs a write. */
export type Admission = 'run' | 'busy' | 'ignore';

export const MAX_PER_MINUTE = 20;
const MINUTE_MS = 60_000;

/** A request came. */
export function admit(
  { isBusy, answeredMs }: GateState,
  nowMs: number,
): { readonly state: GateState; readonly admission: Admission } {
  const recent = answeredMs.filter((ms) => nowMs - ms < MINUTE_MS);
  if (recent.length >= MAX_PER_MINUTE) return { state: { isBusy, answeredMs: recent }, admission: 'ignore' };
  const state = { isBusy: true, answeredMs: [...recent, nowMs] };
  return { state, admission: isBusy ? 'busy' : 'run' };
}

/** The request that ran has ended. */
export function release({ answeredMs }: GateState): GateState {
  return { isBusy: false, answeredMs };
}
