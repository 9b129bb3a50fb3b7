// The desired state of the kernel, as plain data. Backends derive it, the reconciler makes it so.
// Types only, and the one function that names an object. Each object type is named after the
// iproute2 object that shows it.
import type { Cidr, Family, IpAddress, MacAddress } from '../lib/address.ts';
import type { Secret } from '../lib/secret.ts';

/** MTU of the underlay interface, in bytes. */
export type UnderlayMtu = number & { readonly __mtu: 'underlay' };
/** MTU that containers may use, in bytes: the underlay's less the encapsulation overhead. */
export type OverlayMtu = number & { readonly __mtu: 'overlay' };

/**
 * A VXLAN device (`ip -d link show NAME`). Always up, tx queue length 0, ttl/tos 0 (inherit rules
 * of the kernel).
 */
export interface VxlanLink {
  readonly kind: 'link';
  readonly type: 'vxlan';
  readonly name: string;
  readonly vni: number;
  /** UDP destination port as the kernel reports it (8472 where config leaves it out). */
  readonly port: number;
  /** Tunnel source: an address of this host. */
  readonly local: IpAddress;
  /** Name of the underlay interface. */
  readonly parent: string;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly mac: MacAddress;
  readonly mtu: OverlayMtu;
}

/**
 * A TUN device with this process's packet path behind it, which encapsulates in userspace. Always
 * up. It can be opened and closed but not changed, except for its MTU.
 */
export interface TunLink {
  readonly kind: 'link';
  readonly type: 'tun';
  readonly name: string;
  /**
   * `udp`: the bare inner packet, flannel's udp backend. `vxlan`: what a VXLAN device of the kernel
   * would send.
   */
  readonly encapsulation: 'udp' | 'vxlan';
  /** Underlay address of this end: an address of this host. */
  readonly local: IpAddress;
  readonly port: number;
  /** 0 with encapsulation udp. */
  readonly vni: number;
  /** Own VTEP MAC; all zero with encapsulation udp. */
  readonly mac: MacAddress;
  readonly mtu: OverlayMtu;
}

/**
 * An IP-in-UDP device of the kernel (`ip -d link show NAME`, ipip or ip6tnl with encap fou), and the
 * port at which the kernel receives for it (`ip fou show`): what flannel's udp backend sends. Always
 * up, without a remote: the gateway of a route is the underlay address of the peer. The inner family
 * is that of `local`.
 */
export interface FouLink {
  readonly kind: 'link';
  readonly type: 'fou';
  readonly name: string;
  /** Underlay address of this end: an address of this host. */
  readonly local: IpAddress;
  /** UDP port of both ends. */
  readonly port: number;
  /**
   * Name of the underlay interface, or empty. The kernel distinguishes devices without remote by
   * `local` and this (ip_tunnel_find), so the second of two ports has it.
   */
  readonly parent: string;
  readonly mtu: OverlayMtu;
}

/**
 * A WireGuard device (`wg show NAME`): of the kernel, or of a program in userspace with no
 * difference. Always up.
 */
export interface WireguardLink {
  readonly kind: 'link';
  readonly type: 'wireguard';
  readonly name: string;
  /** Names the private key, which no object holds. Base64. */
  readonly publicKey: string;
  /** UDP port of this end. */
  readonly listenPort: number;
  readonly mtu: OverlayMtu;
}

/**
 * An IP-in-IP device (`ip -d link show NAME`, ipip): the inner packet behind another IPv4 header. Always
 * up, without a remote: the gateway of a route is the underlay address of the peer.
 */
export interface IpipLink {
  readonly kind: 'link';
  readonly type: 'ipip';
  readonly name: string;
  /** Underlay address of this end: an address of this host. */
  readonly local: IpAddress;
  /** Name of the underlay interface. A device of FOU with the same `local` has none. */
  readonly parent: string;
  readonly mtu: OverlayMtu;
}

export type LinkObject = VxlanLink | TunLink | FouLink | IpipLink | WireguardLink;

/** `ip address show dev DEV`: scope global, no label. */
export interface AddressObject {
  readonly kind: 'address';
  readonly dev: string;
  /** With prefix length, for example `10.5.72.0/32`. */
  readonly address: Cidr;
}

