// Makes the peers document of the node view: state, datapath and missing kernel objects of each
// peer.
import type { Lease } from '../../allocator/lease.ts';
import { NO_MAC } from '../../lib/address.ts';
import type { PeerState } from '../../backends/backend.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import { renderObject } from '../../backends/render.ts';
import { isInSync } from '../reconciler/diff.ts';
import type { NodeView, ReconcilerView } from './node-view.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { LivenessV1, ModeV1, PeerV1, PeersV1, ProbeV1, TrafficV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';
import { silenceReason, wireguardOf } from './wireguard-view.ts';

export function peersOf(daemon: NodeView): PeersV1 {
  const { leaseManager, reconciler } = daemon;
  const traffic = trafficOf(daemon);
  const leases = [...(leaseManager?.peers.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    version: CONTROL_VERSION,
    at: wallTime(daemon.clock.nowMs()),
    peers:
      reconciler === undefined
        ? []
        : leases.flatMap((lease) => peerOf(lease, { daemon, reconciler, traffic })),
  };
}

const MODES: Readonly<Record<PeerState['mode'], ModeV1>> = {
  tunnel: 'kernel',
  direct: 'direct',
  userspace: 'userspace',
  command: 'command',
  none: 'none',
  error: 'error',
};

interface PeerInputs {
  readonly daemon: NodeView;
  readonly reconciler: ReconcilerView;
  readonly traffic: ReadonlyMap<string, TrafficV1>;
}

function peerOf(lease: Lease, { daemon, reconciler, traffic }: PeerInputs): PeerV1[] {
  const { key, subnets, attributes, isReservation } = lease;
  const status = reconciler.peerStatus(key);
  if (status === undefined) return [];
  const { publicIp, publicIpv6 } = attributes;
  const objects = reconciler.objectsOf(key);
  const mac = macOf(objects.values());
  const wireguard = wireguardOf(objects.values(), daemon.wireguard, Date.now());
  const reason = status.reason ?? (wireguard && silenceReason(wireguard));
  const isSilent = status.state === 'in-sync' && wireguard?.isSilent === true;
  const [liveness, probe] = [livenessOf(daemon, lease), probeOf(daemon, lease)];
  const name = daemon.hostNames?.of(lease);
  const counted = traffic.get(subnets.ipv4 ?? subnets.ipv6 ?? '');
  return [
    {
      key,
      ...(name !== undefined && { name }),
      ...subnets,
      ...(publicIp && { publicIp }),
      ...(publicIpv6 && { publicIpv6 }),
      ...(mac && { mac }),
      mode: MODES[status.mode],
      state: isSilent ? 'error' : status.state,
      ...(reason !== undefined && { reason }),
      missing: missingOf(objects, reconciler.known?.objects ?? new Map()),
      since: wallTime(status.sinceMs),
      isReservation,
      ...(counted && { traffic: counted }),
      ...(wireguard && { wireguard }),
      ...(liveness && { liveness }),
      ...(probe && { probe }),
    },
  ];
}

function livenessOf({ liveness }: NodeView, { key }: Lease): LivenessV1 | undefined {
  const found = liveness?.of(key);
  if (found === undefined) return undefined;
  const { state, sinceMs, answeredMs, rttMs } = found;
  return {
    state,
    since: new Date(sinceMs).toISOString(),
    ...(answeredMs !== undefined && { answeredAt: new Date(answeredMs).toISOString() }),
    ...(rttMs !== undefined && { rttMs }),
  };
}

function probeOf({ probes }: NodeView, { key }: Lease): ProbeV1 | undefined {
  const last = probes.get(key);
  if (last === undefined) return undefined;
  const { sent, received, rtt } = last.report;
  const at = new Date(last.atMs).toISOString();
  return { at, sent, lost: sent - received, ...(rtt && { rttMs: rtt.avgMs }) };
}

function macOf(objects: Iterable<KernelObject>): string | undefined {
  for (const object of objects) if ('mac' in object && object.mac !== NO_MAC) return object.mac;
  return undefined;
}

function missingOf(
  objects: ReadonlyMap<ObjectKey, KernelObject>,
  known: ReadonlyMap<ObjectKey, KernelObject>,
): readonly string[] {
  const missing = [...objects].filter(([key, object]) => !isInSync(object, known.get(key)));
  return missing.map(([, object]) => renderObject(object));
}

/** By subnet. A dual-stack peer counts at its IPv4 subnet. */
function trafficOf({ packetPath }: NodeView): ReadonlyMap<string, TrafficV1> {
  const traffic = new Map<string, TrafficV1>();
  for (const { name } of packetPath?.devices() ?? [])
    for (const { destination, txPackets, txBytes, rxPackets, rxBytes } of packetPath?.routeCounters(name) ??
      [])
      traffic.set(destination, {
        txPackets: Number(txPackets),
        txBytes: Number(txBytes),
        rxPackets: Number(rxPackets),
        rxBytes: Number(rxBytes),
      });
  return traffic;
}
