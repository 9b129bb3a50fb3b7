// Whether checksums that are left to devices come out wrong, from rounds of probes of one family.
// Pure.
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
//                     bad      for as long as this judge lives: with the offload off nothing can be learned about it
//
// A round in which no peer answers at all changes nothing. So one counterexample keeps the offload
// on, a firewall or a dead peer never turns it off, and it never goes to and fro: whoever wants
// another trial makes another judge.
import type { ProbeResult } from './checksum-probe.ts';

/**
 * `off`, which no round tells: nothing is left to devices, by somebody else's will or an earlier
 * run's.
 */
export type OffloadState = 'unknown' | 'good' | 'suspect' | 'bad' | 'off';

/** Bad rounds in a row. */
const BAD_ROUNDS = 3;

export class ChecksumOffloadState {
  #state: OffloadState = 'unknown';
  #badRounds = 0;

  get state(): OffloadState {
    return this.#state;
  }

  /** Takes what a round found of each peer; returns the state from then on. */
  note(sights: readonly ProbeResult[]): OffloadState {
    if (this.#state === 'bad') return this.#state;
    if (sights.includes('good')) {
      this.#badRounds = 0;
      this.#state = 'good';
    } else if (sights.includes('bad')) {
      this.#badRounds++;
      this.#state = this.#badRounds < BAD_ROUNDS ? 'suspect' : 'bad';
    }
    return this.#state;
  }
}
