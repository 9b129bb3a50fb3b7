// Metrics of the kernel: the reconciler's changes, drift, and device counters.
import { SYNC_STATES, type DeviceCountersV1 } from '../../api/index.ts';
import {
  byLabel,
  secondsOf,
  single,
  stateSet,
  type Metric,
  type ScrapeContext,
  type Sample,
} from './metric.ts';

export const KERNEL_METRICS: readonly Metric[] = [
  {
    name: 'weft_kernel_host_state',
    type: 'gauge',
    help: "State of this host's own device, address and settings: 1 for the current state",
    labels: ['state'],
    read: ({ status }) => stateSet('state', SYNC_STATES, status.kernel?.host),
  },
  {
    name: 'weft_reconcile_runs_total',
    type: 'counter',
    help: 'Reconcile runs',
    read: ({ status }) => single(status.kernel?.runs),
  },
  {
    name: 'weft_reconcile_seconds_total',
    type: 'counter',
    help: 'Time spent in reconcile runs',
    read: (context) => single(secondsOf(counters(context)?.busyMs)),
  },
  {
    name: 'weft_reconcile_last_duration_seconds',
    type: 'gauge',
    help: 'Duration of the last reconcile run',
    read: ({ status }) => single(secondsOf(status.kernel?.lastRunMs)),
  },
  {
    name: 'weft_kernel_steps_total',
    type: 'counter',
    help: 'Changes that the kernel acknowledged',
    labels: ['kind', 'action'],
    read: ({ status }) =>
      Object.entries(status.kernel?.steps ?? {}).flatMap(([kind, { set, remove }]) => [
        { labels: { kind, action: 'set' }, value: set },
        { labels: { kind, action: 'remove' }, value: remove },
      ]),
  },
  {
    name: 'weft_kernel_step_failures_total',
    type: 'counter',
    help: 'Changes that the kernel rejected or did not answer',
    read: ({ status }) => single(status.kernel?.failures),
  },
  {
    name: 'weft_kernel_drift_total',
    type: 'counter',
    help: 'Objects that another program changed or removed',
    labels: ['kind'],
    read: ({ status }) => byLabel('kind', status.kernel?.drift),
  },
  {
    name: 'weft_kernel_resyncs_total',
    type: 'counter',
    help: 'Full reads of the kernel by reason',
    labels: ['reason'],
    read: ({ status }) => byLabel('reason', status.kernel?.resyncs),
  },
  {
    name: 'weft_kernel_overruns_total',
    type: 'counter',
    help: 'Netlink notification overruns that forced a full resync',
    read: (context) => single(counters(context)?.overruns),
  },
  {
    name: 'weft_kernel_contested_objects',
    type: 'gauge',
    help: 'Objects that another program keeps changing',
    read: ({ status }) => single(status.kernel?.contested.length),
  },
  {
    name: 'weft_kernel_read_failing',
    type: 'gauge',
    help: '1 while kernel state cannot be read',
    read: ({ status }) => single(status.kernel && status.kernel.readError !== undefined),
  },
  deviceMetric('packets', 'Packets of overlay devices and the underlay interface', (of) => [
    of.rxPackets,
    of.txPackets,
  ]),
  deviceMetric('bytes', 'Bytes of overlay devices and the underlay interface', (of) => [
    of.rxBytes,
    of.txBytes,
  ]),
  deviceMetric('errors', 'Errors of overlay devices and the underlay interface', (of) => [
    of.rxErrors,
    of.txErrors,
  ]),
  deviceMetric('drops', 'Packets dropped by overlay devices and the underlay interface', (of) => [
    of.rxDropped,
    of.txDropped,
  ]),
];

function counters({ daemon }: ScrapeContext) {
  return daemon.reconciler?.status().counters;
}

/** A counter for each device and direction. */
function deviceMetric(
  what: string,
  help: string,
  pick: (counters: DeviceCountersV1) => readonly [rx: number, tx: number],
): Metric {
  return {
    name: `weft_device_${what}_total`,
    type: 'counter',
    help,
    labels: ['device', 'role', 'direction'],
    read: (context) => devicesOf(context).flatMap(([device, role]) => samplesOf(context, device, role)),
  };

  function samplesOf({ devices }: ScrapeContext, device: string, role: string): readonly Sample[] {
    const found = devices.get(device);
    if (found === undefined) return [];
    const [rx, tx] = pick(found);
    return [
      { labels: { device, role, direction: 'receive' }, value: rx },
      { labels: { device, role, direction: 'transmit' }, value: tx },
    ];
  }
}

function devicesOf({ status }: ScrapeContext): readonly (readonly [device: string, role: string])[] {
  const overlay = (status.network?.devices ?? []).map((name) => [name, 'overlay'] as const);
  return status.interface === undefined
    ? overlay
    : [...overlay, [status.interface.name, 'underlay'] as const];
}
