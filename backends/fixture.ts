// Hosts, configs and leases for specs, from short text. Test code: nothing in the product imports
// it.
import { networkOf, parseCidr, parseIpv4, parseIpv6 } from '../lib/address.ts';
import type { Cidr, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../lib/address.ts';
import type {
  BackendConfig,
  IpipConfig,
  NetworkConfig,
  UdpConfig,
  VxlanConfig,
} from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes, LeaseSubnets } from '../allocator/lease.ts';
import type { Backend, BackendContext, HostFacts, UnderlayRoute } from './backend.ts';
import type { UnderlayMtu } from './kernel-state.ts';

export function ip4(text: string): Ipv4 {
  return parsed(parseIpv4(text), text);
}

export function ip6(text: string): Ipv6 {
  return parsed(parseIpv6(text), text);
}

export function cidr(text: string): Cidr {
  const { address, prefixLength } = parsed(parseCidr(text), text);
  return networkOf(address, prefixLength);
}

function parsed<Value>(value: Value | undefined, text: string): Value {
  if (value === undefined) throw new Error(`Cannot parse "${text}" in a fixture`);
  return value;
}

export type Families = '4' | '6' | '46';

export const VXLAN: VxlanConfig = {
  type: 'vxlan',
  vni: 1,
  learning: false,
  gbp: false,
  directRouting: false,
  userspace: 'auto',
  txChecksumOffload: 'auto',
};

export const IPIP: IpipConfig = { type: 'ipip', directRouting: false };

export const UDP: UdpConfig = { type: 'udp', port: 8285, userspace: 'auto' };

/** 10.5.0.0/16 in /24 and fd00::/48 in /64, as far as `families` has them. */
export function network(families: Families, backend: BackendConfig): NetworkConfig {
  const ipv4 = {
    network: cidr('10.5.0.0/16') as Ipv4Cidr,
    subnetLength: 24,
    min: ip4('10.5.1.0'),
    max: ip4('10.5.255.0'),
  };
  const ipv6 = {
    network: cidr('fd00::/48') as Ipv6Cidr,
    subnetLength: 64,
    min: ip6('fd00:0:0:1::'),
    max: ip6('fd00:0:0:ffff::'),
  };
  return {
    ...(families.includes('4') ? { ipv4 } : {}),
    ...(families.includes('6') ? { ipv6 } : {}),
    backend,
    isBackendDefaulted: false,
  };
}

/** eth0 with 10.9.0.1/24 and 2001:db8::1/64, default routes behind a router each. */
export function host(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    interface: { name: 'eth0', mtu: 1500 as UnderlayMtu, ipv4: ip4('10.9.0.1'), ipv6: ip6('2001:db8::1') },
    publicIp: ip4('10.9.0.1'),
    publicIpv6: ip6('2001:db8::1'),
    underlayRoutes: [
      route('0.0.0.0/0', { gateway: ip4('10.9.0.254'), metric: 100 }),
      route('10.9.0.0/24', { metric: 100 }),
      route('::/0', { gateway: ip6('2001:db8::ff'), metric: 1024 }),
      route('2001:db8::/64', { metric: 256 }),
    ],
    ...changes,
  };
}

export function route(destination: string, changes: Partial<UnderlayRoute> = {}): UnderlayRoute {
  return { destination: cidr(destination), dev: 'eth0', metric: 0, ...changes };
}

/** Subnets from text such as `10.5.2.0/24` or `10.5.2.0/24 fd00:0:0:2::/64`. */
export function subnets(text: string): LeaseSubnets {
  let result: LeaseSubnets = {};
  for (const one of text.split(' '))
    result = one.includes(':')
      ? { ...result, ipv6: cidr(one) as Ipv6Cidr }
      : { ...result, ipv4: cidr(one) as Ipv4Cidr };
  return result;
}

