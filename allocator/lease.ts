// The nouns of the allocator: what a lease is, and what a host publishes with it.
import { familyOf } from '../lib/address.ts';
import type { IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../lib/address.ts';

/**
 * The subnets that one key stands for. At least one is present. Key text of both: `10.5.52.0-24`,
 * `10.5.52.0-24&fd00:12:13::-56`, `0.0.0.0-0&fd00:0:0:1::-64` (IPv6 only).
 */
export interface LeaseSubnets {
  readonly ipv4?: Ipv4Cidr;
  readonly ipv6?: Ipv6Cidr;
}

/** `address` as the subnet that holds it alone. */
export function subnetAround(address: IpAddress): LeaseSubnets {
  return familyOf(address) === 4
    ? { ipv4: `${address}/32` as Ipv4Cidr }
    : { ipv6: `${address}/128` as Ipv6Cidr };
}

/**
 * What a host publishes as the value of its key. Absent optional members are unset (`null` or
 * omitted on the wire).
 */
export interface LeaseAttributes {
  /**
   * Underlay IPv4 address that peers send to; unset on an IPv6-only host (`0.0.0.0` on the wire).
   */
  readonly publicIp?: Ipv4;
  readonly publicIpv6?: Ipv6;
  /** Empty for `udp` and `alloc`, which flannel leaves out of the value. */
  readonly backendType: string;
  /** Backend's own JSON for IPv4 and IPv6; its shape is known to that backend only. */
  readonly backendData?: unknown;
  readonly backendV6Data?: unknown;
  /** Fields of weft, which flannel ignores. Published only where they are needed. */
  readonly weft?: WeftAttributes;
}

export interface WeftAttributes {
  /** UDP port of the backend, where it is not that backend's usual one. */
  readonly port?: number;
  /**
   * Transports that this host may still send by and receives on, while it migrates to another one.
   */
  readonly leaving?: readonly LegacyTransport[];
  /** It sends by none of them any more. */
  readonly isDrained?: boolean;
  /**
   * With `udp`: it takes super-packets of a kernel, one datagram of up to 64 KiB. flannel's proxy
   * truncates them.
   */
  readonly acceptsGso?: boolean;
  /**
   * With a packet path over IPv6: it takes UDP without a checksum (RFC 6935), which a BPF program
   * sends.
   */
  readonly acceptsZeroChecksum?: boolean;
  /** With `wireguard`: generation of the published key. flannel publishes none. */
  readonly keyEpoch?: number;
}

/** A transport that a host migrates away from, as its lease advertises it. */
export type LegacyTransport = Pick<LeaseAttributes, 'backendType' | 'backendData' | 'backendV6Data'> &
  Pick<WeftAttributes, 'port' | 'keyEpoch'>;

/** A subnet leased by some host, as read from the registry. */
export interface Lease {
  /** Text of the key below `<prefix>/subnets/`; identifies the lease. */
  readonly key: string;
  readonly subnets: LeaseSubnets;
  readonly attributes: LeaseAttributes;
  /** True if the key has no etcd lease: an operator's reservation, which never expires. */
  readonly isReservation: boolean;
}

/** A key below the prefix that is no lease. It concerns that key alone: counted, shown, ignored. */
export interface InvalidEntry {
  readonly key: string;
  /** What is wrong, with the offending value. */
  readonly reason: string;
  /** What the key text stands for nevertheless: no host may lease it while the entry exists. */
  readonly blocked?: LeaseSubnets;
}
