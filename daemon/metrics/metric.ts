// What a metric is: its name, and how its samples are read from the parts of the daemon as they are now. Nothing is counted
// for metrics alone; they are looked at when somebody asks.
import { systemClock } from '../../lib/clock.ts';
import { readDeviceCounters } from '../view/device-counters.ts';
import type { DaemonView } from '../view/node-view.ts';
import { statusOf } from '../view/status.ts';
import type { DeviceCountersV1, StatusV1 } from '../../api/index.ts';

/** One look at the daemon, shared by all metrics of a scrape. */
export interface Look {
  readonly daemon: DaemonView;
  readonly status: StatusV1;
  /** By name; of devices that belong to no one here, too. */
  readonly devices: ReadonlyMap<string, DeviceCountersV1>;
  /** On the monotonic clock of the daemon's parts. */
  readonly nowMs: number;
}

export interface Sample {
  /** A value for each of the metric's labels. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  /** As Prometheus wants it: base units, and `_total` where it only grows. */
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** One sentence without a full stop. */
  readonly help: string;
  /** Names of labels. Their values come from closed sets or from the names of devices, never from peers. */
  readonly labels?: readonly string[];
  /** No sample means that there is nothing to tell, which is not the same as 0. */
  readonly read: (look: Look) => readonly Sample[];
}

export async function lookAt(daemon: DaemonView): Promise<Look> {
  // Where there is no /proc there are no counters, and all others are worth having.
  const devices = await readDeviceCounters().catch(() => new Map<string, DeviceCountersV1>());
  return { daemon, status: statusOf(daemon), devices, nowMs: systemClock.nowMs() };
}

/** The samples of a metric without labels: one, or none while `value` is unknown. */
export function only(value: number | boolean | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ value: Number(value) }];
}

/** A sample for each member of `numbers`, named by the label `label`. */
export function each(
  label: string,
  numbers: Readonly<Record<string, number>> | undefined,
): readonly Sample[] {
  return Object.entries(numbers ?? {}).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** One sample for each of `states`: 1 for the one that holds. */
export function oneOf(label: string, states: readonly string[], now: string | undefined): readonly Sample[] {
  return now === undefined
    ? []
    : states.map((state) => ({ labels: { [label]: state }, value: Number(state === now) }));
}
