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

/** What this host takes part in; the network config may say otherwise, and then the reasons or `migration` tell why. */
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
  /** A change of VNI, port or backend that is under way. */
  readonly migration?: MigrationV1;
  /** Checksums that are left to devices, by family; unset where the kernel does no VXLAN. */
  readonly checksumOffload?: readonly ChecksumOffloadV1[];
}

/** docs/config.md explains it. */
export interface ChecksumOffloadV1 {
  readonly device: string;
  readonly family: 4 | 6;
  /** Of the network config. */
  readonly setting: 'auto' | 'on' | 'off';
  /**
   * What probes found with `auto`: `unknown`, `good`, `suspect`, `bad`; `off`: nothing is left to the device, as somebody else
   * or an earlier daemon wanted. Unset with `on` and `off`.
   */
  readonly found?: 'unknown' | 'good' | 'suspect' | 'bad' | 'off';
  /** Since when, unless `unknown`. */
  readonly since?: string;
  /** Overlay addresses of peers whose answers decided it. */
  readonly peers?: readonly string[];
  /** What this daemon keeps it at; unset if it leaves it as it is. */
  readonly isOn?: boolean;
}

/** docs/migration.md explains the states. */
export interface MigrationV1 {
  readonly state: 'preparing' | 'leaving' | 'draining';
  /** What peers are told of this host, for example `vxlan VNI 1 port 8472`. */
  readonly announced: string;
  readonly wanted: string;
  /** Keys of peers that have not followed. */
  readonly stragglers: readonly string[];
  /** Why the wanted way cannot be announced. */
  readonly obstacle?: string;
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
  readonly selectedBy: string;
}

export interface OwnLeaseV1 {
  /** `waiting`, `acquiring`, `held`, `expiring`, `lost`, `exhausted`, `stopped`; docs/how-it-works.md explains them. */
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

/** How packets to a peer are carried. `none`: the backend programs nothing. `error`: they are not. */
export type ModeV1 = 'kernel' | 'direct' | 'userspace' | 'none' | 'error';

/** `GET /v1/peers` */
export interface PeersV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** In the order of their keys. */
  readonly peers: readonly PeerV1[];
}

export interface PeerV1 {
  /** Text of the key below `subnets/`. */
  readonly key: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** MAC address of its tunnel end; unset where none is needed. */
  readonly mac?: string;
  readonly mode: ModeV1;
  readonly state: SyncV1;
  /** Why it is in error. */
  readonly reason?: string;
  /** What the kernel does not hold, in the words of iproute2. */
  readonly missing: readonly string[];
  /** Since when `state` and `reason` are these. */
  readonly since: string;
  readonly isReservation: boolean;
  /** Only where this process carries the packets itself. */
  readonly traffic?: TrafficV1;
  /** The last one, where the daemon probes. */
  readonly probe?: ProbeV1;
}

export interface TrafficV1 {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

/** One probe of a peer. */
export interface ProbeV1 {
  readonly at: string;
  readonly sent: number;
  readonly lost: number;
  /** Mean round trip of those that came back, in ms. */
  readonly rttMs?: number;
}

/** A line of `POST /v1/ping`. */
export type PingLineV1 = PingEchoV1 | PingPeerV1;

/** One echo to the only peer that was asked. */
export interface PingEchoV1 {
  readonly kind: 'echo';
  /** Key of the peer. */
  readonly key: string;
  readonly layer: 'overlay' | 'underlay';
  readonly address: string;
  /** From 1. */
  readonly sequence: number;
  readonly rttMs?: number;
  /** Why there was no answer. */
  readonly error?: string;
}

/** All that is known of a peer. */
export interface PingPeerV1 {
  readonly kind: 'peer';
  readonly key: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** Of each echo, without headers of IP and ICMP. */
  readonly payloadBytes: number;
  /** Unset where the backend gives hosts no address in the overlay. */
  readonly overlay?: PingLayerV1;
  /** Unset if it has no public IP of the family that was asked for. */
  readonly underlay?: PingLayerV1;
}

export interface PingLayerV1 {
  readonly address: string;
  readonly sent: number;
  readonly received: number;
  /** Round trips in ms; unset if nothing came back. */
  readonly rtt?: {
    readonly minMs: number;
    readonly avgMs: number;
    readonly p50Ms: number;
    readonly maxMs: number;
  };
  /** Largest IP packet that came back, its header included; unset if nothing did. */
  readonly largestPacketBytes?: number;
  readonly errors: readonly { readonly message: string; readonly count: number }[];
}

/** `GET /v1/diff`: the kernel, read now, beside what it should hold. */
export interface DiffV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** How many objects should be there. */
  readonly desired: number;
  readonly differences: readonly DifferenceV1[];
}

export interface DifferenceV1 {
  /** `extra`: ours by its mark, but wanted by nobody. `foreign`: another's device has the name of ours. */
  readonly kind: 'missing' | 'different' | 'extra' | 'foreign';
  /** For example `route 10.5.2.0/24`. */
  readonly object: string;
  /** `host`, or the key of the peer that wants it. */
  readonly owner?: string;
  /** What should be there, in the words of iproute2. */
  readonly desired?: string;
  readonly actual?: string;
  /** What differs, for example `mtu 1400 instead of 1450`. */
  readonly what?: string;
  /** Why it is left so for now. */
  readonly reason?: string;
}

