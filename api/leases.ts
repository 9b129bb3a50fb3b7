// `GET /v1/leases` and the two requests that change leases.
import type { CONTROL_VERSION } from './version.ts';

/** `GET /v1/leases`: every key below `subnets/`. */
export interface LeasesV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** Registry revision of the list. */
  readonly revision: number;
  readonly leases: readonly LeaseV1[];
}

export interface LeaseV1 {
  readonly key: string;
  /** What operators call the host that holds it. */
  readonly name?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** Empty for udp and alloc. */
  readonly backend: string;
  readonly isReservation: boolean;
  /** Whether it is the lease of the host that answers. */
  readonly isOwn: boolean;
  readonly modRevision: number;
  /** Why the key is invalid. */
  readonly problem?: string;
  /** The value in the registry, verbatim. */
  readonly value: string;
}

/** Body of `POST /v1/leases/reserve`. */
export interface ReserveV1 {
  /** For example `10.5.72.0/24`, or the text of a key. */
  readonly subnet: string;
  /** The host the subnet is reserved for; optional for a subnet that a host holds. */
  readonly publicIp?: string;
}

/** Body of `POST /v1/leases/release`. */
export interface ReleaseV1 {
  readonly subnet: string;
  /** The key is removed only if this is still its mod revision. */
  readonly modRevision: number;
}

/** Answer to both requests. */
export interface LeaseChangeV1 {
  readonly key: string;
  /** `unchanged`: the key was a reservation before. */
  readonly outcome: 'reserved' | 'released' | 'unchanged';
  readonly revision: number;
}
