// The network config after validation: types only. `config-parse.ts` makes one of the document in etcd.
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';

/** Subnets of one family that hosts may lease: every multiple of the subnet size from `min` to `max`, both included. */
export interface Ipv4Range {
  readonly network: Ipv4Cidr;
  /** Prefix length of each host's subnet, in bits. */
  readonly subnetLength: number;
  readonly min: Ipv4;
  readonly max: Ipv4;
}

export interface Ipv6Range {
  readonly network: Ipv6Cidr;
  readonly subnetLength: number;
  readonly min: Ipv6;
  readonly max: Ipv6;
}

export type BackendType = 'vxlan' | 'host-gw' | 'udp' | 'alloc';

export type TxChecksumOffload = 'auto' | 'on' | 'off';

export interface VxlanConfig {
  readonly type: 'vxlan';
  /** VXLAN network identifier, 1..16777215 (RFC 7348 §4); default 1. The device name limits it further. */
  readonly vni: number;
  /** UDP destination port; unset means the kernel's default, 8472. */
  readonly port?: number;
  /** MTU of the underlay, in bytes, to derive the overlay's from; unset means that of the interface. */
  readonly mtu?: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly directRouting: boolean;
  /** Encapsulate in userspace: always, never, or `auto`: where the kernel has no VXLAN. Peers cannot tell. */
  readonly userspace: boolean | 'auto';
  /** Whether checksums of packets in the tunnel are left to devices; `auto`: until they are found to come out wrong. */
  readonly txChecksumOffload: TxChecksumOffload;
  /** Not in the document: the device is named after its port, as another of this VNI has the usual name. */
  readonly usesPortName?: boolean;
}

/** Packets in bare UDP, encapsulated in userspace: flannel's udp backend. */
export interface UdpConfig {
  readonly type: 'udp';
  /** UDP port of all hosts; default 8285. */
  readonly port: number;
  /** MTU of the underlay, in bytes, to derive the overlay's from; unset means that of the interface. */
  readonly mtu?: number;
  /** As with vxlan. */
  readonly usesPortName?: boolean;
}

export interface HostGwConfig {
  readonly type: 'host-gw';
}

export interface AllocConfig {
  readonly type: 'alloc';
}

export type BackendConfig = VxlanConfig | HostGwConfig | UdpConfig | AllocConfig;

/** A valid network config with every default filled in. Deeply frozen. */
export interface NetworkConfig {
  /** Unset if `EnableIPv4` is false. At least one family is set. */
  readonly ipv4?: Ipv4Range;
  /** Unset unless `EnableIPv6` is true. */
  readonly ipv6?: Ipv6Range;
  /** Which program keeps the firewall rules; unset: nftables where it works. */
  readonly enableNftables?: boolean;
  readonly backend: BackendConfig;
  /** True if the document has no `Backend` key: flannel takes udp there, weft takes vxlan. */
  readonly isBackendDefaulted: boolean;
}
