// Config of the delegate (usually bridge): a pure function of the network config and this host's
// subnet.
import { addressOf, addToAddress, familyOf, type Cidr } from '../../lib/address.ts';
import type { HostSubnet } from './host-subnet.ts';
import type { JsonObject, Network } from './network.ts';

/** Complete config of a plugin. */
export interface DelegateConfig extends JsonObject {
  readonly cniVersion: string;
  readonly name: string;
  readonly type: string;
  readonly ipam: JsonObject;
}

/** Keys under `delegate` and `ipam` take precedence, except for subnets, which are this host's. */
export function deriveDelegateConfig(network: Network, host: HostSubnet): DelegateConfig {
  const { cniVersion, name, delegate, extras } = network;
  const type = (delegate['type'] as string | undefined) ?? 'bridge';
  return {
    // One program masquerades: a second rule in the bridge plugin would hide source addresses of
    // containers.
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
 * One range per family, and routes to the cluster network for containers without a default route.
 * The gateway is host-local's default, written out: CHECK of bridge does not find the routes
 * otherwise.
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
