// What the delegate (bridge, as a rule) is told: a pure function of the network config and this host's subnet.
import { addressOf, addToAddress, familyOf, type Cidr } from '../../lib/address.ts';
import type { HostSubnet } from './host-subnet.ts';
import type { JsonObject, Network } from './network.ts';

/** Config of a plugin, complete. */
export interface DelegateConfig extends JsonObject {
  readonly cniVersion: string;
  readonly name: string;
  readonly type: string;
  readonly ipam: JsonObject;
}

/** What the operator writes under `delegate` and `ipam` wins, but for the subnets, which are this host's. */
export function deriveDelegateConfig(network: Network, host: HostSubnet): DelegateConfig {
  const { cniVersion, name, delegate, extras } = network;
  const type = (delegate['type'] as string | undefined) ?? 'bridge';
  return {
    // Who masquerades does it for all: twice would hide containers from those of other hosts.
    ipMasq: !host.isMasquerading,
    mtu: host.mtu,
    ...(type === 'bridge' ? { isGateway: true } : {}),
    ...delegate,
    ...extras,
    cniVersion,
    name,
    type,
    ipam: deriveIpam(network.ipam, host),
  };
}

/**
 * One range a family, and routes to the whole cluster network for containers that have no default route. Their gateway is
 * the one that host-local takes by itself, written out: bridge's CHECK does not find routes otherwise.
 */
function deriveIpam(ipam: JsonObject, { subnets, networks }: HostSubnet): JsonObject {
  const routes = (ipam['routes'] ?? []) as readonly unknown[];
  return {
    type: 'host-local',
    ...ipam,
    ranges: subnets.map((subnet) => [{ subnet }]),
    routes: [...routes, ...networks.map((dst) => ({ dst, ...gatewayTo(dst, subnets) }))],
  };
}

function gatewayTo(network: Cidr, subnets: readonly Cidr[]): { readonly gw?: string } {
  const subnet = subnets.find((candidate) => familyOf(candidate) === familyOf(network));
  return subnet === undefined ? {} : { gw: addToAddress(addressOf(subnet), 1n) };
}