/** `ip neighbour show dev DEV`: state permanent. */
export interface NeighbourObject {
  readonly kind: 'neighbour';
  readonly dev: string;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}

/** `bridge fdb show dev DEV`: self permanent, one remote. */
export interface FdbObject {
  readonly kind: 'fdb';
  readonly dev: string;
  readonly mac: MacAddress;
  /** Underlay address of the peer's VTEP. */
  readonly destination: IpAddress;
}

/**
 * Metric of a blackhole route: above that of any other route to the same subnet. The kernel gives a
 * bridge's route 0 (256 in IPv6), NetworkManager up to about 20,000.
 */
export const BLACKHOLE_METRIC = 1_000_000;

/**
 * `ip route show DESTINATION`: unicast in the main table, scope universe, without metric, weft's
 * protocol number.
 */
export interface RouteObject {
  readonly kind: 'route';
  readonly destination: Cidr;
  /** Unspecified address (`0.0.0.0`, `::`): none, the destination is on the device itself. */
  readonly gateway: IpAddress;
  readonly dev: string;
  /** The gateway is taken to be on the link even if no local prefix covers it (`onlink`). */
  readonly isOnLink: boolean;
  /**
   * `ip route show type blackhole`: drops what nothing better takes. Without device, and with
   * {@link BLACKHOLE_METRIC}.
   */
  readonly isBlackhole?: true;
}

/**
 * An entry of the packet path behind a {@link TunLink}: which peer has a subnet, and where that
 * peer is.
 */
export interface PathRouteObject {
  readonly kind: 'tunnel';
  readonly dev: string;
  /** Subnet of the peer. */
  readonly destination: Cidr;
  /** Underlay address of the peer. */
  readonly remote: IpAddress;
  readonly port: number;
  /** The peer's VTEP MAC; all zero with encapsulation udp. */
  readonly mac: MacAddress;
  /** The peer takes one packet a datagram: no super-packets. */
  readonly needsSegments: boolean;
  /** The peer takes UDP over IPv6 without a checksum. */
  readonly acceptsZeroChecksum: boolean;
}

/** `wg show DEV`: a peer, with all that may come from it and goes to it. */
export interface WireguardPeerObject {
  readonly kind: 'wireguard-peer';
  readonly dev: string;
  /** Base64. */
  readonly publicKey: string;
  /** Fingerprint of the preshared key; empty without one. */
  readonly pskId: string;
  /** Underlay address and port of the peer, `192.0.2.2:51820`. */
  readonly endpoint: string;
  /** In seconds; 0 is off. */
  readonly keepaliveSec: number;
  /** Subnets in the order of their text, with spaces between. */
  readonly allowedIps: string;
}

/**
 * A file below /proc/sys, for example `net/ipv6/conf/flannel.1/accept_ra`. Best effort: a rejection
 * is a warning.
 */
export interface SysctlObject {
  readonly kind: 'sysctl';
  readonly path: string;
  readonly value: string;
}

/**
 * `ethtool -k DEV`: an offload of a device. Best effort, as a sysctl. To remove it gives the device
 * back what the kernel begins with, which is on.
 */
export interface FeatureObject {
  readonly kind: 'feature';
  readonly dev: string;
  /** Name that the kernel has for it (netdev_features_strings). */
  readonly name: 'tx-checksum-ip-generic';
  readonly isOn: boolean;
}

/** What is in no table of the kernel and is read one by one. */
export type SettingObject = SysctlObject | FeatureObject;

/**
 * Rules of the firewall that are all ours. With nftables a whole table (`nft list table ip
 * flannel-ipv4`), with iptables a chain, and with it the rule of a built-in chain that leads there
 * (`iptables-save`, the lines of both).
 */
export interface FirewallObject {
  readonly kind: 'firewall';
  readonly engine: 'nft' | 'iptables';
  readonly family: Family;
  /** `flannel-ipv4`, or with iptables table and chain: `nat FLANNEL-POSTRTG`. */
  readonly name: string;
  /** As those commands print it, without counters. */
  readonly rules: string;
}

/**
 * Commands of the operator that stand for this host or for a peer (backend extension). To set it
 * runs one, to remove it the other; the kernel knows nothing of it.
 */
