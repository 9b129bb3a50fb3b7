// `GET /v1/route?to=ADDRESS` traces a packet through this host's tables; `GET /v1/diff` compares
// the kernel with the desired state.
import type { CONTROL_VERSION } from './version.ts';

/** `GET /v1/route?to=ADDRESS` */
export interface RouteV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  readonly to: string;
  /** The subnet of the address: this host's, a peer's, unleased, or outside the network. */
  readonly kind: 'own' | 'peer' | 'unleased' | 'outside';
  readonly owner?: {
    readonly key: string;
    readonly name?: string;
    readonly subnet: string;
    readonly publicIp?: string;
  };
  readonly lookups: readonly LookupV1[];
  /**
   * What carries the packet: a tunnel of the kernel or of this process, a plain route, this host,
   * or nothing. `unencapsulated`: another route than the overlay's takes it off this host as it is.
   */
  readonly datapath: 'kernel' | 'userspace' | 'direct' | 'local' | 'unencapsulated' | 'none';
  /** The protocol of the tunnel; unset without one. */
  readonly encapsulation?: 'vxlan' | 'udp' | 'wireguard' | 'ipip' | 'esp';
  /** The device of the kernel's route; unset without a route. */
  readonly dev?: string;
  /** Largest packet that the datapath carries, in bytes. */
  readonly mtu?: number;
  /** Bytes that encapsulation adds. */
  readonly overheadBytes?: number;
  /** Every lookup finds the desired entry. */
  readonly isWhole: boolean;
}

export interface LookupV1 {
  readonly table: 'lease' | 'route' | 'policy' | 'neighbour' | 'fdb' | 'tunnel' | 'underlay';
  /** Lookup key. */
  readonly key: string;
  /** The entry found, in iproute2 syntax. */
  readonly entry?: string;
  readonly problem?: string;
}

/** `GET /v1/diff`: actual kernel state, read now, against desired state. */
export interface DiffV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** Number of desired objects. */
  readonly desired: number;
  readonly differences: readonly DifferenceV1[];
}

export interface DifferenceV1 {
  /**
   * `extra`: marked as ours but not desired. `foreign`: the name is taken by a device of another
   * program.
   */
  readonly kind: 'missing' | 'different' | 'extra' | 'foreign';
  /** For example `route 10.5.2.0/24`. */
  readonly object: string;
  /** `host`, or the key of the peer that needs the object. */
  readonly owner?: string;
  /** The desired object in iproute2 syntax. */
  readonly desired?: string;
  readonly actual?: string;
  /** The attributes that differ, for example `mtu 1400 instead of 1450`. */
  readonly what?: string;
  /** Why the difference persists. */
  readonly reason?: string;
}
