// `GET /v1/peers`: every other host with a lease; and the document of the metrics server's page.
import type { LivenessStateV1, StatusV1, SyncV1 } from './status.ts';
import type { CONTROL_VERSION } from './version.ts';

/**
 * The datapath to a peer. `command`: commands of the operator make it. `none`: the backend programs nothing. `error`: the peer is unreachable.
 */
export type ModeV1 = 'kernel' | 'direct' | 'userspace' | 'command' | 'none' | 'error';

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
  /** What operators call the host; unset if it publishes no name, as flannel. */
  readonly name?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** MAC address of its VTEP; unset where the transport needs none. */
  readonly mac?: string;
  readonly mode: ModeV1;
  readonly state: SyncV1;
  /** Why it is in error. */
  readonly reason?: string;
  /** Desired objects that the kernel lacks, in iproute2 syntax. */
  readonly missing: readonly string[];
  /** When `state` or `reason` last changed. */
  readonly since: string;
  readonly isReservation: boolean;
  /** Only with the userspace datapath. */
  readonly traffic?: TrafficV1;
  /** Only with the backend wireguard. */
  readonly wireguard?: WireguardPeerV1;
  /** Unset while it is unknown: not probed yet, or not in the kernel. */
  readonly liveness?: LivenessV1;
  /** The last probe of `weft ping`. */
  readonly probe?: ProbeV1;
}

/** What continuous probes found of a peer. */
export interface LivenessV1 {
  readonly state: LivenessStateV1;
  /** When that state began. */
  readonly since: string;
  /** When the peer last answered; unset if it never has. */
  readonly answeredAt?: string;
  /** Round trip of that answer, in ms. */
  readonly rttMs?: number;
}

/** Counters since the start of the daemon or the device. */
export interface TrafficV1 {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

/** A peer as WireGuard sees it. */
export interface WireguardPeerV1 {
  /** Base64. */
  readonly publicKey: string;
  /** Where it is: published by it, or where its last packets came from. */
  readonly endpoint: string;
  /** Seconds since it last answered a handshake; unset if it never did. */
  readonly handshakeAgeSec?: number;
  /** Packets are sent to it, and it has answered no handshake for three minutes. */
  readonly isSilent: boolean;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** One probe of a peer. */
export interface ProbeV1 {
  readonly at: string;
  readonly sent: number;
  readonly lost: number;
  /** Mean round trip of the echoes that came back, in ms. */
  readonly rttMs?: number;
}

/** `GET /cluster.json` of the metrics server: what its page shows. */
export interface ClusterV1 {
  readonly status: StatusV1;
  readonly peers: readonly PeerV1[];
}
