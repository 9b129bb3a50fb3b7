// Chooses the address families of this host. In a dual-stack network a host without IPv6 runs with
// IPv4 alone, and adds IPv6 once it has an address. IPv6 alone is not offered there: flannel reads
// the key of a host without an IPv4 subnet as one that covers all of IPv4. Pure but for the route
// lookup of the interface choice.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { BackendError, type HostFacts } from '../../backends/backend.ts';
import { backendFor } from '../../backends/index.ts';
import { chooseInterface, rechooseInterface } from './interface-choice.ts';
import type {
  ChosenInterface,
  Families,
  InterfaceChoice,
  InterfaceFacts,
  InterfaceOptions,
} from './interface-facts.ts';
import { isLinkLocal } from './usable-address.ts';

/** Why this host has no IPv6 in a network with IPv6. */
export interface Ipv6Unavailable {
  /** One line. */
  readonly reason: string;
  /** The interface has a link-local address, so a global one may follow. */
  readonly isPending: boolean;
}

/** With `missingIpv6`, IPv6 addresses of the choice are former ones that the interface has lost. */
export type FamilyChoice = InterfaceChoice & { readonly missingIpv6?: Ipv6Unavailable };

/** Chooses an interface; with IPv4 alone if both families are enabled and no interface has both. */
export async function chooseFamilies(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
  current?: ChosenInterface,
): Promise<FamilyChoice> {
  const ipv4Alone = { ...families, ipv6: false };
  if (current === undefined || !families.ipv4 || !families.ipv6) {
    const dual = await choose(facts, options, families, current);
    if (dual.ok || !families.ipv4 || !families.ipv6) return dual;
    const single = await chooseInterface(facts, options, ipv4Alone);
    return single.ok ? withMissingIpv6(single, dual.message, facts) : dual;
  }
  const single = await rechooseInterface(facts, options, ipv4Alone, current);
  // The IPv4 address is the host's identity: an interface with IPv6 must not replace it.
  if (!single.ok || single.chosen.name !== current.name) return chooseFamilies(facts, options, families);
  const dual = await rechooseInterface(facts, options, families, current);
  if (dual.ok && dual.chosen.name === current.name) return dual;
  return withMissingIpv6(keepIpv6(single, current), `${current.name} has no usable IPv6 address`, facts);
}

function choose(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
  current?: ChosenInterface,
): Promise<InterfaceChoice> {
  return current === undefined
    ? chooseInterface(facts, options, families)
    : rechooseInterface(facts, options, families, current);
}

type Chosen = Extract<InterfaceChoice, { readonly ok: true }>;

/** An interface that goes down loses its IPv6 addresses for a short time; the lease keeps them. */
function keepIpv6(single: Chosen, { ipv6, publicIpv6 }: ChosenInterface): Chosen {
  const kept = { ...(ipv6 && { ipv6 }), ...(publicIpv6 && { publicIpv6 }) };
  return { ...single, chosen: { ...single.chosen, ...kept } };
}

function withMissingIpv6(single: Chosen, reason: string, { interfaces }: InterfaceFacts): FamilyChoice {
  const found = interfaces.find(({ name }) => name === single.chosen.name);
  const isPending = found?.addresses.some(({ address }) => address.includes(':') && isLinkLocal(address));
  return { ...single, missingIpv6: { reason, isPending: isPending === true } };
}

/** A network config as this host runs it. */
export interface HostConfig {
  /** The config of the cluster. */
  readonly clusterConfig: NetworkConfig;
  /** The same without the families that this host lacks. */
  readonly config: NetworkConfig;
  /** Why `config` differs from `clusterConfig`. */
  readonly missingIpv6?: string;
}

/** Omits IPv6 from `clusterConfig` if the network has IPv4 and this host has no IPv6. */
export function configForHost(
  clusterConfig: NetworkConfig,
  facts: HostFacts,
  missingIpv6?: Ipv6Unavailable,
): HostConfig {
  const { ipv4, ipv6: _ipv6, ...rest } = clusterConfig;
  if (ipv4 === undefined || clusterConfig.ipv6 === undefined) return { clusterConfig, config: clusterConfig };
  const reason =
    facts.interface.ipv6 === undefined
      ? (missingIpv6?.reason ?? 'no address')
      : ipv6Problem(clusterConfig, facts);
  return reason === undefined
    ? { clusterConfig, config: clusterConfig }
    : { clusterConfig, config: { ...rest, ipv4 }, missingIpv6: reason };
}

/** Why the interface cannot carry IPv6 in spite of its address. */
function ipv6Problem({ ipv4: _ipv4, ...ipv6Alone }: NetworkConfig, facts: HostFacts): string | undefined {
  try {
    backendFor(ipv6Alone.backend.type).mtu(ipv6Alone, facts);
    return undefined;
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
}
