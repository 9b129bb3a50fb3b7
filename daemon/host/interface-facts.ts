// Input and result of the choice of an interface: the operator's options, the kernel's interfaces
// and routes, and the chosen interface. Types, and which address families a network config enables.
import type { NetworkConfig, WireguardConfig } from '../../allocator/config/config.ts';
import type { Ownership, WireguardFacts } from '../../backends/backend.ts';
import type { IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import type { Interface, MainRoute, RouteLookup } from '../kernel/kernel.ts';

/** The operator's flags. */
export interface InterfaceOptions {
  /** Names or addresses, best first. */
  readonly names: readonly string[];
  /** Matched unanchored against addresses, then names. */
  readonly patterns: readonly RegExp[];
  readonly canReach?: IpAddress;
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
  /** Addresses of etcd, as far as its endpoints are addresses of other hosts. */
  readonly etcdAddresses?: readonly IpAddress[];
  /** No BPF fast path: by a flag, or the kernel has none. */
  readonly isBpfOff?: boolean;
  /** Keys of this host. Absent: WireGuard cannot be used. */
  readonly wireguardKeys?: WireguardKeySource;
}

/** Reads and makes keys of this host. */
export interface WireguardKeySource {
  /** All keys; one of `wanted.keyEpoch` is made if there is none. Secrets are kept for the kernel. */
  facts(wanted: WireguardConfig | undefined): WireguardFacts | undefined;
  /** Removes the keys of all epochs but `kept`. */
  retire(kept: ReadonlySet<number>): void;
}

/** A snapshot of the kernel's interfaces and routes. */
export interface InterfaceFacts {
  readonly interfaces: readonly Interface[];
  readonly routes: readonly MainRoute[];
  /** `ip route get ADDRESS`. */
  readonly lookupRoute: (address: IpAddress) => Promise<RouteLookup | undefined>;
}

/** Address families that the network config enables; at least one. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** The networks themselves: their addresses are those of containers. */
  readonly networks?: Ownership['networks'];
  /** Set if the network's backend is wireguard. */
  readonly wireguard?: WireguardConfig;
}

/** The address families of a network config. */
export function familiesOf({
  backend,
  ipv4,
  ipv6,
}: Pick<NetworkConfig, 'ipv4' | 'ipv6'> & Partial<Pick<NetworkConfig, 'backend'>>): Families {
  const networks = [ipv4, ipv6].flatMap((range) => (range === undefined ? [] : [range]));
  const wireguard = backend?.type === 'wireguard' ? { wireguard: backend } : {};
  return { ipv4: ipv4 !== undefined, ipv6: ipv6 !== undefined, networks, ...wireguard };
}

export interface ChosenInterface {
  readonly name: string;
  /** In bytes. */
  readonly mtu: number;
  /** Addresses of the interface itself: the tunnel source. Set for each enabled family. */
  readonly ipv4?: Ipv4;
  readonly ipv6?: Ipv6;
  /** Addresses in this host's lease. */
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
  /** The rule that selected it, for example `--iface=eth0` or `the default route`. */
  readonly selectedBy: string;
  /**
   * Whether an address selected it: the interface is no longer the choice once it loses that
   * address.
   */
  readonly isBoundToAddress: boolean;
}

export type InterfaceChoice =
  | { readonly ok: true; readonly chosen: ChosenInterface; readonly warnings: readonly string[] }
  /** `message` is one line with every attempt and the flag to use. */
  | { readonly ok: false; readonly message: string };

/** Result of one lookup: an interface, or why there is none. */
export type InterfaceMatch =
  | {
      readonly interface: Interface;
      readonly ipv4?: Ipv4;
      readonly ipv6?: Ipv6;
      readonly isBoundToAddress: boolean;
    }
  | { readonly problem: string };
