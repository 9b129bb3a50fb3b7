// Probes every peer at intervals, in slices that spread a round over its interval, and reports
// changes. A peer that does not answer is tried again soon, with its public IP, before it counts as
// silent; while it is, it is tried with growing pauses of at most an interval. Sends nothing
// without peers. While nothing changes, a slice touches columns of numbers and no object of a peer.
import type { IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { Histogram } from '../../lib/histogram.ts';
import {
  next,
  stateOf,
  type Liveness,
  type LivenessCounts,
  type LivenessEvidence,
} from './liveness-state.ts';
import { LivenessTable } from './liveness-table.ts';
import type { PeerTargets } from './peer-targets.ts';

/**
 * Round trips in ms in the order of the addresses; NaN: no answer. Valid until the next sweep to the
 * same array. May reject.
 */
export type Sweep = (addresses: readonly IpAddress[], timeoutMs: number) => Promise<ArrayLike<number>>;

export interface LivenessProberOptions {
  readonly clock: Clock;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** Wall time in ms since 1970; default `Date.now`. */
  readonly wallMs?: () => number;
  /** From one echo to a peer to the next, in ms; 0: never. */
  readonly intervalMs: number;
  /** The same for this many peers, in ms, from the second round on; default and least: {@link intervalMs}. */
  readonly roundMs?: (peers: number) => number;
  /** Where the peers that are programmed answer, by key; the same object while nothing changes. */
  readonly targets: () => ReadonlyMap<string, PeerTargets>;
  /** Echoes of the rounds; of peers that did not answer, which may overlap them. */
  readonly sweeps: { readonly round: Sweep; readonly retry: Sweep };
  /** Takes each round trip, in ms. */
  readonly rtts?: Pick<Histogram, 'observe'>;
  /** The state of a peer changed, from `before`, if it had one. Must not throw. */
  readonly onChange: (key: string, liveness: Liveness, before: Liveness | undefined) => void;
  /** No echo can be sent from this host. Called again after it could. */
  readonly onError: (error: Error) => void;
}

/** First round after the start, in ms: peers that start together program each other first. */
const FIRST_ROUND_MS = 2_000;
/** Peers of one slice: a wake-up of the process costs as much as ten echoes. */
const SLICE_PEERS = 250;
/** Time limit of the answers to a slice; a slower peer is tried again with {@link RETRY_TIMEOUT_MS}. */
const SLICE_TIMEOUT_MS = 200;
const RETRY_TIMEOUT_MS = 1_000;
/** A report reaches all hosts at once: their echoes to that peer are spread over this time, in ms. */
const REPORT_SPREAD_MS = 2_000;
const RETRY_PAUSE_MS = 500;
/** Retries without an answer that make a peer silent. */
const RETRIES = 3;
/** Part of the first pause by which it varies, so that hosts that start together do not probe together. */
const JITTER = 0.5;

/** A round that became due since the step checked is still in the future for the control loop. */
const MIN_SLEEP_MS = 1;

const SILENT: LivenessEvidence = { kind: 'not-answered', hasUnderlayAnswered: false };
const OVERLAY_BROKEN: LivenessEvidence = { kind: 'not-answered', hasUnderlayAnswered: true };

/** Peers that are probed at once. */
interface Slice {
  /** In the table. */
  readonly rows: readonly number[];
  /** Overlay addresses, or public IPs where there is none. */
  readonly addresses: readonly IpAddress[];
}

/** A slice, and what is left of it without the suspects of `version`. */
interface RoundSlice extends Slice {
  left?: { readonly version: number; readonly slice: Slice };
}

/** Suspects of `version`, which are probed at once on the overlay and beside it. */
interface RetrySlice extends Slice {
  readonly version: number;
  readonly targets: ReadonlyMap<string, PeerTargets>;
  readonly keys: readonly string[];
  /** Where the public IP of each is in `addresses`; -1: it has none. */
  readonly underlayAt: readonly number[];
}

export class LivenessProber {
  readonly #options: LivenessProberOptions;
  readonly #round: ControlLoop;
  readonly #retry: ControlLoop;
  readonly #table = new LivenessTable();
  /** Rows of peers that did not answer, and their retries so far. */
  readonly #suspects = new Map<number, number>();
  /** Changes with the keys of the suspects. */
  #suspectsVersion = 0;
  #slices: RoundSlice[] = [];
  /** Of the next slice. */
  #position = 0;
  #targets: ReadonlyMap<string, PeerTargets> = new Map();
  #retrySlice: RetrySlice | undefined;
  #nextSliceMs = Infinity;
  /** Whether a round with peers has ended. */
  #hasKnownAll = false;
  #nextRetryMs = Infinity;
  #retryPauseMs = RETRY_PAUSE_MS;
  /** Called once peers that did not answer have been tried again. */
  #retryWaiters: (() => void)[] = [];
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
    return this.#table.get(key);
  }

  /** Peers that do not answer on the overlay. */
  unreachable(): readonly (readonly [key: string, liveness: Liveness])[] {
    return this.#table.unreachable();
  }

  /** Peers by state, of those for which `has` holds and of `total` peers. */
  counts(total: number, has: (key: string) => boolean): LivenessCounts {
    return this.#table.counts(total, has);
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
    this.#endWaiting();
    void this.#round.stop();
    void this.#retry.stop();
  }

  // ---- rounds ----

  async #stepRound(): Promise<boolean> {
    const { clock } = this.#options;
    if (clock.nowMs() < this.#nextSliceMs) return false;
    if (this.#position === 0 || this.#options.targets() !== this.#targets) this.#beginRound();
    this.#nextSliceMs = clock.nowMs() + this.#roundMs() / Math.max(1, this.#slices.length);
    const slice = this.#slices[this.#position];
    this.#position = this.#position + 1 < this.#slices.length ? this.#position + 1 : 0;
    if (this.#position === 0) this.#hasKnownAll ||= slice !== undefined;
    if (slice !== undefined) await this.#probeSlice(this.#withoutSuspects(slice));
    return false;
  }

  #roundMs(): number {
    const { intervalMs, roundMs = () => intervalMs } = this.#options;
    return this.#hasKnownAll ? Math.max(intervalMs, roundMs(this.#targets.size)) : intervalMs;
  }

  /** Slices are kept while no target changes. */
  #beginRound(): void {
    const current = this.#options.targets();
    if (current === this.#targets) return;
    this.#targets = current;
    for (const key of this.#table.keys()) if (!current.has(key)) this.#forget(key);
    const rows = Array.from(current.keys(), (key) => this.#table.add(key));
    const addresses = Array.from(current.values(), ({ overlay, underlay }) => overlay ?? underlay!);
    this.#slices = [];
    for (let from = 0; from < rows.length; from += SLICE_PEERS) {
      const to = from + SLICE_PEERS;
      this.#slices.push({ rows: rows.slice(from, to), addresses: addresses.slice(from, to) });
    }
  }

  #withoutSuspects(slice: RoundSlice): Slice {
    if (this.#suspects.size === 0) return slice;
    if (slice.left?.version === this.#suspectsVersion) return slice.left.slice;
    const { rows, addresses } = slice;
    const isLeft = (row: number): boolean => !this.#suspects.has(row);
    const left = rows.every(isLeft)
      ? slice
      : { rows: rows.filter(isLeft), addresses: addresses.filter((_, index) => isLeft(rows[index]!)) };
    slice.left = { version: this.#suspectsVersion, slice: left };
    return left;
  }

  async #probeSlice({ rows, addresses }: Slice): Promise<void> {
    if (rows.length === 0) return;
    const rtts = await this.#run(this.#options.sweeps.round, addresses, SLICE_TIMEOUT_MS);
    if (rtts === undefined) return;
    const { rtts: histogram, wallMs = Date.now } = this.#options;
    const nowMs = wallMs();
    for (let index = 0; index < rows.length; index++) {
      const [row, rttMs] = [rows[index]!, rtts[index]!];
      if (Number.isNaN(rttMs)) {
        this.#suspect(row);
        continue;
      }
      histogram?.observe(rttMs);
      if (!this.#table.refresh(row, rttMs, nowMs)) this.#apply(row, { kind: 'answered', rttMs });
    }
  }

  /** Another host reports that this peer does not answer: it is probed soon. */
  suspect(key: string): void {
    if (!this.#options.targets().has(key)) return;
    // A peer that joined has no row before the next round.
    const row = this.#table.add(key);
    if (this.#suspects.has(row)) return;
    const { random = Math.random } = this.#options;
    this.#suspect(row, random() * REPORT_SPREAD_MS);
  }

  #suspect(row: number, spreadMs = 0): void {
    // A retry may have forgotten it meanwhile.
    if (this.#table.keyAt(row) === undefined) return;
    const { clock } = this.#options;
    const isNews = this.#table.stateAt(row) !== 'silent';
    this.#suspects.set(row, isNews ? 0 : RETRIES);
    this.#suspectsVersion++;
    if (isNews) this.#retryPauseMs = RETRY_PAUSE_MS;
    this.#nextRetryMs = Math.min(this.#nextRetryMs, clock.nowMs() + RETRY_PAUSE_MS + spreadMs);
    this.#retry.wake();
  }

  #clear(row: number): void {
    if (this.#suspects.delete(row)) this.#suspectsVersion++;
  }

  // ---- peers that did not answer ----

  /** Tries them again at once; resolves after that. */
  retry(): Promise<void> {
    if (this.#suspects.size === 0 || this.#isStopped) return Promise.resolve();
    this.#nextRetryMs = this.#options.clock.nowMs();
    const done = new Promise<void>((resolve) => this.#retryWaiters.push(resolve));
    this.#retry.wake();
    return done;
  }

  #endWaiting(waiters = this.#retryWaiters.splice(0)): void {
    for (const end of waiters) end();
  }

  async #stepRetry(): Promise<boolean> {
    const { clock, intervalMs, targets } = this.#options;
    if (clock.nowMs() < this.#nextRetryMs) return false;
    const waiters = this.#retryWaiters.splice(0);
    const slice = this.#retrySliceFor(targets());
    if (slice.rows.length > 0) await this.#probeSuspects(slice);
    if (this.#isEachSuspectJudged()) this.#retryPauseMs = Math.min(2 * this.#retryPauseMs, intervalMs);
    const pauseMs = this.#retryWaiters.length > 0 ? 0 : this.#retryPauseMs;
    this.#nextRetryMs = this.#suspects.size === 0 ? Infinity : clock.nowMs() + pauseMs;
    this.#endWaiting(waiters);
    if (this.#suspects.size === 0) this.#endWaiting();
    return false;
  }

  #isEachSuspectJudged(): boolean {
    for (const retries of this.#suspects.values()) if (retries < RETRIES) return false;
    return true;
  }

  /** The slice before is kept while neither suspects nor targets change. */
  #retrySliceFor(targets: ReadonlyMap<string, PeerTargets>): RetrySlice {
    const known = this.#retrySlice;
    if (known?.version === this.#suspectsVersion && known.targets === targets) return known;
    for (const row of this.#suspects.keys()) {
      const key = this.#table.keyAt(row)!;
      if (!targets.has(key)) this.#forget(key);
    }
    const rows = [...this.#suspects.keys()];
    const keys = rows.map((row) => this.#table.keyAt(row)!);
    const wanted = keys.map((key) => targets.get(key)!);
    const addresses = wanted.map(({ overlay, underlay }) => overlay ?? underlay!);
    const underlayAt = wanted.map(({ underlay }) =>
      underlay === undefined ? -1 : addresses.push(underlay) - 1,
    );
    const version = this.#suspectsVersion;
    return (this.#retrySlice = { version, targets, rows, keys, addresses, underlayAt });
  }

  async #probeSuspects({ rows, keys, addresses, underlayAt }: RetrySlice): Promise<void> {
    const rtts = await this.#run(this.#options.sweeps.retry, addresses, RETRY_TIMEOUT_MS);
    if (rtts === undefined) return;
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!;
      // A round may have given the row to another peer meanwhile.
      if (!this.#suspects.has(row) || this.#table.keyAt(row) !== keys[index]) continue;
      const at = underlayAt[index]!;
      this.#judge(row, rtts[index]!, at >= 0 && !Number.isNaN(rtts[at]!));
    }
  }

  /** @param rttMs - of the overlay; NaN: no answer. */
  #judge(row: number, rttMs: number, hasUnderlayAnswered: boolean): void {
    if (!Number.isNaN(rttMs)) {
      this.#clear(row);
      this.#options.rtts?.observe(rttMs);
      return this.#apply(row, { kind: 'answered', rttMs });
    }
    const retries = Math.min(this.#suspects.get(row)! + 1, RETRIES);
    this.#suspects.set(row, retries);
    const evidence = hasUnderlayAnswered ? OVERLAY_BROKEN : SILENT;
    if (retries >= RETRIES && this.#table.stateAt(row) !== stateOf(evidence)) this.#apply(row, evidence);
  }

  #forget(key: string): void {
    const row = this.#table.delete(key);
    if (row !== undefined) this.#clear(row);
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

  #apply(row: number, evidence: LivenessEvidence): void {
    const key = this.#table.keyAt(row);
    if (key === undefined) return;
    const { wallMs = Date.now } = this.#options;
    const before = this.#table.at(row);
    const after = next(before, evidence, wallMs());
    this.#table.set(row, after);
    if (before?.state !== after.state) this.#options.onChange(key, after, before);
  }
}
