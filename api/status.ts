// `GET /v1/status`: the state of this host on one screen.
import type { CONTROL_VERSION } from './version.ts';

/** Every {@link HealthV1}, best first. */
export const HEALTH_STATES = ['ok', 'degraded', 'not-ready'] as const;

/**
 * `ok`: this host carries traffic to every peer. `degraded`: it does, with a fault to know of.
 * `not-ready`: it does not, or its state is unknown.
 */
export type HealthV1 = (typeof HEALTH_STATES)[number];

/** Every {@link SyncV1}. */
export const SYNC_STATES = ['in-sync', 'pending', 'error'] as const;

/**
 * `in-sync`: in the kernel as desired. `pending`: not yet. `error`: rejected; retried with
 * back-off.
 */
export type SyncV1 = (typeof SYNC_STATES)[number];

/** Every {@link LivenessStateV1}. */
export const LIVENESS_STATES = ['reachable', 'silent', 'overlay-broken'] as const;

/**
 * `reachable`: a peer answers. `silent`: it does not. `overlay-broken`: its public IP answers, its
 * overlay address does not.
 */
export type LivenessStateV1 = (typeof LIVENESS_STATES)[number];

/** Every {@link LeaseStateV1}. */
export const LEASE_STATES = [
  'waiting',
  'acquiring',
  'held',
  'expiring',
  'lost',
  'exhausted',
  'stopped',
] as const;

/** State of this host's lease; docs/explanation/how-it-works.md explains each. */
export type LeaseStateV1 = (typeof LEASE_STATES)[number];

/** `GET /v1/status` */
export interface StatusV1 {
  readonly version: typeof CONTROL_VERSION;
  /** When the document was made. */
  readonly at: string;
  /** What operators call this host. */
  readonly name?: string;
  readonly health: HealthV1;
  /**
   * One line each: first what prevents traffic, then what is worth knowing. Empty exactly if `ok`.
   */
  readonly reasons: readonly string[];
  readonly daemon: {
    readonly version: string;
    readonly pid: number;
    readonly startedAt: string;
    /** What the daemon waits for before it joins the cluster; `working` afterwards. */
    readonly phase: string;
    /** Resident set size. */
    readonly memoryBytes: number;
  };
  /** Unset until the network config is known. */
  readonly network?: NetworkV1;
  /** Unset until the network config is known. */
  readonly config?: ConfigV1;
  /** Unset until an interface is chosen. */
  readonly interface?: InterfaceV1;
  /** Unset until the daemon requests a lease. */
  readonly lease?: OwnLeaseV1;
  readonly registry: RegistryV1;
  /** Unset until the kernel is first read. */
  readonly kernel?: KernelV1;
  readonly peers: PeerCountsV1;
  /** The conflist that container runtimes read; unset without --cni-config-path. */
  readonly conflist?: ConflistV1;
}

export interface ConflistV1 {
  readonly path: string;
  readonly isInstalled: boolean;
  /** Path of the file of another program that runtimes use instead. */
  readonly precededBy?: string;
  /** Why runtimes do not use the conflist of this node. */
  readonly problem?: string;
}

/** Peers by state in the kernel. `total` is the sum of `inSync`, `pending` and `errors`. */
export interface PeerCountsV1 {
  readonly total: number;
  readonly inSync: number;
  readonly pending: number;
  readonly errors: number;
  /** Peers by liveness, `total` as well; unset without probes. */
  readonly liveness?: Readonly<Record<LivenessStateV1 | 'unknown', number>>;
}

/**
 * The network this host is part of. Where the network config differs, `reasons` or `migration` say
 * why.
 */
export interface NetworkV1 {
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** `vxlan`, `host-gw`, `udp` or `alloc`. */
  readonly backend: string;
  /** The datapath that encapsulates; `none` without encapsulation. */
  readonly encapsulation: 'kernel' | 'userspace' | 'none';
  /** Overlay devices by name. */
  readonly devices: readonly string[];
  /** MTU of containers, in bytes; unset where the interface's MTU is too small for any. */
  readonly mtu?: number;
  /** The change of VNI, port or backend in progress. */
  readonly migration?: MigrationV1;
  /** Devices of the userspace packet path; unset without any. */
  readonly paths?: readonly PacketPathV1[];
  /** Checksum offload by address family; unset where the kernel does no VXLAN. */
  readonly checksumOffload?: readonly ChecksumOffloadV1[];
}

/** One device of the userspace packet path; docs/explanation/packet-path.md explains the counts. */
export interface PacketPathV1 {
  readonly device: string;
  /** Why the BPF fast path is off; unset if it is on. */
  readonly bpfDisabledReason?: string;
  /** The VXLAN device that decapsulates TCP for the fast path; unset: none. */
  readonly decapDevice?: string;
  /** The end of a veth pair that joins TCP of peers that send no super-packets; unset: none. */
  readonly joinDevice?: string;
  /** Since the device was opened; each contains the next. */
  readonly rxPackets: number;
  readonly kernelRxPackets: number;
  readonly kernelDecapPackets: number;
  readonly txPackets: number;
  readonly kernelTxPackets: number;
}

