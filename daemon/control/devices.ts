// GET /v1/devices: the overlay devices and the underlay interface as the kernel has them now.
import { systemClock } from '../../allocator/clock.ts';
import type { LinkObject } from '../../backends/kernel-state.ts';
import type { Interface } from '../kernel/kernel.ts';
import type { DaemonView } from './daemon-view.ts';
import { NO_COUNTERS, readDeviceCounters } from './device-counters.ts';
import type { Endpoint } from './endpoint.ts';
import { readKernelNow } from './kernel-now.ts';
import { CONTROL_VERSION } from './types.ts';
import type { DeviceCountersV1, DeviceV1, DevicesV1 } from './types.ts';
import { wallTime } from './wall-time.ts';

export const devicesEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/devices',
  summary: 'overlay devices and the underlay interface, with addresses and counters',
  handle: async (daemon) => ({ json: await devicesOf(daemon) }),
};

async function devicesOf(daemon: DaemonView): Promise<DevicesV1> {
  const { kernel, reconciler, actual } = await readKernelNow(daemon);
  const [interfaces, counters] = await Promise.all([kernel.readInterfaces(), readDeviceCounters()]);
  const overlay = reconciler.ownership?.devices ?? [];
  const underlay = daemon.reading?.chosen.name;
  const roles = [
    ...overlay.map((name) => ({ name, role: 'overlay' as const })),
    ...(underlay === undefined ? [] : [{ name: underlay, role: 'underlay' as const }]),
  ];
  const devices = roles.flatMap(({ name, role }) => {
    const found = interfaces.find((device) => device.name === name);
    const link = actual.objects.get(`link ${name}`);
    return found ? [deviceOf(found, role, link?.kind === 'link' ? link : undefined, counters.get(name))] : [];
  });
  return { version: CONTROL_VERSION, at: wallTime(systemClock.nowMs()), devices };
}

function deviceOf(
  { name, mtu, isUp, mac, addresses }: Interface,
  role: DeviceV1['role'],
  link: LinkObject | undefined,
  counters: DeviceCountersV1 = NO_COUNTERS,
): DeviceV1 {
  return {
    name,
    role,
    isUp,
    mtu,
    ...(mac && { mac }),
    addresses: addresses.map(({ address, prefixLength, scope }) => ({ address, prefixLength, scope })),
    ...(link && { tunnel: tunnelOf(link) }),
    counters,
  };
}

function tunnelOf(link: LinkObject): NonNullable<DeviceV1['tunnel']> {
  const { type, vni, port, local } = link;
  const encapsulation = link.type === 'tun' ? link.encapsulation : 'vxlan';
  return { type, encapsulation, vni, port, local, ...(link.type === 'vxlan' && { parent: link.parent }) };
}
