// GET /v1/route?to=ADDRESS: the host of an address and the datapath of a packet to it: the kernel's
// lookups in their order, each compared with the desired state.
import { addressOf, contains, familyOf, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { NodeView } from '../view/node-view.ts';
import { ControlError, type Endpoint } from './endpoint.ts';
import { readKernelSnapshot } from './kernel-snapshot.ts';
import { traceRoute } from './route-trace.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { LookupV1, RouteV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export const routeEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/route',
  summary: '?to=ADDRESS: the host of an address, and every lookup of a packet to it',
  handle: async (daemon, { query }) => ({ json: await routeTo(daemon, query.get('to') ?? '') }),
};

async function routeTo(daemon: NodeView, text: string): Promise<RouteV1> {
  await daemon.hostNames?.refresh();
  const to = parseIp(text) ?? addressOfHost(daemon, text);
  if (to === undefined)
    throw new ControlError(
      400,
      'bad-address',
      `${JSON.stringify(text)} is not an IP address, for example 10.5.72.2${nameHint(daemon)}`,
    );
  const snapshot = await readKernelSnapshot(daemon);
  const owner = ownerOf(daemon, to);
  const trace = await traceRoute(snapshot, to, owner);
  const lookups = [leaseLookup(to, owner), ...trace.lookups];
  const { kind, key, name, subnet, publicIp } = owner;
  return {
    version: CONTROL_VERSION,
    at: wallTime(daemon.clock.nowMs()),
    to,
    kind,
    ...(key !== undefined &&
      subnet && {
        owner: { key, ...(name !== undefined && { name }), subnet, ...(publicIp && { publicIp }) },
      }),
    lookups,
    datapath: trace.datapath,
    ...(trace.encapsulation !== undefined && { encapsulation: trace.encapsulation }),
    ...(trace.dev !== undefined && { dev: trace.dev }),
    ...(trace.mtu !== undefined && { mtu: trace.mtu }),
    ...(trace.overheadBytes !== undefined && { overheadBytes: trace.overheadBytes }),
    isWhole: lookups.every(({ problem }) => problem === undefined),
  };
}

interface AddressOwner {
  readonly kind: RouteV1['kind'];
  readonly key?: string;
  readonly name?: string | undefined;
  readonly subnet?: Cidr;
  readonly publicIp?: IpAddress | undefined;
}

/** The first address of the subnet of the host with this name. */
function addressOfHost({ hostNames, leaseManager }: NodeView, name: string): IpAddress | undefined {
  for (const peer of leaseManager?.peers.values() ?? []) {
    const subnet = peer.subnets.ipv4 ?? peer.subnets.ipv6;
    if (subnet !== undefined && hostNames?.of(peer) === name) return addressOf(subnet);
  }
  return undefined;
}

function nameHint({ hostNames, leaseManager }: NodeView): string {
  const hasNames = [...(leaseManager?.peers.values() ?? [])].some(
    (peer) => hostNames?.of(peer) !== undefined,
  );
  return hasNames ? ', nor the name of a peer: weft peers lists them' : '';
}

function ownerOf({ config, hostName, hostNames, leaseManager }: NodeView, to: IpAddress): AddressOwner {
  const network = familyOf(to) === 4 ? config?.ipv4?.network : config?.ipv6?.network;
  if (network === undefined || !contains(network, to)) return { kind: 'outside' };
  const own = leaseManager?.own;
  const ownSubnet = own && subnetWith(own.subnets, to);
  if (own && ownSubnet) return { kind: 'own', key: own.key, name: hostName, subnet: ownSubnet };
  for (const peer of leaseManager?.peers.values() ?? []) {
    const subnet = subnetWith(peer.subnets, to);
    const { publicIp, publicIpv6 } = peer.attributes;
    const name = hostNames?.of(peer);
    if (subnet) return { kind: 'peer', key: peer.key, name, subnet, publicIp: publicIp ?? publicIpv6 };
  }
  return { kind: 'unleased' };
}

function subnetWith({ ipv4, ipv6 }: LeaseSubnets, address: IpAddress): Cidr | undefined {
  const subnet = familyOf(address) === 4 ? ipv4 : ipv6;
  return subnet !== undefined && contains(subnet, address) ? subnet : undefined;
}

function leaseLookup(to: IpAddress, { kind, key, name, subnet, publicIp }: AddressOwner): LookupV1 {
  const host = name === undefined ? '' : `${name}, `;
  const base = { table: 'lease', key: to } as const;
  switch (kind) {
    case 'own':
      return { ...base, entry: `${subnet} is this host's subnet` };
    case 'peer':
      return { ...base, entry: `${subnet} of ${host}${publicIp ?? 'a host without public IP'} (key ${key})` };
    case 'unleased':
      return { ...base, problem: 'no host has leased the subnet of this address' };
    case 'outside':
      return { ...base, problem: 'the address lies outside of the overlay network' };
  }
}
