// Metrics on the kernel: what the reconciler did to it, what others did, and the counters of devices.
import type { DeviceCountersV1 } from '../../api/index.ts';
import { each, oneOf, only, type Family, type Look, type Sample } from './metric.ts';

export const KERNEL_FAMILIES: readonly Family[] = [
  {
    name: 'weft_kernel_host_state',
    type: 'gauge',
    help: "State of this host's own device, address and settings: 1 for the one that holds",
    labels: ['state'],
    read: ({ status }) => oneOf('state', ['in-sync', 'pending', 'error'], status.kernel?.host),
  },
  {
    name: 'weft_reconcile_runs_total',
    type: 'counter',
    help: 'Times that a change of desired or actual state was worked on',
    read: ({ status }) => only(status.kernel?.runs),
  },
  {
    name: 'weft_reconcile_seconds_total',
    type: 'counter',
    help: 'Time that these runs took',
    read: (look) => only(secondsOf(counters(look)?.busyMs)),
  },
  {
    name: 'weft_reconcile_last_duration_seconds',
    type: 'gauge',
    help: 'Time that the last run took',
    read: ({ status }) => only(secondsOf(status.kernel?.lastRunMs)),
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
    help: 'Changes that the kernel refused or did not answer',
    read: ({ status }) => only(status.kernel?.failures),
  },
  {
    name: 'weft_kernel_drift_total',
    type: 'counter',
    help: 'Objects that somebody else changed or removed',
    labels: ['kind'],
    read: ({ status }) => each('kind', status.kernel?.drift),
  },
  {
    name: 'weft_kernel_resyncs_total',
    type: 'counter',
    help: 'Full reads of the kernel by reason',
    labels: ['reason'],
    read: ({ status }) => each('reason', status.kernel?.resyncs),
  },
  {
    name: 'weft_kernel_overruns_total',
    type: 'counter',
    help: 'Times that notices of the kernel were lost, so that it was read as a whole',
    read: (look) => only(counters(look)?.overruns),
  },
  {
    name: 'weft_kernel_contested_objects',
    type: 'gauge',
    help: 'Objects that something else keeps changing',
    read: ({ status }) => only(status.kernel?.contested.length),
  },
  {
    name: 'weft_kernel_read_failing',
    type: 'gauge',
    help: '1 while the state of the kernel cannot be read',
    read: ({ status }) => only(status.kernel && status.kernel.readError !== undefined),
  },
  deviceFamily('packets', 'Packets of overlay devices and the underlay interface', (of) => [
    of.rxPackets,
    of.txPackets,
  ]),
  deviceFamily('bytes', 'Bytes of overlay devices and the underlay interface', (of) => [
    of.rxBytes,
    of.txBytes,
  ]),
  deviceFamily('errors', 'Errors that these devices count', (of) => [of.rxErrors, of.txErrors]),
  deviceFamily('drops', 'Packets that these devices dropped', (of) => [of.rxDropped, of.txDropped]),
];

function counters({ daemon }: Look) {
  return daemon.reconciler?.status().counters;
}

function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

/** A pair of counters, received and sent, of each device. */
function deviceFamily(
  what: string,
  help: string,
  pick: (counters: DeviceCountersV1) => readonly [rx: number, tx: number],
): Family {
  return {
    name: `weft_device_${what}_total`,
    type: 'counter',
    help,
    labels: ['device', 'role', 'direction'],
    read: (look) => devicesOf(look).flatMap(([device, role]) => samplesOf(look, device, role)),
  };

  function samplesOf({ devices }: Look, device: string, role: string): readonly Sample[] {
    const found = devices.get(device);
    if (found === undefined) return [];
    const [rx, tx] = pick(found);
    return [
      { labels: { device, role, direction: 'receive' }, value: rx },
      { labels: { device, role, direction: 'transmit' }, value: tx },
    ];
  }
}

function devicesOf({ status }: Look): readonly (readonly [device: string, role: string])[] {
  const overlay = (status.network?.devices ?? []).map((name) => [name, 'overlay'] as const);
  return status.interface === undefined
    ? overlay
    : [...overlay, [status.interface.name, 'underlay'] as const];
}
