// WireGuard devices as plain data: what the codec of the kernel and that of a userspace program
// have in common. Secrets appear by fingerprint only.
import type { Cidr } from '../../../lib/address.ts';
import type { Endpoint } from '../../../lib/endpoint.ts';

/** A peer as read. Keys are 32 bytes in base64. */
export interface WireguardPeerMessage {
  readonly publicKey: string;
  /** Fingerprint of the preshared key; empty without one. */
  readonly pskId: string;
  /** Unset while none is known. */
  readonly endpoint?: Endpoint;
  /** In seconds; 0 is off. */
  readonly keepaliveSec: number;
  /** Wall time in ms since 1970; 0 before the first handshake. */
  readonly lastHandshakeMs: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly allowedIps: readonly Cidr[];
}

/** A device as read. */
export interface WireguardDeviceMessage {
  /** Empty while the device has no key. */
  readonly publicKey: string;
  readonly listenPort: number;
  readonly fwmark: number;
  readonly peers: readonly WireguardPeerMessage[];
}

/** Settings of a device. The private key is 32 bytes; unset: it stays. */
export interface WireguardDeviceChange {
  readonly privateKey?: Buffer;
  readonly listenPort: number;
}

/** A peer to set whole: its allowed IPs replace those that it has. */
export interface WireguardPeerChange {
  readonly publicKey: string;
  /** 32 bytes; all zero: none. */
  readonly psk: Buffer;
  /** Unset: it stays. */
  readonly endpoint?: Endpoint;
  readonly keepaliveSec: number;
  readonly allowedIps: readonly Cidr[];
}

/** Bytes of every WireGuard key. */
export const KEY_BYTES = 32;

/** A preshared key that stands for none (wireguard.h, WGPEER_A_PRESHARED_KEY). */
export const NO_PSK = Buffer.alloc(KEY_BYTES);
