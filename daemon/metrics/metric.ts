// Definition of a metric: its name, and how a scrape reads its samples from the node. Nothing is
// counted for metrics alone: the daemon's parts keep the counters, and a scrape reads them.
import type { DeviceCountersV1, StatusV1 } from '../../api/index.ts';
import type { NodeView } from '../view/node-view.ts';

/** The node at one point in time, shared by all metrics of a scrape. */
export interface ScrapeContext {
  readonly daemon: NodeView;
  readonly status: StatusV1;
  /** By name, of every device in the network namespace. */
  readonly devices: ReadonlyMap<string, DeviceCountersV1>;
  /** Packets that the kernel dropped at a socket (SO_MEMINFO); unset without the addon. */
  readonly socketDrops: ((fd: number) => number) | undefined;
  /** On the monotonic clock of the daemon's parts. */
  readonly nowMs: number;
}

export interface Sample {
  /** One value for each of the metric's labels. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  /** Prometheus' conventions: base units, and `_total` for counters. */
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** One sentence without a full stop. */
  readonly help: string;
  /** Names of the labels. Values come from closed sets or are names of devices, never of peers. */
  readonly labels?: readonly string[];
  /** No sample means unknown or not applicable, which is not 0. */
  readonly read: (context: ScrapeContext) => readonly Sample[];
}

/** The sample of a metric without labels; none while `value` is unknown. */
export function single(value: number | boolean | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ value: Number(value) }];
}

/** One sample for each member of `numbers`, its name in the label `label`. */
export function byLabel(
  label: string,
  numbers: Readonly<Record<string, number>> | undefined,
): readonly Sample[] {
  return Object.entries(numbers ?? {}).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/**
 * One sample for each of `states`: 1 for the current one, 0 for the others; none while it is
 * unknown.
 */
export function stateSet(
  label: string,
  states: readonly string[],
  current: string | undefined,
): readonly Sample[] {
  return current === undefined
    ? []
    : states.map((state) => ({ labels: { [label]: state }, value: Number(state === current) }));
}

/** Prometheus counts seconds. */
export function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
