// Firewall rules as kernel objects: what leaves the overlay is masqueraded, what crosses this host is accepted. Pure.
// Both engines get the same rules; names of tables and chains are those of flannel, so that each daemon removes what the
// other left.
import type { Cidr, Family } from '../lib/address.ts';
import type { BackendContext } from './backend.ts';
import { FAMILIES, rangeOf, subnetOf } from './address-family.ts';
import { forwardChain, masqueradeChain } from './firewall-iptables.ts';
import { nftTable } from './firewall-nft.ts';
import type { FirewallObject, SysctlObject } from './kernel-state.ts';

/** What this host's administrator wants, and which program does it here. */
export interface FirewallPolicy {
  readonly engine: FirewallObject['engine'];
  readonly isMasquerading: boolean;
  /** Source ports of masqueraded connections are drawn at random: else two that are set up at once may clash. */
  readonly isFullyRandom: boolean;
  /** Packets from and to the overlay are accepted, whatever the policy of FORWARD. */
  readonly isForwardAccepted: boolean;
}

/** One family's networks: the whole overlay, and this host's part of it. */
export interface FirewallFamily {
  readonly family: Family;
  readonly network: Cidr;
  readonly subnet: Cidr;
}

/** The rules of all families that this host has a subnet of. */
export function deriveFirewall(context: BackendContext, policy: FirewallPolicy): readonly FirewallObject[] {
  const { forwardDropFamilies = [] } = context.host;
  const objects: FirewallObject[] = [];
  for (const each of firewallFamilies(context)) {
    const isNft = policy.engine === 'nft';
    if (isNft && (policy.isMasquerading || policy.isForwardAccepted)) objects.push(nftTable(each, policy));
    if (!isNft && policy.isMasquerading) objects.push(masqueradeChain(each, policy));
    // An accept of nftables ends that base chain only: the packet still meets the policy of the FORWARD chain of iptables,
    // which Docker sets to DROP. So the accept must stand in that chain, too.
    const needsChain = !isNft || forwardDropFamilies.includes(each.family);
    if (policy.isForwardAccepted && needsChain) objects.push(forwardChain(each));
  }
  return objects;
}

/**
 * What makes this host a router for its containers. A host that forwards IPv6 forgets the routers that advertised
 * themselves, unless their interface is told to heed them all the same (accept_ra 2), before.
 */
export function deriveForwarding(context: BackendContext): readonly SysctlObject[] {
  const families = firewallFamilies(context).map(({ family }) => family);
  const routers = families.includes(6) ? (context.host.advertisedRouters ?? []) : [];
  return [
    ...routers.map((dev) => sysctl(`net/ipv6/conf/${dev}/accept_ra`, '2')),
    ...families.map((family) => sysctl(FORWARDING_SYSCTL[family], '1')),
  ];
}

function sysctl(path: string, value: string): SysctlObject {
  return { kind: 'sysctl', path, value };
}

/** File below /proc/sys that says whether the host forwards packets of a family. */
export const FORWARDING_SYSCTL: Readonly<Record<Family, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
};

function firewallFamilies({ config, own }: BackendContext): readonly FirewallFamily[] {
  return FAMILIES.flatMap((family) => {
    const network = rangeOf(config, family)?.network;
    const subnet = subnetOf(own.subnets, family);
    return network === undefined || subnet === undefined ? [] : [{ family, network, subnet }];
  });
}
