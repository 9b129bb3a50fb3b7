// `GET /v1/devices` and `GET /v1/counters`: devices, and everything that counts upwards.
import type { TrafficV1 } from './peers.ts';
import type { PeerCountsV1 } from './status.ts';
import type { CONTROL_VERSION } from './version.ts';

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
  /** In bytes. */
  readonly mtu: number;
  readonly mac?: string;
  readonly addresses: readonly {
    readonly address: string;
    readonly prefixLength: number;
    readonly scope: string;
  }[];
  /** Only of an overlay device. */
  readonly tunnel?: {
    /** `fou`: IP in UDP by the kernel. */
    readonly type: 'vxlan' | 'tun' | 'fou' | 'ipip' | 'wireguard';
    readonly encapsulation: 'vxlan' | 'udp' | 'ipip' | 'wireguard';
    /** 24 bits; 0 with `udp`, `ipip` and `wireguard`. */
    readonly vni: number;
    /** UDP port; 0 with `ipip`. */
    readonly port: number;
    /** Empty with `wireguard`, which sends from any address of the host. */
    readonly local: string;
    /** Only of `wireguard`: whether a program serves the device instead of the kernel. */
    readonly isInUserspace?: boolean;
    /** Only of `wireguard`: the key of the device, in base64. */
    readonly publicKey?: string;
    readonly parent?: string;
    /** Whether the device below computes checksums; unset if the kernel does not say. */
    readonly hasChecksumOffload?: boolean;
  };
  readonly counters: DeviceCountersV1;
}

/** The counters of /proc/net/dev. */
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

/** `GET /v1/counters`: everything that counts upwards, to compute rates from. */
export interface CountersV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** Monotonic: the divisor of rates. */
  readonly uptimeMs: number;
  /** `cpuMs` is user and system time; `memoryBytes` is the resident set size. */
  readonly daemon: { readonly cpuMs: number; readonly memoryBytes: number };
  readonly devices: Readonly<Record<string, DeviceCountersV1>>;
  /** Packet path devices of this process, with the counters of native/packet/counters.h. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly kernel: {
    readonly runs: number;
    readonly steps: number;
    readonly drift: number;
    readonly failures: number;
  };
  readonly peers: PeerCountsV1;
  readonly registry: { readonly isConnected: boolean; readonly revision: number };
}
