// GET /v1/route?to=ADDRESS: which host has an address and which way a packet there would take, one lookup after the other
// as the kernel does them, each beside what the daemon wants there.
import { contains, familyOf, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { DaemonView } from '../view/node-view.ts';
import { ControlError, type Endpoint } from './endpoint.ts';
import { readKernelNow, type KernelSnapshot } from './kernel-snapshot.ts';
import { traceRoute, type Walk } from './route-trace.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { LookupV1, RouteV1 } from '../../api/index.ts';
import { wallTime } from '../view/wall-time.ts';

export const routeEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/route',
  summary: '?to=ADDRESS: which host has it, and which way a packet takes, lookup by lookup',
  handle: async (daemon, { query }) => ({ json: await routeTo(daemon, query.get('to') ?? '') }),
};

async function routeTo(daemon: DaemonView, text: string): Promise<RouteV1> {
  const to = parseIp(text);
  if (to === undefined)
    throw new ControlError(
      400,
      'bad-address',
      `${JSON.stringify(text)} is no IP address, for example 10.5.72.2`,
    );
  const now = await readKernelNow(daemon);
  const owner = ownerOf(daemon, to);
  const walk = await walkTo(now, to, owner);
  const lookups = [leaseLookup(to, owner), ...walk.lookups];
  const { kind, key, subnet, publicIp } = owner;
  return {
    version: CONTROL_VERSION,
    at: wallTime(systemClock.nowMs()),
    to,
    kind,
    ...(key !== undefined && subnet && { owner: { key, subnet, ...(publicIp && { publicIp }) } }),
    lookups,
    datapath: walk.datapath,
    ...(walk.mtu !== undefined && { mtu: walk.mtu }),
    ...(walk.overheadBytes !== undefined && { overheadBytes: walk.overheadBytes }),
    isWhole: lookups.every(({ problem }) => problem === undefined),
  };
}

async function walkTo(now: KernelSnapshot, to: IpAddress, { kind, key }: AddressOwner): Promise<Walk> {
  if (kind === 'outside') return { lookups: [], datapath: 'none' };
  const walk = await traceRoute(now, to, key);
  // Wherever the kernel would send it, no host of the overlay takes it.
  return kind === 'unleased' ? { lookups: walk.lookups, datapath: 'none' } : walk;
}

interface AddressOwner {
  readonly kind: RouteV1['kind'];
  readonly key?: string;
  readonly subnet?: Cidr;
  readonly publicIp?: IpAddress | undefined;
}

function ownerOf({ config, keeper }: DaemonView, to: IpAddress): AddressOwner {
  const network = familyOf(to) === 4 ? config?.ipv4?.network : config?.ipv6?.network;
  if (network === undefined || !contains(network, to)) return { kind: 'outside' };
  const own = keeper?.own;
  const ownSubnet = own && subnetWith(own.subnets, to);
  if (own && ownSubnet) return { kind: 'own', key: own.key, subnet: ownSubnet };
  for (const { key, subnets, attributes } of keeper?.peers.values() ?? []) {
    const subnet = subnetWith(subnets, to);
    const { publicIp, publicIpv6 } = attributes;
    if (subnet) return { kind: 'peer', key, subnet, publicIp: publicIp ?? publicIpv6 };
  }
  return { kind: 'unleased' };
}

function subnetWith({ ipv4, ipv6 }: LeaseSubnets, address: IpAddress): Cidr | undefined {
  const subnet = familyOf(address) === 4 ? ipv4 : ipv6;
  return subnet !== undefined && contains(subnet, address) ? subnet : undefined;
}

function leaseLookup(to: IpAddress, { kind, key, subnet, publicIp }: AddressOwner): LookupV1 {
  const base = { table: 'lease', key: to } as const;
  switch (kind) {
    case 'own':
      return { ...base, entry: `${subnet} is this host's subnet` };
    case 'peer':
      return { ...base, entry: `${subnet} of ${publicIp ?? 'a host without public IP'} (key ${key})` };
    case 'unleased':
      return { ...base, problem: 'no host has leased the subnet of this address' };
    case 'outside':
      return { ...base, problem: 'the address lies outside of the overlay network' };
  }
}
