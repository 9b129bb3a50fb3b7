// What a backend is: pure functions from leases, config and facts about this host to attributes and
// kernel objects. No clock, no I/O, no logger. The daemon calls them again whenever an input
// changed.
import type { Cidr, Family, IpAddress, Ipv4, Ipv6 } from '../lib/address.ts';
import type { BackendType, NetworkConfig } from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes, LeaseSubnets } from '../allocator/lease.ts';
import { WeftError } from '../api/errors.ts';
import type { KernelObject, OverlayMtu, UnderlayMtu } from './kernel-state.ts';
import type { TakenMacs } from './vtep-mac.ts';

/** A route of the main table that this daemon does not own, as far as next hops depend on it. */
export interface UnderlayRoute {
  readonly destination: Cidr;
  /** Unset for a connected network, and for a route that discards. */
  readonly gateway?: IpAddress;
  readonly dev: string;
  /** Set if the route discards packets; the device then means nothing. */
  readonly discards?: 'blackhole' | 'unreachable' | 'prohibit';
  /** Lower wins among equal destinations. */
  readonly metric: number;
}

/**
 * What a backend may know about this host. Plain data, read again when the kernel says that it
 * changed.
 */
export interface HostFacts {
  readonly interface: {
    readonly name: string;
    readonly mtu: UnderlayMtu;
    /** Addresses of the chosen interface: the tunnel source and the next-hop side. */
    readonly ipv4?: Ipv4;
    readonly ipv6?: Ipv6;
  };
  /** Addresses published for peers to send to; they differ from the interface's behind a NAT. */
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
  readonly underlayRoutes: readonly UnderlayRoute[];
  /**
   * Whether VXLAN is done by the packet path of this process instead of the kernel. Absent means
   * no.
   */
  readonly isVxlanInUserspace?: boolean;
  /**
   * Whether the kernel carries the udp backend instead of the packet path of this process. Absent
   * means no.
   */
  readonly isUdpInKernel?: boolean;
  /**
   * Whether the packet path leaves all packets to its workers, which take datagrams with checksums
   * many at once. Absent means no.
   */
  readonly isBpfOff?: boolean;
  /** Devices whose IPv6 default route a router advertised. Absent means none. */
  readonly advertisedRouters?: readonly string[];
  /**
   * Families in whose tunnel devices get checksums wrong that are left to them. Absent means none.
   */
  readonly badOffloadFamilies?: readonly Family[];
  /** VTEP MACs of peers, which this host's own must not be among. Absent means none. */
  readonly takenMacs?: TakenMacs;
  /** Addresses of etcd, as far as they are known. Absent means none. */
  readonly etcdAddresses?: readonly IpAddress[];
  /** What the leases of other peers have against the subnet of a peer. Absent means nothing. */
  readonly peerClashes?: PeerClashes;
  /** Keys of this host for WireGuard. Absent: they were not asked for. */
  readonly wireguard?: WireguardFacts;
  /**
   * Peers that have answered a WireGuard handshake: they know this host's key. Absent means none is
   * known of.
   */
  readonly handshakes?: Handshakes;
  /** Families whose FORWARD chain of iptables drops what no rule accepts. Absent means none. */
  readonly forwardDropFamilies?: readonly Family[];
  /** Output of the PreStartupCommand of the backend extension. Absent without one. */
  readonly extensionData?: string;
}

/** What this host knows of its own keys. */
export interface WireguardFacts {
  /** Public keys in base64, by their epoch. */
  readonly publicKeys: Readonly<Record<number, string>>;
  /** Why a key is missing, with the remedy. */
  readonly error?: string;
}

/** Handshakes of WireGuard with peers. */
export interface Handshakes {
  /** Whether the peer with this key has answered on the device `dev`. */
  has(dev: string, publicKey: string): boolean;
  /** Whether it has been on `dev` for so long without an answer that this host begins, whichever of the two should. */
  isLate(dev: string, publicKey: string): boolean;
}

/** Compares leases with each other, so that no backend has to. */
export interface PeerClashes {
  /** Why the peer `key` must not be routed to by `subnet`; `undefined` if it may. */
  clashOf(key: string, subnet: Cidr): string | undefined;
}

/** Everything that the state of this host's own objects depends on. */
export interface BackendContext {
  readonly config: NetworkConfig;
  readonly host: HostFacts;
  readonly own: { readonly subnets: LeaseSubnets; readonly attributes: LeaseAttributes };
  /** Several transports are in use, so that each peer needs a route of its own. Absent means no. */
  readonly isMigrating?: boolean;
  /**
   * Commands of the backend extension may have made routes to peers, which another transport may
   * replace. Absent means no.
   */
  readonly hasCommands?: boolean;
}

/**
 * Kernel objects for one peer, or why it cannot have any. `mode` is what operators are shown. With
 * objects, `reason` says why one family of a dual-stack peer is left out while the other works.
 */
export type PeerState =
  | {
      readonly mode: 'tunnel' | 'direct' | 'userspace' | 'command' | 'none';
      readonly objects: readonly KernelObject[];
      readonly reason?: string;
    }
  | { readonly mode: 'error'; readonly reason: string; readonly objects: readonly [] };

/**
 * The shape of routes, neighbours and FDB entries that are this daemon's to remove when no lease
 * wants them.
 */
export interface Ownership {
  /** Devices whose routes, neighbours, FDB entries and addresses are all ours. */
  readonly devices: readonly string[];
  /**
   * Networks inside which routes with weft's protocol number are ours, as are those that flannel
   * would have made (protocol boot, via a gateway, a host's subnet length, through the interface or
   * one of `devices`).
   */
  readonly networks: readonly { readonly network: Cidr; readonly subnetLength: number }[];
  readonly interface: string;
  /** Commands on record are ours. Absent means none are. */
  readonly hasCommands?: boolean;
  /** IPsec policies with flannel's request id, and connections of charon, are ours. Absent means none are. */
  readonly hasIpsec?: boolean;
}

export interface Backend {
  readonly type: BackendType;
  /**
   * What to publish. `previous` is the value found under the own key, so that what peers already
   * know is kept.
   * @throws BackendError if this host cannot take part, with the remedy.
   */
  attributes(config: NetworkConfig, host: HostFacts, previous?: LeaseAttributes): LeaseAttributes;
  /** MTU for containers. @throws BackendError if nothing usable is left. */
  mtu(config: NetworkConfig, host: HostFacts): OverlayMtu;
  ownership(config: NetworkConfig, host: HostFacts): Ownership;
  /**
   * Objects that stand for this host itself: devices, addresses, sysctls.
   * @throws BackendError if the interface lost the address that they need; the last good objects
   * should then stay.
   */
  deriveHost(context: BackendContext): readonly KernelObject[];
  /**
   * Objects that lead to one peer. A peer of another backend type, or with unusable data, is an
   * `error` of that peer.
   */
  derivePeer(context: BackendContext, peer: Lease): PeerState;
}

/**
 * Why this host cannot run the configured backend. The message names the thing, the value and the
 * remedy.
 */
export class BackendError extends WeftError {
  constructor(message: string) {
    super('BACKEND_UNSUITABLE', message);
  }
}
