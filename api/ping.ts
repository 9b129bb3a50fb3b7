// `POST /v1/ping`: echoes to one peer or to all, as a stream of lines.

/** A line of `POST /v1/ping`. */
export type PingLineV1 = PingEchoV1 | PingPeerV1;

/** One echo; sent only if a single peer is pinged. */
export interface PingEchoV1 {
  readonly kind: 'echo';
  /** Key of the peer. */
  readonly key: string;
  readonly layer: 'overlay' | 'underlay';
  readonly address: string;
  /** From 1. */
  readonly sequence: number;
  /** In ms; unset without a reply. */
  readonly rttMs?: number;
  /** Why there was no reply. */
  readonly error?: string;
}

/** The summary of one peer. */
export interface PingPeerV1 {
  readonly kind: 'peer';
  readonly key: string;
  /** What operators call the host. */
  readonly name?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  /** Of each echo, without IP and ICMP headers; 0 to 65487. */
  readonly payloadBytes: number;
  /** Unset where the backend assigns no overlay address to hosts. */
  readonly overlay?: PingLayerV1;
  /** Unset if the peer has no public IP of the requested family. */
  readonly underlay?: PingLayerV1;
}

export interface PingLayerV1 {
  readonly address: string;
  readonly sent: number;
  readonly received: number;
  /** Round trips in ms; unset without a reply. */
  readonly rtt?: {
    readonly minMs: number;
    readonly avgMs: number;
    readonly p50Ms: number;
    readonly maxMs: number;
  };
  /** Largest IP packet that came back, IP header included; unset without a reply. */
  readonly largestPacketBytes?: number;
  readonly errors: readonly { readonly message: string; readonly count: number }[];
}
