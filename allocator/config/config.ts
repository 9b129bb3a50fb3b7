// The network config after validation, and what can be wrong with a document. `config-parse.ts`
// makes both of the document in etcd.
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import type { Secret } from '../../lib/secret.ts';

/**
 * Subnets of one family that hosts may lease: every multiple of the subnet size from `min` to
 * `max`, both included.
 */
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

export type BackendType =
  'vxlan' | 'host-gw' | 'udp' | 'wireguard' | 'alloc' | 'extension' | 'ipip' | 'ipsec' | 'tencent-vpc';

export type TxChecksumOffload = 'auto' | 'on' | 'off';

export interface VxlanConfig {
  readonly type: 'vxlan';
  /**
   * VXLAN network identifier, 1..16777215 (RFC 7348 §4); default 1. The device name limits it
   * further.
   */
  readonly vni: number;
  /** UDP destination port; unset means the kernel's default, 8472. */
  readonly port?: number;
  /**
   * MTU of the underlay, in bytes, to derive the overlay's from; unset means that of the interface.
   */
  readonly mtu?: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly directRouting: boolean;
  /**
   * Encapsulate in userspace: always, never, or `auto`: where the kernel has no VXLAN. Peers see no
   * difference.
   */
  readonly userspace: boolean | 'auto';
  /**
   * Whether checksums of packets in the tunnel are left to devices; `auto`: until they are found to
   * come out wrong.
   */
  readonly txChecksumOffload: TxChecksumOffload;
  /**
   * Not in the document: the device is named after its port, as another of this VNI has the usual
   * name.
   */
  readonly usesPortName?: boolean;
}

/** Packets in bare UDP: flannel's udp backend. */
export interface UdpConfig {
  readonly type: 'udp';
  /** UDP port of all hosts; default 8285. */
  readonly port: number;
  /**
   * MTU of the underlay, in bytes, to derive the overlay's from; unset means that of the interface.
   */
  readonly mtu?: number;
  /**
   * Encapsulate in userspace: always, never, or `auto`: where the kernel has no FOU, or sources are
   * checked. Peers see no difference.
   */
  readonly userspace: boolean | 'auto';
  /** As with vxlan. */
  readonly usesPortName?: boolean;
}

/** Which underlay tunnels use: each family its own, or one for both. */
export type WireguardMode = 'separate' | 'auto' | 'ipv4' | 'ipv6';

/** Encrypted packets in UDP: flannel's wireguard backend. */
export interface WireguardConfig {
  readonly type: 'wireguard';
  /** Preshared key of all hosts; unset: none. */
  readonly psk?: Secret;
  /** Fingerprint of `psk`; empty without one. */
  readonly pskId: string;
  readonly listenPort: number;
  readonly listenPortV6: number;
  /**
   * MTU of the underlay, in bytes, to derive the overlay's from; unset means that of the interface.
   */
  readonly mtu?: number;
  readonly mode: WireguardMode;
  /** In seconds; 0 is off. */
  readonly keepaliveSec: number;
  /** Generation of keys; another one is a migration. */
  readonly keyEpoch: number;
  /** Seconds until the next generation of keys; 0: never. */
  readonly rotateAfterSec: number;
  /**
   * Not in the document: which of several devices and ports this is, as two generations of keys need
   * one each. Absent means 0.
   */
  readonly slot?: number;
}

export interface HostGwConfig {
  readonly type: 'host-gw';
}

export interface AllocConfig {
  readonly type: 'alloc';
}

/** IP in IP by the kernel; IPv4 alone. */
export interface IpipConfig {
  readonly type: 'ipip';
  readonly directRouting: boolean;
}

/** ESP tunnels between hosts, keys by strongSwan; IPv4 alone. */
export interface IpsecConfig {
  readonly type: 'ipsec';
  /** Unset where only a lease names the transport. */
  readonly psk: Secret | undefined;
  readonly isUdpEncap: boolean;
  readonly espProposal: string;
}

/** Routes of Tencent Cloud. */
export interface TencentVpcConfig {
  readonly type: 'tencent-vpc';
  /** Empty: the daemon's environment has it. */
  readonly accessKeyId: string;
  readonly accessKeySecret: Secret | undefined;
}

/** Commands of the operator; empty where there is none. */
export interface ExtensionConfig {
  readonly type: 'extension';
  readonly preStartupCommand: string;
  readonly postStartupCommand: string;
  readonly shutdownCommand: string;
  readonly subnetAddCommand: string;
  readonly subnetRemoveCommand: string;
  /** `/bin/sh` runs the commands, as in flannel before 0.28.2. */
  readonly isShell: boolean;
}

export type BackendConfig =
  | VxlanConfig
  | HostGwConfig
  | UdpConfig
  | WireguardConfig
  | AllocConfig
  | ExtensionConfig
  | IpipConfig
  | IpsecConfig
  | TencentVpcConfig;

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

/**
 * One error or warning about a config document. Several are found at once, so that one edit fixes
 * all.
 */
export interface ConfigIssue {
  readonly severity: 'error' | 'warning';
  /**
   * Line and column of the value (of the enclosing object if a field is missing), both from 1;
   * columns in UTF-16 units.
   */
  readonly line: number;
  readonly column: number;
  /**
   * JSON pointer (RFC 6901) in the document's own spelling, for example `/Backend/VNI`; empty for
   * the document.
   */
  readonly path: string;
  /** The value as written, shortened; unset if it is missing or private. */
  readonly value?: string;
  /**
   * What is wrong or should be there, with bounds and remedy, worded to follow the path and the
   * value.
   */
  readonly message: string;
  /** The field is unknown, or misplaced inside or outside of Backend. */
  readonly isUnknownField?: true;
}

/** The part of the document that an issue is about. */
export interface SourceRange {
  readonly path: string;
  /** UTF-16 offset in the text. */
  readonly offset: number;
  readonly value?: string;
}

/**
 * Writes an issue as one line, for example `line 1, column 40: error: /Backend/VNI (0) must be …`.
 */
export function formatConfigIssue(issue: ConfigIssue): string {
  const { line, column, severity, path, value, message } = issue;
  const what = path === '' ? 'the document' : path;
  const subject = value === undefined ? what : `${what} (${value})`;
  return `line ${line}, column ${column}: ${severity}: ${subject} ${message}`;
}

/** The issues of one text, in the order of the text. */
export class ConfigIssues {
  readonly #text: string;
  readonly #issues: { readonly offset: number; readonly issue: ConfigIssue }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  get hasErrors(): boolean {
    return this.#issues.some(({ issue }) => issue.severity === 'error');
  }

  get list(): ConfigIssue[] {
    return this.#issues.toSorted((a, b) => a.offset - b.offset).map(({ issue }) => issue);
  }

  error(range: SourceRange, message: string): void {
    this.#add('error', range, message);
  }

  warn(range: SourceRange, message: string): void {
    this.#add('warning', range, message);
  }

  /** Warns of a field that is unknown in its place. */
  warnUnknownField(range: SourceRange, message: string): void {
    this.#add('warning', range, message, { isUnknownField: true });
  }

  #add(
    severity: ConfigIssue['severity'],
    { path, offset, value }: SourceRange,
    message: string,
    kind: Pick<ConfigIssue, 'isUnknownField'> = {},
  ): void {
    const before = this.#text.slice(0, offset).split(/\r\n|\r|\n/);
    const column = (before.at(-1)?.length ?? 0) + 1;
    const position = { severity, line: before.length, column, path };
    this.#issues.push({
      offset,
      issue: { ...position, ...(value !== undefined && { value }), message, ...kind },
    });
  }
}
