// What the control socket says, version 1: the types that daemon and command line share. docs/control-socket.md describes
// them. Within a version members are added and never change their meaning, so readers pass over what they do not know.
// Times are ISO 8601 in UTC; `since` and the like are this host's wall clock as it is now, counted back.

/** Version of everything below, and first part of every path. */
export const CONTROL_VERSION = 1;

/** Body of every answer that is not 2xx. */
export interface ErrorV1 {
  readonly error: {
    /** For programs, for example `not-found`. */
    readonly code: string;
    /** For people; names the remedy where there is one. */
    readonly message: string;
  };
}

/**
 * `ok`: this host carries traffic to every peer. `degraded`: it does, but something is wrong. `not-ready`: it does not, or
 * nobody can say.
 */
export type HealthV1 = 'ok' | 'degraded' | 'not-ready';

/** `in-sync`: in the kernel as desired. `pending`: on its way. `error`: cannot be; tried again later. */
export type SyncV1 = 'in-sync' | 'pending' | 'error';

/** `GET /v1/status` */
export interface StatusV1 {
  readonly version: typeof CONTROL_VERSION;
  /** When this was true. */
  readonly at: string;
  readonly health: HealthV1;
  /** One line each: what stands in the way, then what should be known. Empty exactly if `ok`. */
  readonly reasons: readonly string[];
  readonly daemon: {
    readonly version: string;
    readonly pid: number;
    readonly startedAt: string;
    /** What it waits for, while it is not a member of the cluster yet; else `working`. */
    readonly phase: string;
    readonly memoryBytes: number;
  };
  /** Unset until the network config is known. */
  readonly network?: NetworkV1;
  /** Unset until the network config is known. */
  readonly config?: ConfigV1;
  /** Unset until one is chosen. */
  readonly interface?: InterfaceV1;
  /** Unset until the daemon asks for one. */
  readonly lease?: OwnLeaseV1;
  readonly registry: RegistryV1;
  /** Unset until the kernel is first looked at. */
  readonly kernel?: KernelV1;
  readonly peers: {
    readonly total: number;
    readonly inSync: number;
    readonly pending: number;
    readonly errors: number;
  };
}

export interface NetworkV1 {
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** `vxlan`, `host-gw`, `udp`, `alloc`. */
  readonly backend: string;
  /** Who encapsulates. */
  readonly encapsulation: 'kernel' | 'userspace' | 'none';
  /** Overlay devices by name. */
  readonly devices: readonly string[];
  /** For containers, in bytes; unset if the interface leaves none. */
  readonly mtu?: number;
}

/** The network config document. */
export interface ConfigV1 {
  /** Revision of the one in force. */
  readonly revision: number;
  /** The newest document, if it is refused, and why. */
  readonly rejected?: { readonly revision: number; readonly reason: string };
  /** How many came into force and how many were refused, since the start. */
  readonly counts: { readonly applied: number; readonly rejected: number };
}

/** The underlay interface. */
export interface InterfaceV1 {
  readonly name: string;
  readonly mtu: number;
  readonly address?: string;
  readonly addressV6?: string;
  /** What peers are told; differs from the address behind a NAT. */
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** Which rule chose it, for example `default route`. */
  readonly foundBy: string;
}

export interface OwnLeaseV1 {
  /** `waiting`, `acquiring`, `held`, `overdue`, `lost`, `exhausted`, `stopped`; docs/how-it-works.md explains them. */
  readonly state: string;
  readonly key?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly isReservation?: boolean;
  /** Unset for a reservation, which never ends. */
  readonly expiresAt?: string;
  /** What stands in the way now. */
  readonly lastError?: string;
}

export interface RegistryV1 {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly isConnected: boolean;
  readonly revision: number;
  readonly lastContactAt?: string;
  /** The last failure; kept after the registry is back. */
  readonly lastError?: string;
  /** Full reads so far, by reason. */
  readonly resyncs: Readonly<Record<string, number>>;
  /** Keys below `subnets/` that are no leases. */
  readonly badKeys: readonly { readonly key: string; readonly reason: string }[];
}

export interface KernelV1 {
  /** State of this host's own device, address and settings. */
  readonly host: SyncV1;
  readonly hostReason?: string;
  /** Objects that something else keeps changing. */
  readonly contested: readonly string[];
  readonly readError?: string;
  readonly runs: number;
  readonly lastRunAt?: string;
  readonly lastRunMs?: number;
  /** Changes made, by kind and action. */
  readonly steps: Readonly<Record<string, { readonly set: number; readonly remove: number }>>;
  /** Objects found changed or missing that were in place, by kind. */
  readonly drift: Readonly<Record<string, number>>;
  readonly resyncs: Readonly<Record<string, number>>;
  readonly failures: number;
}