/** Checksum offload of one VXLAN device; docs/reference/config.md explains it. */
export interface ChecksumOffloadV1 {
  readonly device: string;
  readonly family: 4 | 6;
  /** `TxChecksumOffload` of the network config. */
  readonly setting: 'auto' | 'on' | 'off';
  /**
   * Result of the probes with `auto`: `unknown`, `good`, `suspect` or `bad`. `off`: the offload was
   * off before this daemon started, and it leaves it so. Unset with `on` and `off`.
   */
  readonly found?: 'unknown' | 'good' | 'suspect' | 'bad' | 'off';
  /** When `found` last changed; unset while it is `unknown`. */
  readonly since?: string;
  /** Overlay addresses of the peers whose replies decided it. */
  readonly peers?: readonly string[];
  /** The value this daemon enforces; unset where it leaves the feature alone. */
  readonly isOn?: boolean;
}

/** A migration between transports; docs/explanation/migration.md explains the states. */
export interface MigrationV1 {
  readonly state: 'preparing' | 'leaving' | 'draining' | 'removing';
  /** The transport in this host's lease, for example `vxlan VNI 1 port 8472`. */
  readonly announced: string;
  /** The transport of the network config. */
  readonly wanted: string;
  /** Keys of the peers that have not migrated. */
  readonly pendingPeers: readonly string[];
  /** Why the wanted transport cannot be announced. */
  readonly blocker?: string;
}

/** The network config document. */
export interface ConfigV1 {
  /** Registry revision of the document in force. */
  readonly revision: number;
  /** The newest document, if it is rejected, and why. */
  readonly rejected?: { readonly revision: number; readonly reason: string };
  /** What the last document that came into force changed, one line each; unset before the first change. */
  readonly changes?: readonly string[];
  /** Documents applied and rejected since the start. */
  readonly counts: { readonly applied: number; readonly rejected: number };
}

/** The underlay interface. */
export interface InterfaceV1 {
  readonly name: string;
  /** In bytes. */
  readonly mtu: number;
  readonly address?: string;
  readonly addressV6?: string;
  /** The address in this host's lease; differs from `address` behind a NAT. */
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** The rule that selected it, for example `the default route`. */
  readonly selectedBy: string;
}

/** This host's lease. */
export interface OwnLeaseV1 {
  readonly state: LeaseStateV1;
  /** Text of the key below `subnets/`. */
  readonly key?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly isReservation?: boolean;
  /** Unset for a reservation, which never expires. */
  readonly expiresAt?: string;
  /** Another host publishes the same public IP now. Absent means none is known. */
  readonly isPublicIpContested?: boolean;
  /** Keys of other hosts whose subnets share addresses with this one; at most 20. Absent means none. */
  readonly overlapping?: readonly string[];
  /** The current error. */
  readonly lastError?: string;
}

export interface RegistryV1 {
  /** `kubernetes`: the Kubernetes API. Absent means etcd. */
  readonly kind?: 'kubernetes';
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly isConnected: boolean;
  readonly revision: number;
  readonly lastContactAt?: string;
  /**
   * When the registry said what is in force, if it said so to an earlier daemon, which kept it in a
   * file: this one has had no answer yet.
   */
  readonly lastKnownAt?: string;
  /** The last failure; kept after the registry is back. */
  readonly lastError?: string;
  /** Full lists since the start, by reason. */
  readonly resyncs: Readonly<Record<string, number>>;
  /** Number of invalid keys below `subnets/`. */
  readonly badKeyCount: number;
  /** At most 20 of them; longer texts than 256 characters are cut. */
  readonly badKeys: readonly { readonly key: string; readonly reason: string }[];
}

export interface KernelV1 {
  /** State of this host's own device, address and settings. */
  readonly host: SyncV1;
  readonly hostReason?: string;
  /** Objects that another program keeps changing. */
  readonly contested: readonly string[];
  /** Why kernel state cannot be read. */
  readonly readError?: string;
  readonly runs: number;
  readonly lastRunAt?: string;
  readonly lastRunMs?: number;
  /** Acknowledged changes, by kind of object and action. */
  readonly steps: Readonly<Record<string, { readonly set: number; readonly remove: number }>>;
  /** Objects found changed or missing after they were in place, by kind. */
  readonly drift: Readonly<Record<string, number>>;
  /** Full reads since the start, by reason. */
  readonly resyncs: Readonly<Record<string, number>>;
  /** Changes that the kernel rejected or did not answer. */
  readonly failures: number;
}
