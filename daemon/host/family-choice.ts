// Which families this host can take part with. Where the network has both, IPv4 alone is better than nothing: a host without
// IPv6 keeps its IPv4, and gets its IPv6 once there is one. The reverse is not offered, since flannel hosts take the key of
// a host without an IPv4 subnet for one that has all of IPv4. Pure, but for the questions of interface choice.
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

/** Why this host has no IPv6 though the network has. */
export interface Lack {
  /** One line. */
  readonly reason: string;
  /** IPv6 is on at the interface, and an address may be on its way. */
  readonly isComing: boolean;
}

/** With a `lack`, and IPv6 addresses all the same, those are the ones of before, which the interface has lost. */
export type FamilyChoice = InterfaceChoice & { readonly lack?: Lack };

const IPV4_ALONE: Families = { ipv4: true, ipv6: false };

/** As the choice of an interface, but with IPv4 alone where both families are enabled and no interface has both. */
export async function chooseFamilies(
  facts: InterfaceFacts,
  options: InterfaceOptions,
  families: Families,
  current?: ChosenInterface,
): Promise<FamilyChoice> {
  if (current === undefined || !families.ipv4 || !families.ipv6) {
    const whole = await choose(facts, options, families, current);
    if (whole.ok || !families.ipv4 || !families.ipv6) return whole;
    const half = await chooseInterface(facts, options, IPV4_ALONE);
    return half.ok ? withLack(half, whole.message, facts) : whole;
  }
  const half = await rechooseInterface(facts, options, IPV4_ALONE, current);
  // Its IPv4 address makes this host what it is; one with IPv6 on another interface would make it another.
  if (!half.ok || half.chosen.name !== current.name) return chooseFamilies(facts, options, families);
  const whole = await rechooseInterface(facts, options, families, current);
  if (whole.ok && whole.chosen.name === current.name) return whole;
  return withLack(keepIpv6(half, current), `${current.name} has no usable IPv6 address`, facts);
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

/** An interface that goes down loses its IPv6 addresses, and has them again soon: nothing to tell the whole cluster. */
function keepIpv6(half: Chosen, { ipv6, publicIpv6 }: ChosenInterface): Chosen {
  const kept = { ...(ipv6 && { ipv6 }), ...(publicIpv6 && { publicIpv6 }) };
  return { ...half, chosen: { ...half.chosen, ...kept } };
}

function withLack(half: Chosen, reason: string, { interfaces }: InterfaceFacts): FamilyChoice {
  const found = interfaces.find(({ name }) => name === half.chosen.name);
  const isComing = found?.addresses.some(({ address }) => address.includes(':') && isLinkLocal(address));
  return { ...half, lack: { reason, isComing: isComing === true } };
}

/** A network config as a host can run it. */
export interface HostConfig {
  /** As written for all hosts. */
  readonly document: NetworkConfig;
  /** The same without what this host cannot do. */
  readonly config: NetworkConfig;
  /** Why `config` is not all of `document`. */
  readonly lack?: string;
}

/** Leaves IPv6 out of `document` if the network has IPv4 and this host cannot do IPv6. */
export function configForHost(document: NetworkConfig, facts: HostFacts, lack?: Lack): HostConfig {
  const { ipv4, ipv6: _ipv6, ...rest } = document;
  if (ipv4 === undefined || document.ipv6 === undefined) return { document, config: document };
  const reason =
    facts.interface.ipv6 === undefined ? (lack?.reason ?? 'no address') : ipv6Problem(document, facts);
  return reason === undefined
    ? { document, config: document }
    : { document, config: { ...rest, ipv4 }, lack: reason };
}

/** Why the interface cannot carry IPv6 although it has an address. */
function ipv6Problem({ ipv4: _ipv4, ...ipv6Alone }: NetworkConfig, facts: HostFacts): string | undefined {
  try {
    backendFor(ipv6Alone.backend.type).mtu(ipv6Alone, facts);
    return undefined;
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
}
