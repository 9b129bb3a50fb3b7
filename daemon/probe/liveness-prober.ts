// Probes every peer at intervals, in slices that spread a round over its interval, and reports
// changes. A peer that does not answer is tried again soon, with its public IP, before it counts as
// silent; while it is, it is tried with growing pauses of at most an interval. Sends nothing
// without peers.
import type { IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { next, type Liveness, type LivenessCounts, type LivenessEvidence } from './liveness-state.ts';
import type { PeerTargets } from './peer-targets.ts';

/** Round trips in ms in the order of the addresses; NaN: no answer. May reject. */
export type Sweep = (addresses: readonly IpAddress[], timeoutMs: number) => Promise<ArrayLike<number>>;

export interface LivenessProberOptions {
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** Wall time in ms since 1970; default `Date.now`. */
  readonly wallMs?: () => number;
  /** From one echo to a peer to the next, in ms; 0: never. */
  readonly intervalMs: number;
  /** Where the peers that are programmed answer, by key; the same object while nothing changes. */
  readonly targets: () => ReadonlyMap<string, PeerTargets>;
  /** Echoes of the rounds; of peers that did not answer, which may overlap them. */
  readonly sweeps: { readonly round: Sweep; readonly retry: Sweep };
  /** The state of a peer changed, from `before`, if it had one. Must not throw. */
  readonly onChange: (key: string, liveness: Liveness, before: Liveness | undefined) => void;
  /** No echo can be sent from this host. Called again after it could. */
  readonly onError: (error: Error) => void;
}

/** First round after the start, in ms: peers that start together program each other first. */
const FIRST_ROUND_MS = 2_000;
/** Peers of one slice. */
const SLICE_PEERS = 100;
/** Time limit of the answers to a slice; a slower peer is tried again with {@link RETRY_TIMEOUT_MS}. */
const SLICE_TIMEOUT_MS = 200;
const RETRY_TIMEOUT_MS = 1_000;
const RETRY_PAUSE_MS = 500;
/** Retries without an answer that make a peer silent. */
const RETRIES = 3;
/** Part of the first pause by which it varies, so that hosts that start together do not probe together. */
const JITTER = 0.5;

/** A round that became due since the step checked is still in the future for the control loop. */
const MIN_SLEEP_MS = 1;

/** Peers that are probed at once. */
interface Slice {
  readonly keys: readonly string[];
  /** Overlay addresses, or public IPs where there is none. */
  readonly addresses: readonly IpAddress[];
}

function sliceOf(targets: readonly (readonly [key: string, target: PeerTargets])[]): Slice {
  return {
    keys: targets.map(([key]) => key),
    addresses: targets.map(([, { overlay, underlay }]) => overlay ?? underlay!),
  };
}

export class LivenessProber {
  readonly #options: LivenessProberOptions;
  readonly #round: ControlLoop;
  readonly #retry: ControlLoop;
  readonly #known = new Map<string, Liveness>();
  /** Peers that did not answer, and their retries so far. */
  readonly #suspects = new Map<string, number>();
  #slices: Slice[] = [];
  /** Of the next slice. */
  #position = 0;
  #targets: ReadonlyMap<string, PeerTargets> = new Map();
  #nextSliceMs = Infinity;
  #nextRetryMs = Infinity;
  #retryPauseMs = RETRY_PAUSE_MS;
  #hasFailed = false;
  #isStopped = false;

  constructor(options: LivenessProberOptions) {
    const { clock } = options;
    const deadline = (dueMs: number): number[] => [Math.max(dueMs, clock.nowMs() + MIN_SLEEP_MS)];
    this.#options = options;
    this.#round = new ControlLoop({
      clock,
      step: () => this.#stepRound(),
      deadlinesMs: () => deadline(this.#nextSliceMs),
    });
    this.#retry = new ControlLoop({
      clock,
      step: () => this.#stepRetry(),
      deadlinesMs: () => deadline(this.#nextRetryMs),
    });
  }

  /** `undefined`: not probed yet, or not often enough. */
  get(key: string): Liveness | undefined {
    return this.#known.get(key);
  }

  /** Peers that do not answer on the overlay. */
  unreachable(): readonly (readonly [key: string, liveness: Liveness])[] {
    return [...this.#known].filter(([, { state }]) => state !== 'reachable');
  }

  /** Peers by state, of those for which `has` holds and of `total` peers. */
  counts(total: number, has: (key: string) => boolean): LivenessCounts {
    const counts = { reachable: 0, silent: 0, 'overlay-broken': 0, unknown: 0 };
    for (const [key, { state }] of this.#known) if (has(key)) counts[state]++;
    counts.unknown = total - counts.reachable - counts.silent - counts['overlay-broken'];
    return counts;
  }

  /** Without effect with an interval of 0. */
  start(): void {
    const { clock, intervalMs, random = Math.random } = this.#options;
    if (intervalMs === 0) return;
    this.#nextSliceMs = clock.nowMs() + FIRST_ROUND_MS * (1 + JITTER * random());
    this.#round.start();
    this.#retry.start();
  }

  stop(): void {
    this.#isStopped = true;
    void this.#round.stop();
    void this.#retry.stop();
  }

  // ---- rounds ----

  async #stepRound(): Promise<boolean> {
    const { clock, intervalMs } = this.#options;
    if (clock.nowMs() < this.#nextSliceMs) return false;
    if (this.#position === 0) this.#beginRound();
    this.#nextSliceMs = clock.nowMs() + intervalMs / Math.max(1, this.#slices.length);
    const slice = this.#slices[this.#position];
    this.#position = this.#position + 1 < this.#slices.length ? this.#position + 1 : 0;
    if (slice !== undefined) await this.#probeSlice(this.#withoutSuspects(slice));
    return false;
  }

  /** Slices of the round before are kept while no target changes. */
  #beginRound(): void {
    const current = this.#options.targets();
    if (current === this.#targets) return;
    this.#targets = current;
    const targets = [...current];
    for (const key of this.#known.keys()) if (!this.#targets.has(key)) this.#known.delete(key);
    this.#slices = [];
    for (let from = 0; from < targets.length; from += SLICE_PEERS)
      this.#slices.push(sliceOf(targets.slice(from, from + SLICE_PEERS)));
  }

  #withoutSuspects(slice: Slice): Slice {
    if (this.#suspects.size === 0 || !slice.keys.some((key) => this.#suspects.has(key))) return slice;
    const left = slice.keys.filter((key) => !this.#suspects.has(key));
    return sliceOf(left.map((key) => [key, this.#targets.get(key)!]));
  }

  async #probeSlice({ keys, addresses }: Slice): Promise<void> {
    if (keys.length === 0) return;
    const rtts = await this.#run(this.#options.sweeps.round, addresses, SLICE_TIMEOUT_MS);
    if (rtts === undefined) return;
    for (const [index, key] of keys.entries())
      if (Number.isNaN(rtts[index]!)) this.#suspect(key);
      else this.#apply(key, { kind: 'answered', rttMs: rtts[index]! });
  }

  #suspect(key: string): void {
    const { clock } = this.#options;
    const isNews = this.#known.get(key)?.state !== 'silent';
    this.#suspects.set(key, isNews ? 0 : RETRIES);
    if (isNews) this.#retryPauseMs = RETRY_PAUSE_MS;
    this.#nextRetryMs = Math.min(this.#nextRetryMs, clock.nowMs() + RETRY_PAUSE_MS);
    this.#retry.wake();
  }

  // ---- peers that did not answer ----

  async #stepRetry(): Promise<boolean> {
    const { clock, intervalMs, targets } = this.#options;
    if (clock.nowMs() < this.#nextRetryMs) return false;
    const current = targets();
    for (const key of this.#suspects.keys()) if (!current.has(key)) this.#forget(key);
    const keys = [...this.#suspects.keys()];
    if (keys.length > 0) await this.#probeSuspects(keys, current);
    if ([...this.#suspects.values()].every((retries) => retries >= RETRIES))
      this.#retryPauseMs = Math.min(2 * this.#retryPauseMs, intervalMs);
    this.#nextRetryMs = this.#suspects.size === 0 ? Infinity : clock.nowMs() + this.#retryPauseMs;
    return false;
  }

  async #probeSuspects(keys: readonly string[], current: ReadonlyMap<string, PeerTargets>): Promise<void> {
    const targets = keys.map((key) => current.get(key)!);
    const first = targets.map(({ overlay, underlay }) => overlay ?? underlay!);
    const underlay = targets.flatMap((target) => (target.underlay === undefined ? [] : [target.underlay]));
    const { retry } = this.#options.sweeps;
    const rtts = await this.#run(retry, [...first, ...underlay], RETRY_TIMEOUT_MS);
    if (rtts === undefined) return;
    const answered = new Set([...first, ...underlay].filter((_, index) => !Number.isNaN(rtts[index]!)));
    for (const [index, key] of keys.entries()) {
      const { underlay: publicIp } = targets[index]!;
      this.#judge(key, rtts[index]!, publicIp !== undefined && answered.has(publicIp));
    }
  }

  /** @param rttMs - of the overlay; NaN: no answer. */
  #judge(key: string, rttMs: number, hasUnderlayAnswered: boolean): void {
    const retries = (this.#suspects.get(key) ?? 0) + 1;
    if (!Number.isNaN(rttMs)) {
      this.#suspects.delete(key);
      return this.#apply(key, { kind: 'answered', rttMs });
    }
    this.#suspects.set(key, retries);
    if (retries >= RETRIES) this.#apply(key, { kind: 'not-answered', hasUnderlayAnswered });
  }

  #forget(key: string): void {
    this.#suspects.delete(key);
    this.#known.delete(key);
  }

  // ---- both ----

  /** `undefined`: nothing was sent, or the prober was stopped meanwhile. */
  async #run(
    sweep: Sweep,
    addresses: readonly IpAddress[],
    timeoutMs: number,
  ): Promise<ArrayLike<number> | undefined> {
    try {
      const rtts = await sweep(addresses, timeoutMs);
      this.#hasFailed = false;
      return this.#isStopped ? undefined : rtts;
    } catch (error) {
      if (!this.#hasFailed && !this.#isStopped) this.#options.onError(error as Error);
      this.#hasFailed = true;
      return undefined;
    }
  }

  #apply(key: string, evidence: LivenessEvidence): void {
    const { wallMs = Date.now } = this.#options;
    const before = this.#known.get(key);
    const after = next(before, evidence, wallMs());
    this.#known.set(key, after);
    if (before?.state !== after.state) this.#options.onChange(key, after, before);
  }
}