/** `GET /v1/route?to=ADDRESS` */
export interface RouteV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  readonly to: string;
  /** Whose the address is: this host's subnet, a peer's, nobody's yet, or outside of the network. */
  readonly kind: 'own' | 'peer' | 'unleased' | 'outside';
  readonly owner?: { readonly key: string; readonly subnet: string; readonly publicIp?: string };
  readonly lookups: readonly LookupV1[];
  /** How a packet goes: into a tunnel of the kernel or of this process, as it is, or not at all. */
  readonly way: 'kernel' | 'userspace' | 'direct' | 'local' | 'none';
  /** Largest packet that goes this way, in bytes. */
  readonly mtu?: number;
  /** Bytes that encapsulation adds. */
  readonly overheadBytes?: number;
  /** Nothing is missing and nothing is other than it should be. */
  readonly isWhole: boolean;
}

export interface LookupV1 {
  readonly table: 'lease' | 'route' | 'neighbour' | 'fdb' | 'tunnel' | 'underlay';
  /** What is looked up. */
  readonly question: string;
  /** The entry found, in the words of iproute2. */
  readonly entry?: string;
  readonly problem?: string;
}

/** `GET /v1/devices`: the overlay devices, then the underlay interface. */
export interface DevicesV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  readonly devices: readonly DeviceV1[];
}

export interface DeviceV1 {
  readonly name: string;
  readonly role: 'overlay' | 'underlay';
  readonly isUp: boolean;
  readonly mtu: number;
  readonly mac?: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly prefixLength: number;
    readonly scope: string;
  }[];
  /** Only of an overlay device. */
  readonly tunnel?: {
    readonly type: 'vxlan' | 'tun';
    readonly encapsulation: 'vxlan' | 'udp';
    readonly vni: number;
    readonly port: number;
    readonly local: string;
    readonly parent?: string;
    /** Whether checksums are left to the device below; unset if the kernel cannot tell. */
    readonly hasChecksumOffload?: boolean;
  };
  readonly counters: DeviceCountersV1;
}

/** As /proc/net/dev has them. */
export interface DeviceCountersV1 extends TrafficV1 {
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly rxOverruns: number;
  readonly rxFrame: number;
  readonly txErrors: number;
  readonly txDropped: number;
  readonly txOverruns: number;
  readonly txCarrier: number;
  readonly collisions: number;
}

/** `GET /v1/counters`: all that counts upwards, for rates. */
export interface CountersV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** Monotonic, to divide by. */
  readonly uptimeMs: number;
  readonly daemon: { readonly cpuMs: number; readonly memoryBytes: number };
  readonly devices: Readonly<Record<string, DeviceCountersV1>>;
  /** Devices whose packets this process carries, with the counters of native/path/counters.h. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly kernel: {
    readonly runs: number;
    readonly steps: number;
    readonly drift: number;
    readonly failures: number;
  };
  readonly peers: StatusV1['peers'];
  readonly registry: { readonly isConnected: boolean; readonly revision: number };
}

/** A line of `GET /v1/events`, a stream. */
export interface EventV1 {
  /** Counts up from 1 since the start of the daemon; a gap means that a slow reader missed some. */
  readonly sequence: number;
  readonly at: string;
  readonly topic: 'health' | 'lease' | 'peer' | 'kernel' | 'config' | 'registry';
  readonly level: 'info' | 'warn' | 'error';
  /** For programs, for example `KERNEL_DRIFT`. */
  readonly code: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** `GET /v1/log-level`, and `PUT` with the same shape to change it. */
export interface LogLevelV1 {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
}

/** `GET /v1/leases`: every key below `subnets/`. */
export interface LeasesV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  readonly revision: number;
  readonly leases: readonly LeaseV1[];
}

export interface LeaseV1 {
  readonly key: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** Empty for udp and alloc. */
  readonly backend: string;
  readonly isReservation: boolean;
  /** Whether it is that of the host that answers. */
  readonly isOwn: boolean;
  readonly modRevision: number;
  /** Why the key is no lease. */
  readonly problem?: string;
  /** The value as it stands in the registry. */
  readonly value: string;
}

/** Body of `POST /v1/leases/reserve`. */
export interface ReserveV1 {
  /** For example `10.5.72.0/24`, or the text of a key. */
  readonly subnet: string;
  /** Whose the reservation is; may be left out for a subnet that a host holds. */
  readonly publicIp?: string;
}

/** Body of `POST /v1/leases/release`. */
export interface ReleaseV1 {
  readonly subnet: string;
  /** Nothing is removed if the key was written to since. */
  readonly modRevision: number;
}

/** Answer to both. */
export interface LeaseChangeV1 {
  readonly key: string;
  /** `reserved`, `released`; `unchanged` if it was so already. */
  readonly outcome: 'reserved' | 'released' | 'unchanged';
  readonly revision: number;
}

/** `GET /v1/options` */
export interface OptionsV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** As daemon/options/options.ts has them; for people, its members may change. Passwords are masked. */
  readonly options: Readonly<Record<string, unknown>>;
}
