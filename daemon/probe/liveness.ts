// Liveness of this node's peers: chooses whom to probe, and reports what changed.
import type { BackendType } from '../../allocator/config/config.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { Clock } from '../../lib/clock.ts';
import { Histogram, type HistogramSnapshot } from '../../lib/histogram.ts';
import type { Native } from '../../native/index.ts';
import type { Logger } from '../log/log.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import { EchoSweeper } from './echo-sweeper.ts';
import { livenessProblems, type PeerName } from './liveness-problems.ts';
import { LivenessProber, type LivenessProberOptions } from './liveness-prober.ts';
import type { Liveness, LivenessCounts } from './liveness-state.ts';
import { targetsOf, type PeerTargets } from './peer-targets.ts';
import { SharedSilence, type SharedSilenceOptions } from './shared-silence.ts';

export interface PeerLivenessOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Weft's addon; without it nothing is probed. */
  readonly native: Native | undefined;
  /** 0: never probes. */
  readonly intervalMs: number;
  /** Where hosts report silent peers; unset: this host probes all by itself. */
  readonly registry?: SharedSilenceOptions['registry'] | undefined;
  /** Default `Math.random`. */
  readonly random?: () => number;
  readonly backend: () => BackendType;
  readonly peers: () => LeaseKeeper['peers'];
  readonly reconciler: Pick<Reconciler, 'peerStatus'>;
  /** Default: echoes of this host. */
  readonly sweeps?: LivenessProberOptions['sweeps'];
  /** The state of a peer changed; not for a first answer. */
  readonly onChange: (key: string, liveness: Liveness) => void;
}

/** A change of one peer must not cost the parsing of thousands. */
interface LeaseTargets extends PeerTargets {
  /** Where they come from. */
  readonly lease: Lease;
}

interface KnownTargets {
  readonly type: BackendType | undefined;
  readonly peers: ReadonlyMap<string, LeaseTargets>;
}

/** Read-only view. */
export interface LivenessView {
  /** `undefined`: unknown. */
  readonly of: (key: string) => Liveness | undefined;
  readonly counts: () => LivenessCounts;
  /** One line each about peers that do not answer. */
  readonly problems: (nameOf?: PeerName) => readonly string[];
  /** Round trips of all echoes, in ms. */
  readonly rtts: () => HistogramSnapshot;
  /** Tries peers that do not answer at once; resolves within some seconds, after that. */
  readonly retry: () => Promise<void>;
}

/** In ms: from one rack to the time limit of a retry. */
const RTT_BOUNDS_MS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** Time of one peer in a round that hosts share, in ms: 600 echoes a minute. */
const SHARED_PEER_MS = 100;
/** A peer that this host alone does not reach is noticed within that time. */
const MAX_ROUND_MS = 300_000;

/** From one echo to a peer to the next where all hosts report what they find, in ms. */
function sharedRoundMs(peers: number): number {
  return Math.min(peers * SHARED_PEER_MS, MAX_ROUND_MS);
}

export class PeerLiveness implements LivenessView {
  readonly #options: PeerLivenessOptions;
  readonly #prober: LivenessProber;
  readonly #sweepers: readonly EchoSweeper[];
  readonly #rtts = new Histogram(RTT_BOUNDS_MS);
  readonly #sharing: SharedSilence | undefined;
  /** Unset if peers or their state in the kernel may have changed. */
  #targets: ReadonlyMap<string, PeerTargets> | undefined;
  #known: KnownTargets = { type: undefined, peers: new Map() };

  constructor(options: PeerLivenessOptions) {
    const { clock, log, native, intervalMs, random = Math.random, registry } = options;
    const onReport = (key: string): void => this.#prober.suspect(key);
    if (registry !== undefined && intervalMs > 0)
      this.#sharing = new SharedSilence({ registry, clock, random, log, onReport });
    const newSweeper = (): EchoSweeper => new EchoSweeper({ native: native!, clock });
    const [round, retry] = [newSweeper(), newSweeper()];
    this.#options = options;
    this.#sweepers = [round, retry];
    this.#prober = new LivenessProber({
      clock,
      intervalMs: native === undefined ? 0 : intervalMs,
      random,
      roundMs: (peers) => (this.#sharing?.isShared === true ? sharedRoundMs(peers) : 0),
      rtts: this.#rtts,
      targets: () => (this.#targets ??= this.#readTargets()),
      sweeps: options.sweeps ?? { round: round.sweep.bind(round), retry: retry.sweep.bind(retry) },
      onChange: (key, liveness, before) => {
        const isChanged = before !== undefined || liveness.state !== 'reachable';
        if (!isChanged || this.of(key) === undefined) return;
        options.onChange(key, liveness);
        if (liveness.state !== 'reachable') this.#report(key);
      },
      onError: ({ message }) => log.warn('Peers cannot be probed from this host', { error: message }),
    });
  }

  start(): void {
    this.#prober.start();
    this.#sharing?.start();
  }

  stop(): void {
    this.#prober.stop();
    this.#sharing?.stop();
    for (const sweeper of this.#sweepers) sweeper.close();
  }

  /** Peers, or their state in the kernel, may have changed. */
  refresh(): void {
    this.#targets = undefined;
  }

  /** A reservation that never answered may have no host yet: it is unknown, everywhere. */
  of(key: string): Liveness | undefined {
    const found = this.#prober.get(key);
    const peer = this.#options.peers().get(key);
    const isAbsent = peer === undefined || (peer.isReservation && found?.answeredMs === undefined);
    return isAbsent ? undefined : found;
  }

  counts(): LivenessCounts {
    return this.#prober.counts(this.#options.peers().size, (key) => this.of(key) !== undefined);
  }

  rtts(): HistogramSnapshot {
    return this.#rtts.snapshot();
  }

  retry(): Promise<void> {
    return this.#prober.retry();
  }

  problems(nameOf?: PeerName): readonly string[] {
    const found = this.#prober.unreachable().filter(([key]) => this.of(key) !== undefined);
    return livenessProblems(found, this.#options.peers().size, nameOf);
  }

  /** Where most peers do not answer, this host is the one that is cut off. */
  #report(key: string): void {
    const unreachable = this.#prober.unreachable().length;
    if (2 * unreachable <= this.#options.peers().size) void this.#sharing?.report(key);
  }

  /** Peers that are in the kernel: echoes to others would leave by the default route. */
  #readTargets(): ReadonlyMap<string, PeerTargets> {
    const { backend, peers, reconciler } = this.#options;
    const type = backend();
    const known = type === this.#known.type ? this.#known.peers : undefined;
    const targets = new Map<string, LeaseTargets>();
    let same = 0;
    for (const [key, lease] of peers()) {
      const status = reconciler.peerStatus(key);
      if (status?.state !== 'in-sync' || status.mode === 'none') continue;
      const before = known?.get(key);
      const target = before?.lease === lease ? before : { ...targetsOf(lease, type), lease };
      if ((target.overlay ?? target.underlay) !== undefined) targets.set(key, target);
      if (target === before) same++;
    }
    if (same === known?.size && same === targets.size) return known;
    this.#known = { type, peers: targets };
    return targets;
  }
}
