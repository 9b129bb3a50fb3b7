// Whether devices compute the checksums that are left to them, from rounds of probes of one family.
// A pure state machine.
//
//             a peer answers a device's checksum
//   unknown ─────────────────────────────────────► good ◄──────────────┐
//      │                                             │                 │ a peer answers a device's checksum
//      └───────────────┬─────────────────────────────┘                 │
//                      │ a round in which peers answer this kernel's   │
//                      ▼ checksums and no peer answers a device's      │
//                   suspect ───────────────────────────────────────────┘
//                      │ the third such round in a row
//                      ▼
//                     bad      absorbing: with the offload off, probes cannot show anything about it
//
// A round in which no peer answers at all changes nothing. So one counterexample keeps the offload
// on, a firewall or a dead peer never turns it off, and the offload never flaps: another trial
// starts from INITIAL_OFFLOAD.
import type { ProbeResult } from './checksum-probe.ts';

/** State of one family. */
export interface ChecksumOffloadState {
  readonly kind: 'unknown' | 'good' | 'suspect' | 'bad';
  /** Bad rounds in a row. */
  readonly badRounds: number;
}

/** What is reported; `off`: nothing is left to devices, by an administrator or an earlier run. */
export type OffloadState = ChecksumOffloadState['kind'] | 'off';

export const INITIAL_OFFLOAD: ChecksumOffloadState = { kind: 'unknown', badRounds: 0 };

/** Bad rounds in a row that make `suspect` `bad`. */
const MAX_BAD_ROUNDS = 3;

/** The state after a round with one result a peer. */
export function next(state: ChecksumOffloadState, results: readonly ProbeResult[]): ChecksumOffloadState {
  if (state.kind === 'bad') return state;
  if (results.includes('good')) return { kind: 'good', badRounds: 0 };
  if (!results.includes('bad')) return state;
  const badRounds = state.badRounds + 1;
  return { kind: badRounds < MAX_BAD_ROUNDS ? 'suspect' : 'bad', badRounds };
}
