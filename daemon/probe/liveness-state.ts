// Whether a peer is alive, from echoes through the overlay and beside it. A pure state machine.
//
//                  the overlay answers
//   (unknown) ───────────────────────────► reachable ◄─────┐
//       │                                      │           │ the overlay answers
//       └───────────────┬──────────────────────┘           │
//                       │ ATTEMPTS echoes without answer   │
//                       ├── and the public IP answers ──► overlay-broken
//                       └── neither answers ────────────► silent
//
// `silent` and `overlay-broken` become each other as the public IP begins or ceases to answer. Where a
// backend gives hosts no overlay address, the public IP decides between `reachable` and `silent`.
import type { LivenessStateV1 } from '../../api/index.ts';

/** State of one peer that was probed. */
export interface Liveness {
  readonly state: LivenessStateV1;
  /** Start of that state, in ms since 1970: a text that names it stays the same. */
  readonly sinceMs: number;
  /** When the peer last answered, in ms since 1970; unset if it never has. */
  readonly answeredMs?: number;
  /** Round trip of that answer, in ms. */
  readonly rttMs?: number;
}

/** Result of the echoes to a peer. */
export type LivenessEvidence =
  | { readonly kind: 'answered'; readonly rttMs: number }
  /** As often as is needed to believe it. */
  | { readonly kind: 'not-answered'; readonly hasUnderlayAnswered: boolean };

/** The state after `evidence`; `nowMs`: wall time in ms since 1970. */
export function next(before: Liveness | undefined, evidence: LivenessEvidence, nowMs: number): Liveness {
  const state = stateOf(evidence);
  const sinceMs = before?.state === state ? before.sinceMs : nowMs;
  if (evidence.kind === 'answered') return { state, sinceMs, answeredMs: nowMs, rttMs: evidence.rttMs };
  return { ...before, state, sinceMs };
}

/** The state that `evidence` leads to, from any state. */
export function stateOf(evidence: LivenessEvidence): LivenessStateV1 {
  if (evidence.kind === 'answered') return 'reachable';
  return evidence.hasUnderlayAnswered ? 'overlay-broken' : 'silent';
}

/** Peers by state; `unknown`: not probed, or not often enough. */
export type LivenessCounts = Readonly<Record<LivenessStateV1 | 'unknown', number>>;
