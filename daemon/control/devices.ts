// GET /v1/devices: the overlay devices and the underlay interface, read from the kernel.
import type { ActualObject, ActualWireguardLink } from '../kernel/actual-state.ts';
import type { Interface } from '../kernel/kernel.ts';
import type { KernelReader, NodeView } from '../view/node-view.ts';
import { NO_COUNTERS, readDeviceCounters } from '../view/device-counters.ts';
import type { Endpoint } from './endpoint.ts';
import { readKernelSnapshot } from './kernel-snapshot.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { DeviceCountersV1, DeviceV1, DevicesV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export const devicesEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/devices',
  summary: 'overlay devices and the underlay interface, with addresses and counters',
  handle: async (daemon) => ({ json: await devicesOf(daemon) }),
};

async function devicesOf(daemon: NodeView): Promise<DevicesV1> {
  const { kernel, reconciler, actual } = await readKernelSnapshot(daemon);
  const [interfaces, counters] = await Promise.all([
    kernel.readInterfaces(),
    readDeviceCounters(daemon.packetPath),
  ]);
  const overlay = reconciler.ownership?.devices ?? [];
  const underlay = daemon.snapshot?.chosen.name;
  const roles = [
    ...overlay.map((name) => ({ name, role: 'overlay' as const })),
    ...(underlay === undefined ? [] : [{ name: underlay, role: 'underlay' as const }]),
  ];
  const devices = roles.map(async ({ name, role }): Promise<readonly DeviceV1[]> => {
    const found = interfaces.find((device) => device.name === name);
    const link = actual.objects.get(`link ${name}`);
    if (found === undefined) return [];
    const tunnel = link?.kind === 'link' ? { tunnel: await tunnelOf(link, kernel) } : {};
    return [{ ...deviceOf(found, role, counters.get(name)), ...tunnel }];
  });
  return {
    version: CONTROL_VERSION,
    at: wallTime(daemon.clock.nowMs()),
    devices: (await Promise.all(devices)).flat(),
  };
}

function deviceOf(
  { name, mtu, isUp, mac, addresses }: Interface,
  role: DeviceV1['role'],
  counters: DeviceCountersV1 = NO_COUNTERS,
): DeviceV1 {
  return {
    name,
    role,
    isUp,
    mtu,
    ...(mac && { mac }),
    addresses: addresses.map(({ address, prefixLength, scope }) => ({ address, prefixLength, scope })),
    counters,
  };
}

function wireguardTunnelOf(link: ActualWireguardLink): NonNullable<DeviceV1['tunnel']> {
  const isInUserspace = link.isInUserspace === true;
  const type = 'wireguard';
  const { listenPort: port, publicKey } = link;
  return { type, encapsulation: type, vni: 0, port, local: '', isInUserspace, publicKey };
}

async function tunnelOf(
  link: Extract<ActualObject, { readonly kind: 'link' }>,
  kernel: Pick<KernelReader, 'readFeature'>,
): Promise<NonNullable<DeviceV1['tunnel']>> {
  if (link.type === 'wireguard') return wireguardTunnelOf(link);
  const { name, local } = link;
  if (link.type === 'ipip')
    return { type: 'ipip', encapsulation: 'ipip', vni: 0, port: 0, local, parent: link.parent };
  if (link.type === 'fou') return { type: 'fou', encapsulation: 'udp', vni: 0, port: link.port, local };
  const { type, vni, port } = link;
  if (link.type === 'tun') return { type, encapsulation: link.encapsulation, vni, port, local };
  const hasChecksumOffload = await kernel.readFeature(name, 'tx-checksum-ip-generic').catch(() => undefined);
  return {
    type,
    encapsulation: 'vxlan',
    vni,
    port,
    local,
    parent: link.parent,
    ...(hasChecksumOffload !== undefined && { hasChecksumOffload }),
  };
}
