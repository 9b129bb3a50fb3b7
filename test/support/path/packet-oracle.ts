// The pure C functions of the packet path, each by itself: native/test/oracle-binding.c. Tests only.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ChecksumState,
  Dropped,
  IpPacket,
  Prefix,
  TunWrite,
  VirtioHeader,
} from '../../../native/reference/index.ts';
import { packageRoot } from '../../../lab/package-root.ts';

export interface EncapSettings {
  readonly vni: number;
  readonly mac: Uint8Array;
}

export const JOIN = { tcp: 1, udp: 2 } as const;
export const ICMP_ERRORS = ['noRoute', 'timeExceeded', 'tooBig'] as const;

/** All but `parse` and `decapsulate` are for well-formed packets only. */
export interface PacketOracle {
  parse(bytes: Uint8Array): IpPacket | Dropped;
  checksumState(bytes: Uint8Array): ChecksumState;
  isPartial(bytes: Uint8Array): boolean;
  flowHash(bytes: Uint8Array): number;
  decrementTtl(bytes: Uint8Array): Buffer;
  sum(bytes: Uint8Array): number;
  updateChecksum(checksum: Uint8Array, before: Uint8Array, after: Uint8Array): Buffer;
  segment(header: VirtioHeader, bytes: Uint8Array): Buffer[] | Dropped;
  completeChecksum(header: VirtioHeader, bytes: Uint8Array): Buffer | Dropped;
  coalesce(packets: readonly Uint8Array[], flags: number): TunWrite[];
  deliverPartial(bytes: Uint8Array, mtu: number, segmentPayload: number): TunWrite;
  encapsulate(isVxlan: boolean, own: EncapSettings, peerMac: Uint8Array, inner: Uint8Array): Buffer;
  decapsulate(isVxlan: boolean, own: EncapSettings, datagram: Uint8Array): Buffer | Dropped;
  ecnEncap(innerTos: number, inheritsDscp: boolean): number;
  ecnDecap(bytes: Uint8Array, outerTos: number): Buffer | Dropped;
  /** `error`: index into {@link ICMP_ERRORS}. */
  icmp(error: number, mtu: number, source: Uint8Array, bytes: Uint8Array): Buffer | null;
  fragment(bytes: Uint8Array, mtu: number): Buffer[] | Dropped;
  /** Length of the prefix found, or -1. */
  longestPrefix(prefixes: readonly Prefix[], address: Uint8Array): number;
}

/** @throws Error if it was not built */
export function loadPacketOracle(): PacketOracle {
  const path = join(packageRoot(), 'native/build/weft-oracle.node');
  if (!existsSync(path))
    throw new Error(`${path} does not exist: build it with "make native/build/weft-oracle.node"`);
  return createRequire(import.meta.url)(path) as PacketOracle;
}
