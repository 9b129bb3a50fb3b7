// Whether another host publishes this host's public address. Both write their boot identity into the
// status that is published under that address. A host that booted again finds its former identity
// there once; one that answers what this host wrote, again and again, is alive. Pure.
//
//   state      meaning                                      left on
//   unique     no other identity, as far as known; reads    another identity read ► suspected
//              when a key with this address is written
//   suspected  another identity was there, and was          another identity three times ► contested;
//              written over; reads at short intervals       none for a minute ► unique
//   contested  another identity came after this host's      none for a while ► unique
import type { Now } from '../../lib/clock.ts';

export type PublicIpConflict = Unique | Suspected | Contested;

interface Common {
  /** When to read the published status; infinite while there is no reason. */
  readonly dueMs: number;
}

export interface Unique extends Common {
  readonly kind: 'unique';
}

export interface Suspected extends Common {
  readonly kind: 'suspected';
  /** How often another identity was read. */
  readonly count: number;
  readonly lastSeenMs: number;
  readonly untilMs: number;
}

export interface Contested extends Common {
  readonly kind: 'contested';
  readonly count: number;
  readonly lastSeenMs: number;
}

export type ConflictEffect =
  /** Writes the status again, with this host's identity. */
  | { readonly kind: 'rewrite' }
  /** Writes the own key again as it is: the watch of the other host reports it. */
  | { readonly kind: 'touch' }
  | { readonly kind: 'report-contested'; readonly count: number }
  | { readonly kind: 'report-unique' };

export interface ConflictTransition {
  readonly state: PublicIpConflict;
  readonly effects: readonly ConflictEffect[];
}

/** Another host that started at the same moment may write just after the first read. */
const FIRST_CHECK_MS = 10_000;
const SUSPECTED_READ_MS = 5000;
/** Two reads closer than this may see one write of a host that is about to leave. */
const DISTINCT_MS = 4000;
/** Two hosts that swap their addresses write over each other twice. */
const CONTESTED_COUNT = 3;
const SUSPECTED_MS = 60_000;
const CONTESTED_READ_MS = 20_000;
const CONTESTED_MS = 90_000;

/** Before the status is written for the first time. */
export function initialConflict({ ms }: Pick<Now, 'ms'>): Unique {
  return { kind: 'unique', dueMs: ms };
}

/** A key with this host's address was written, by whichever host. */
export function onKeyWritten(state: PublicIpConflict, { ms }: Pick<Now, 'ms'>): PublicIpConflict {
  return { ...state, dueMs: Math.min(state.dueMs, ms) };
}

/** A read failed: again, later. */
export function onReadFailed(state: PublicIpConflict, { ms }: Pick<Now, 'ms'>): PublicIpConflict {
  return { ...state, dueMs: ms + SUSPECTED_READ_MS };
}

/** @param isFirst - nothing was written yet under this address. */
export function onRead(
  state: PublicIpConflict,
  { isForeign, isFirst }: { readonly isForeign: boolean; readonly isFirst: boolean },
  { ms }: Pick<Now, 'ms'>,
): ConflictTransition {
  if (isForeign) return onForeign(state, ms);
  switch (state.kind) {
    case 'unique':
      return { state: { kind: 'unique', dueMs: isFirst ? ms + FIRST_CHECK_MS : Infinity }, effects: [] };
    case 'suspected':
      return ms < state.untilMs
        ? { state: { ...state, dueMs: ms + SUSPECTED_READ_MS }, effects: [] }
        : { state: { kind: 'unique', dueMs: Infinity }, effects: [] };
    case 'contested':
      return ms - state.lastSeenMs < CONTESTED_MS
        ? { state: { ...state, dueMs: ms + CONTESTED_READ_MS }, effects: [] }
        : { state: { kind: 'unique', dueMs: Infinity }, effects: [{ kind: 'report-unique' }] };
  }
}

function onForeign(state: PublicIpConflict, ms: number): ConflictTransition {
  switch (state.kind) {
    case 'unique':
      return { state: suspectedAt(ms, 1), effects: [{ kind: 'rewrite' }, { kind: 'touch' }] };
    case 'suspected': {
      const { count, lastSeenMs } = state;
      if (ms - lastSeenMs < DISTINCT_MS) {
        const dueMs = lastSeenMs + SUSPECTED_READ_MS;
        return { state: { ...state, dueMs }, effects: [{ kind: 'rewrite' }] };
      }
      if (count + 1 < CONTESTED_COUNT)
        return { state: suspectedAt(ms, count + 1), effects: [{ kind: 'rewrite' }] };
      const report: ConflictEffect = { kind: 'report-contested', count: CONTESTED_COUNT };
      return { state: contestedAt(ms, CONTESTED_COUNT), effects: [{ kind: 'rewrite' }, report] };
    }
    case 'contested':
      return { state: contestedAt(ms, state.count + 1), effects: [{ kind: 'rewrite' }] };
  }
}

function suspectedAt(ms: number, count: number): Suspected {
  const dueMs = ms + SUSPECTED_READ_MS;
  return { kind: 'suspected', count, lastSeenMs: ms, untilMs: ms + SUSPECTED_MS, dueMs };
}

function contestedAt(ms: number, count: number): Contested {
  return { kind: 'contested', count, lastSeenMs: ms, dueMs: ms + CONTESTED_READ_MS };
}
