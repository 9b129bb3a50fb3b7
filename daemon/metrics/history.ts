// The last hour of this host for the page: one row of numbers each half minute, in a ring of fixed
// size. A step costs one read of /proc/net/dev; without --metrics-port there is none.
import { CONTROL_VERSION, type DeviceCountersV1, type HistoryV1 } from '../../api/index.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { wallTime } from '../../lib/wall-time.ts';
import { readDeviceCounters } from '../view/device-counters.ts';
import type { NodeView } from '../view/node-view.ts';

const STEP_MS = 30_000;
/** One hour. */
const KEPT_STEPS = 120;
const COLUMNS = ['txBytesPerSec', 'rxBytesPerSec', 'rttMs', 'silentPeers', 'drift'] as const;

type Row = readonly number[];

/** Counters at one point in time; NaN: unknown. */
interface Totals {
  readonly atMs: number;
  readonly txBytes: number;
  readonly rxBytes: number;
  readonly rttCount: number;
  readonly rttSumMs: number;
  readonly drift: number;
}

export interface HistoryOptions {
  readonly clock: Clock;
  readonly daemon: NodeView;
  /** Default: those of this network namespace. */
  readonly readDevices?: typeof readDeviceCounters;
}

export class History {
  readonly #options: HistoryOptions;
  readonly #loop: ControlLoop;
  readonly #cells = new Float32Array(KEPT_STEPS * COLUMNS.length);
  /** Rows since the start, of which the last are kept. */
  #rows = 0;
  #before: Totals | undefined;
  #nextMs = 0;

  constructor(options: HistoryOptions) {
    const { clock } = options;
    this.#options = options;
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs: () => [this.#nextMs] });
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  document(): HistoryV1 {
    const atMs = this.#before?.atMs ?? this.#options.clock.nowMs();
    return {
      version: CONTROL_VERSION,
      at: wallTime(atMs),
      stepSec: STEP_MS / 1000,
      txBytesPerSec: this.#column('txBytesPerSec'),
      rxBytesPerSec: this.#column('rxBytesPerSec'),
      rttMs: this.#column('rttMs'),
      silentPeers: this.#column('silentPeers'),
      drift: this.#column('drift'),
    };
  }

  #column(name: (typeof COLUMNS)[number]): (number | null)[] {
    const column = COLUMNS.indexOf(name);
    const kept = Math.min(this.#rows, KEPT_STEPS);
    return Array.from({ length: kept }, (_, index) => {
      const row = (this.#rows - kept + index) % KEPT_STEPS;
      const value = this.#cells[row * COLUMNS.length + column]!;
      return Number.isNaN(value) ? null : value;
    });
  }

  async #step(): Promise<boolean> {
    const { clock, daemon, readDevices = readDeviceCounters } = this.#options;
    if (clock.nowMs() < this.#nextMs) return false;
    // Without /proc traffic is unknown.
    const devices = await readDevices(daemon.packetPath).catch(() => undefined);
    const now = this.#totals(devices);
    if (this.#before !== undefined) this.#keep(rowOf(this.#before, now, this.#silentPeers()));
    this.#before = now;
    this.#nextMs = now.atMs + STEP_MS;
    return false;
  }

  #keep(row: Row): void {
    this.#cells.set(row, (this.#rows % KEPT_STEPS) * COLUMNS.length);
    this.#rows++;
  }

  #totals(devices: ReadonlyMap<string, DeviceCountersV1> | undefined): Totals {
    const { clock, daemon } = this.#options;
    const { bounds = [], cumulative = [], sum = 0 } = this.#rtts() ?? {};
    const drift = daemon.reconciler?.status().counters.drift;
    return {
      atMs: clock.nowMs(),
      ...trafficOf(daemon, devices),
      rttCount: cumulative[bounds.length] ?? 0,
      rttSumMs: sum,
      drift: drift === undefined ? NaN : Object.values(drift).reduce((total, count) => total + count, 0),
    };
  }

  #rtts() {
    const { liveness, options } = this.#options.daemon;
    return options.livenessIntervalSec > 0 ? liveness?.rtts() : undefined;
  }

  #silentPeers(): number {
    const { liveness, options } = this.#options.daemon;
    if (liveness === undefined || options.livenessIntervalSec === 0) return NaN;
    const counts = liveness.counts();
    return counts.silent + counts['overlay-broken'];
  }
}

function rowOf(before: Totals, now: Totals, silentPeers: number): Row {
  const sec = (now.atMs - before.atMs) / 1000;
  /** A counter that went back belongs to another device. */
  const increase = (name: Exclude<keyof Totals, 'atMs'>): number => {
    const more = now[name] - before[name];
    return more < 0 ? NaN : more;
  };
  const rtts = increase('rttCount');
  return [
    increase('txBytes') / sec,
    increase('rxBytes') / sec,
    rtts > 0 ? increase('rttSumMs') / rtts : NaN,
    silentPeers,
    increase('drift'),
  ];
}

function trafficOf(
  { reconciler }: NodeView,
  devices: ReadonlyMap<string, DeviceCountersV1> | undefined,
): Pick<Totals, 'txBytes' | 'rxBytes'> {
  const overlay = (reconciler?.ownership?.devices ?? []).flatMap((name) => devices?.get(name) ?? []);
  if (overlay.length === 0) return { txBytes: NaN, rxBytes: NaN };
  return {
    txBytes: overlay.reduce((total, { txBytes }) => total + txBytes, 0),
    rxBytes: overlay.reduce((total, { rxBytes }) => total + rxBytes, 0),
  };
}