export interface CommandObject {
  readonly kind: 'command';
  /** `host`, or the subnet of the peer. */
  readonly subject: string;
  /** As in the network config; may be empty. */
  readonly addCommand: string;
  readonly removeCommand: string;
  /** A shell runs the commands, and not a program by its name. */
  readonly isShell: boolean;
  /** Variables beside those of the daemon, `NAME=value`, one a line. */
  readonly environment: string;
  /** Standard input. */
  readonly input: string;
}

/** `ip xfrm policy`: packets between two IPv4 subnets go through an ESP tunnel. */
export interface PolicyObject {
  readonly kind: 'policy';
  readonly direction: 'in' | 'out' | 'fwd';
  readonly source: Cidr;
  readonly destination: Cidr;
  readonly tunnelSource: IpAddress;
  readonly tunnelDestination: IpAddress;
  /** Packets that came without IPsec pass (`level use`). */
  readonly isOptional: boolean;
}

/** strongSwan's IKE daemon, which listens at a socket. */
export interface CharonObject {
  readonly kind: 'charon';
  readonly socket: string;
}

/** A connection of charon (`swanctl --list-conns`), which negotiates the keys of one tunnel. */
export interface IkeObject {
  readonly kind: 'ike';
  readonly name: string;
  /** Underlay addresses of both ends, and what peers know this end by. */
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly publicIp: IpAddress;
  readonly localSubnet: Cidr;
  readonly remoteSubnet: Cidr;
  readonly espProposal: string;
  /** ESP in UDP, also where no NAT is found. */
  readonly isUdpEncap: boolean;
  readonly psk: Secret | undefined;
}

/**
 * A route in the table of the cloud that this host is in (backend tencent-vpc); the kernel knows nothing
 * of it.
 */
export interface CloudRouteObject {
  readonly kind: 'cloud-route';
  readonly destination: Cidr;
  /** Underlay address of the host that has the subnet. */
  readonly gateway: IpAddress;
  /** Empty: the daemon's environment has it. */
  readonly accessKeyId: string;
  readonly accessKeySecret: Secret | undefined;
}

export type KernelObject =
  | LinkObject
  | AddressObject
  | NeighbourObject
  | FdbObject
  | RouteObject
  | PathRouteObject
  | WireguardPeerObject
  | SettingObject
  | FirewallObject
  | CommandObject
  | CloudRouteObject
  | PolicyObject
  | CharonObject
  | IkeObject;

export type KernelObjectKind = KernelObject['kind'];

/**
 * Identity of an object: two objects with one key cannot both exist, the second replaces the first.
 * The kind is part of the type, so that no other string passes for a key.
 */
export type ObjectKey = `${KernelObjectKind} ${string}`;

export function isSetting(object: KernelObject): object is SettingObject {
  return object.kind === 'sysctl' || object.kind === 'feature';
}

/** Names `object` by kind and identity, for example `fdb flannel.1 c6:d2:32:6f:8f:44`. */
export function objectKey(object: KernelObject): ObjectKey {
  switch (object.kind) {
    case 'link':
      return `link ${object.name}`;
    case 'address':
      return `address ${object.dev} ${object.address}`;
    case 'neighbour':
      return `neighbour ${object.dev} ${object.address}`;
    case 'fdb':
      return `fdb ${object.dev} ${object.mac}`;
    case 'route':
      return `route ${object.destination}${object.isBlackhole ? ` metric ${BLACKHOLE_METRIC}` : ''}`;
    case 'tunnel':
      return `tunnel ${object.dev} ${object.destination}`;
    case 'wireguard-peer':
      return `wireguard-peer ${object.dev} ${object.publicKey}`;
    case 'sysctl':
      return `sysctl ${object.path}`;
    case 'feature':
      return `feature ${object.dev} ${object.name}`;
    case 'policy':
      return `policy ${object.direction} ${object.source} ${object.destination}`;
    case 'charon':
      return `charon ${object.socket}`;
    case 'ike':
      return `ike ${object.name}`;
    case 'cloud-route':
      return `cloud-route ${object.destination}`;
    case 'command':
      return `command ${object.subject}`;
    case 'firewall':
      return `firewall ${object.engine} ${object.family === 4 ? 'ip' : 'ip6'} ${object.name}`;
  }
}
