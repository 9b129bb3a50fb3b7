// Looks now and then whether checksums that are left to devices arrive right, at a few peers a
// round, and tells when they do not. Sends nothing while nobody wants to know, and nothing more
// about a family that is judged bad.
import type { Family, IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { FAMILIES } from '../../backends/address-family.ts';
import type { ProbeResult } from './checksum-probe.ts';
import { ChecksumOffloadState, type OffloadState } from './checksum-offload-state.ts';

export interface ChecksumStatus {
  readonly state: OffloadState;
  /** When it became that, on the clock given. */
  readonly sinceMs: number;
  /** Peers whose answers decided it: overlay addresses of the last round. */
  readonly peers: readonly IpAddress[];
}

export interface ChecksumProbeLoopOptions {
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** From one round to the next, in ms; 0: never. Rounds come sooner while little is known. */
  readonly intervalMs: number;
  /**
   * Some peers that are reached through the tunnel, at most `count`; none while it is not to be
   * looked at.
   */
  readonly choosePeers: (family: Family, count: number) => readonly IpAddress[];
  /** Whether checksums are left to devices at all; `undefined` if nobody can tell. */
  readonly isOn: (family: Family) => Promise<boolean | undefined>;
  readonly probe: (address: IpAddress) => Promise<ProbeResult>;
  /** A family has another state. Must not throw. */
  readonly onChange: (family: Family, status: ChecksumStatus) => void;
}

const PEERS_A_ROUND = 3;
/** While nothing is known, growing to the interval; and while something is suspected. */
const FIRST_ROUND_MS = 2_000;
const SUSPECT_ROUND_MS = 2_000;
/** Where no peer answers anything, rounds are in the end so many intervals apart. */
const SILENT_INTERVALS = 10;
/** Hosts that start at once should not probe at once: rounds are up to so much earlier or later. */
const JITTER = 0.1;

export class ChecksumProbeLoop {
  readonly #options: ChecksumProbeLoopOptions;
  #states = new Map<Family, ChecksumOffloadState>();
  #statuses = new Map<Family, ChecksumStatus>();
  #pauseMs = FIRST_ROUND_MS;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(options: ChecksumProbeLoopOptions) {
    this.#options = options;
  }

  /** Of families that were looked at. */
  get statuses(): ReadonlyMap<Family, ChecksumStatus> {
    return this.#statuses;
  }

  /** Families whose checksums devices get wrong. */
  get badFamilies(): readonly Family[] {
    return FAMILIES.filter((family) => this.#statuses.get(family)?.state === 'bad');
  }

  start(): void {
    if (this.#options.intervalMs > 0) this.#plan();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /**
   * What was learned holds no longer: another device carries the packets, or somebody wants another
   * trial.
   */
  reset(): void {
    this.#states = new Map();
    this.#statuses = new Map();
    this.#pauseMs = FIRST_ROUND_MS;
    if (!this.#isStopped) this.start();
  }

  #plan(): void {
    const { clock, random = Math.random } = this.#options;
    this.#cancel();
    const jitter = 1 + JITTER * (2 * random() - 1);
    this.#cancel = clock.setTimer(this.#pauseMs * jitter, () => void this.#round());
  }

  async #round(): Promise<void> {
    const states = this.#states;
    await Promise.all(FAMILIES.map((family) => this.#look(family)));
    // Forgotten meanwhile: another round is planned already.
    if (this.#isStopped || states !== this.#states) return;
    const { intervalMs } = this.#options;
    const found = [...this.#statuses.values()].map(({ state }) => state);
    if (found.includes('suspect')) this.#pauseMs = Math.min(SUSPECT_ROUND_MS, intervalMs);
    else if (found.includes('good') || found.includes('off')) this.#pauseMs = intervalMs;
    else
      this.#pauseMs = Math.min(
        2 * this.#pauseMs,
        found.length > 0 ? SILENT_INTERVALS * intervalMs : intervalMs,
      );
    this.#plan();
  }

  async #look(family: Family): Promise<void> {
    const { choosePeers, isOn, probe } = this.#options;
    const states = this.#states;
    const machine = states.get(family) ?? new ChecksumOffloadState();
    if (machine.state === 'bad') return;
    const peers = choosePeers(family, PEERS_A_ROUND);
    if (peers.length === 0) return;
    states.set(family, machine);
    const isOff = (await isOn(family)) === false;
    const results = isOff ? [] : await Promise.all(peers.map(probe));
    // Of this round nothing counts any more.
    if (this.#isStopped || states !== this.#states) return;
    const state = isOff ? 'off' : machine.note(results);
    const decisive = state === 'good' ? 'good' : 'bad';
    this.#tell(
      family,
      state,
      peers.filter((_, index) => results[index] === decisive),
    );
  }

  #tell(family: Family, state: OffloadState, peers: readonly IpAddress[]): void {
    if (this.#statuses.get(family)?.state === state) return;
    const status = { state, sinceMs: this.#options.clock.nowMs(), peers };
    this.#statuses.set(family, status);
    this.#options.onChange(family, status);
  }
}
