// Probes at intervals whether the checksums that are left to devices arrive right, at a few peers a
// round, and reports changes. Sends nothing while no peer is offered, and nothing more for a family
// that is bad.
import type { Family, IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { FAMILIES } from '../../backends/address-family.ts';
import type { ProbeResult } from './checksum-probe.ts';
import {
  INITIAL_OFFLOAD,
  next,
  type ChecksumOffloadState,
  type OffloadState,
} from './checksum-offload-state.ts';

/** What probes found of one family. */
export interface ChecksumStatus {
  readonly state: OffloadState;
  /** Start of that state, on the clock given. */
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
  /** At most `count` peers that are reached through the tunnel; none: the round is left out. */
  readonly choosePeers: (family: Family, count: number) => readonly IpAddress[];
  /** Whether checksums are left to devices at all; `undefined` if that is unknown. */
  readonly isOn: (family: Family) => Promise<boolean | undefined>;
  readonly probe: (address: IpAddress) => Promise<ProbeResult>;
  /** The state of a family changed. Must not throw. */
  readonly onChange: (family: Family, status: ChecksumStatus) => void;
}

const PEERS_PER_ROUND = 3;
/** First pause; doubles up to the interval while no peer answers. */
const FIRST_ROUND_MS = 2_000;
const SUSPECT_ROUND_MS = 2_000;
/** Upper bound of the pause while no peer answers, in intervals. */
const NO_ANSWER_INTERVALS = 10;
/** Part of a pause by which it varies, so that hosts that start together do not probe together. */
const JITTER = 0.1;

/** A round that became due since the step checked is still in the future for the control loop. */
const MIN_SLEEP_MS = 1;

/** What is known since the last reset; a round that began before one is dropped. */
interface Trial {
  readonly states: Map<Family, ChecksumOffloadState>;
  readonly statuses: Map<Family, ChecksumStatus>;
}

export class ChecksumProbeLoop {
  readonly #options: ChecksumProbeLoopOptions;
  readonly #loop: ControlLoop;
  #trial: Trial = newTrial();
  #pauseMs = FIRST_ROUND_MS;
  #nextRoundMs = Infinity;
  #isStopped = false;

  constructor(options: ChecksumProbeLoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop({
      clock: options.clock,
      step: () => this.#step(),
      deadlinesMs: () => [Math.max(this.#nextRoundMs, options.clock.nowMs() + MIN_SLEEP_MS)],
    });
  }

  /** Of families that were probed. */
  get statuses(): ReadonlyMap<Family, ChecksumStatus> {
    return this.#trial.statuses;
  }

  /** Families whose checksums devices get wrong. */
  get badFamilies(): readonly Family[] {
    return FAMILIES.filter((family) => this.statuses.get(family)?.state === 'bad');
  }

  /** Without effect with an interval of 0. */
  start(): void {
    if (this.#options.intervalMs === 0) return;
    this.#scheduleRound();
    this.#loop.start();
  }

  stop(): void {
    this.#isStopped = true;
    void this.#loop.stop();
  }

  /** Starts another trial: another device carries the packets, or the setting changed. */
  reset(): void {
    this.#trial = newTrial();
    this.#pauseMs = FIRST_ROUND_MS;
    this.#scheduleRound();
    this.#loop.wake();
  }

  #scheduleRound(): void {
    const { clock, random = Math.random } = this.#options;
    const jitter = 1 + JITTER * (2 * random() - 1);
    this.#nextRoundMs = clock.nowMs() + this.#pauseMs * jitter;
  }

  async #step(): Promise<boolean> {
    if (this.#options.clock.nowMs() < this.#nextRoundMs) return false;
    const trial = this.#trial;
    await Promise.all(FAMILIES.map((family) => this.#probeFamily(trial, family)));
    // A reset has scheduled a round already.
    if (!this.#isCurrent(trial)) return false;
    this.#pauseMs = this.#nextPauseMs();
    this.#scheduleRound();
    return false;
  }

  #nextPauseMs(): number {
    const { intervalMs } = this.#options;
    const states = Array.from(this.statuses.values(), ({ state }) => state);
    if (states.includes('suspect')) return Math.min(SUSPECT_ROUND_MS, intervalMs);
    if (states.includes('good') || states.includes('off')) return intervalMs;
    return Math.min(2 * this.#pauseMs, states.length > 0 ? NO_ANSWER_INTERVALS * intervalMs : intervalMs);
  }

  async #probeFamily(trial: Trial, family: Family): Promise<void> {
    const { choosePeers, isOn, probe } = this.#options;
    const before = trial.states.get(family) ?? INITIAL_OFFLOAD;
    if (before.kind === 'bad') return;
    const peers = choosePeers(family, PEERS_PER_ROUND);
    if (peers.length === 0) return;
    const isOff = (await isOn(family)) === false;
    const results = isOff ? [] : await Promise.all(peers.map(probe));
    if (!this.#isCurrent(trial)) return;
    const after = next(before, results);
    trial.states.set(family, after);
    const decisive = after.kind === 'good' ? 'good' : 'bad';
    const deciders = peers.filter((_, index) => results[index] === decisive);
    this.#setStatus(family, isOff ? 'off' : after.kind, deciders);
  }

  #setStatus(family: Family, state: OffloadState, peers: readonly IpAddress[]): void {
    if (this.statuses.get(family)?.state === state) return;
    const status = { state, sinceMs: this.#options.clock.nowMs(), peers };
    this.#trial.statuses.set(family, status);
    this.#options.onChange(family, status);
  }

  #isCurrent(trial: Trial): boolean {
    return !this.#isStopped && trial === this.#trial;
  }
}

function newTrial(): Trial {
  return { states: new Map(), statuses: new Map() };
}