export function lease(subnetText: string, attributes: LeaseAttributes): Lease {
  const key = subnetText.replaceAll('/', '-').replace(' ', '&');
  return { key, subnets: subnets(subnetText), attributes, isReservation: false };
}

/**
 * The `number`th peer, as a flannel host would publish itself: 10.5.N.0/24 at 10.9.0.N, and the
 * same for IPv6.
 */
export function vxlanPeer(
  number: number,
  families: Families = '4',
  changes: Partial<LeaseAttributes> = {},
): Lease {
  const hex = number.toString(16).padStart(2, '0');
  const texts = families.includes('4') ? [`10.5.${number}.0/24`] : [];
  if (families.includes('6')) texts.push(`fd00:0:0:${hex}::/64`);
  const ipv4Attributes = {
    publicIp: ip4(`10.9.0.${number}`),
    backendData: { VNI: 1, VtepMAC: `c6:00:00:00:04:${hex}` },
  };
  const ipv6Attributes = {
    publicIpv6: ip6(`2001:db8::${hex}`),
    backendV6Data: { VNI: 1, VtepMAC: `c6:00:00:00:06:${hex}` },
  };
  return lease(texts.join(' '), {
    backendType: 'vxlan',
    ...(families.includes('4') ? ipv4Attributes : {}),
    ...(families.includes('6') ? ipv6Attributes : {}),
    ...changes,
  });
}

/**
 * The `number`th peer with nothing but subnets and addresses: a flannel host with udp, or, with a
 * type, host-gw.
 */
export function plainPeer(
  number: number,
  families: Families = '4',
  changes: Partial<LeaseAttributes> = {},
): Lease {
  const { key: _key, subnets: its, attributes } = vxlanPeer(number, families);
  const { publicIp, publicIpv6 } = attributes;
  const addresses = { ...(publicIp && { publicIp }), ...(publicIpv6 && { publicIpv6 }) };
  const text = [its.ipv4, its.ipv6].filter(Boolean).join(' ');
  return lease(text, { backendType: '', ...addresses, ...changes });
}

/** Own side: 10.5.1.0/24 and fd00:0:0:1::/64, with the attributes that `backend` publishes. */
export function context(
  backend: Backend,
  config: NetworkConfig,
  facts: HostFacts = host(),
  previous?: LeaseAttributes,
): BackendContext {
  const own = [config.ipv4 ? '10.5.1.0/24' : '', config.ipv6 ? 'fd00:0:0:1::/64' : ''];
  const attributes = backend.attributes(config, facts, previous);
  return { config, host: facts, own: { subnets: subnets(own.filter(Boolean).join(' ')), attributes } };
}

/** Attributes under the own key that fix this host's VTEP MACs, so that golden text is short. */
export const PREVIOUS: LeaseAttributes = {
  backendType: 'vxlan',
  backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:01' },
  backendV6Data: { VNI: 1, VtepMAC: 'c6:00:00:00:06:01' },
};

/** The peer in the subnet of 32 addresses with that number from 10.5.2.0 on. Each generation has another MAC. */
export function oneOfMany(index: number, generation = 1): Lease {
  const template = vxlanPeer(2);
  const subnet = `10.5.${2 + (index >> 3)}.${(index & 7) * 32}/27`;
  const bytes = [generation, index >> 8, index & 255].map((byte) => byte.toString(16).padStart(2, '0'));
  const attributes = {
    ...template.attributes,
    publicIp: ip4(`10.8.${index >> 8}.${index & 255}`),
    backendData: { VtepMAC: `c6:00:00:${bytes.join(':')}` },
  };
  return { ...template, key: subnet.replace('/', '-'), subnets: subnets(subnet), attributes };
}

/** `count` of them, by key. */
export function manyPeers(count: number, generation?: number): Map<string, Lease> {
  const all = Array.from({ length: count }, (_, index) => oneOfMany(index, generation));
  return new Map(all.map((peer) => [peer.key, peer]));
}
