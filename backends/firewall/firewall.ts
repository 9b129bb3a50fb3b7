// Firewall rules as kernel objects: packets that leave the overlay are masqueraded, packets that
// this host forwards are accepted. Both engines get the same rules. Tables and chains have
// flannel's names, so that each daemon removes what the other left. Pure.
import type { Family } from '../../lib/address.ts';
import type { BackendContext } from '../backend.ts';
import { FAMILIES, rangeOf, subnetOf } from '../address-family.ts';
import { forwardChain, masqueradeChain } from './firewall-iptables.ts';
import { nftTable } from './firewall-nft.ts';
import type { FirewallFamily, FirewallPolicy } from './firewall-policy.ts';
import type { FirewallObject, SysctlObject } from '../kernel-state.ts';

/** The rules of each family in which this host has a subnet. */
export function deriveFirewall(context: BackendContext, policy: FirewallPolicy): readonly FirewallObject[] {
  const { forwardDropFamilies = [] } = context.host;
  const objects: FirewallObject[] = [];
  for (const each of firewallFamilies(context)) {
    const isNft = policy.engine === 'nft';
    if (isNft && (policy.isMasquerading || policy.isForwardAccepted)) objects.push(nftTable(each, policy));
    if (!isNft && policy.isMasquerading) objects.push(masqueradeChain(each, policy));
    // An accept of nftables ends its own base chain only. The packet still passes the FORWARD chain
    // of iptables, whose policy Docker sets to DROP, so that chain needs the accept, too.
    const needsChain = !isNft || forwardDropFamilies.includes(each.family);
    if (policy.isForwardAccepted && needsChain) objects.push(forwardChain(each));
  }
  return objects;
}

/**
 * The sysctls that make this host forward for its containers. A host that forwards IPv6 drops
 * routes learned from router advertisements, unless the interface has accept_ra=2 before.
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

/** File below /proc/sys that turns forwarding of a family on. */
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
