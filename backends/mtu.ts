// How many bytes of an underlay packet are left for the overlay. Pure conversions from one MTU type
// to the other.
import type { Family } from '../lib/address.ts';
import type { OverlayMtu, UnderlayMtu } from './kernel-state.ts';

/**
 * Header of the Ethernet frame that VXLAN carries; the outer frame's own header does not count
 * towards an MTU.
 */
const INNER_ETHERNET_BYTES = 14;
/** RFC 791 §3.1 without options. */
const OUTER_IPV4_BYTES = 20;
/** RFC 8200 §3. */
const OUTER_IPV6_BYTES = 40;
/** RFC 768. */
const UDP_BYTES = 8;
/** RFC 7348 §5. */
const VXLAN_BYTES = 8;

/** Header and authentication tag of a WireGuard data message (WireGuard paper §5.4.6). */
const WIREGUARD_BYTES = 16 + 16;

/** Smallest packet that every hop must carry whole, in bytes: RFC 791 §3.2, RFC 8200 §5. */
export const MINIMUM_MTU_BYTES: Readonly<Record<Family, number>> = { 4: 68, 6: 1280 };

/** Bytes that IP in IP adds: another IPv4 header (RFC 2003). */
export const IPIP_OVERHEAD_BYTES = OUTER_IPV4_BYTES;

/** Bytes that a bare UDP datagram adds on an underlay of `family`: 28 over IPv4, 48 over IPv6. */
export function udpOverheadBytes(family: Family): number {
  return (family === 4 ? OUTER_IPV4_BYTES : OUTER_IPV6_BYTES) + UDP_BYTES;
}

/** Bytes that VXLAN adds on an underlay of `family`: 50 over IPv4, 70 over IPv6. */
export function vxlanOverheadBytes(family: Family): number {
  return udpOverheadBytes(family) + VXLAN_BYTES + INNER_ETHERNET_BYTES;
}

/** Bytes that WireGuard adds on an underlay of `family`: 60 over IPv4, 80 over IPv6. */
export function wireguardOverheadBytes(family: Family): number {
  return udpOverheadBytes(family) + WIREGUARD_BYTES;
}

/**
 * MTU inside a tunnel that adds `overheadBytes`; may be too small to use, see {@link
 * MINIMUM_MTU_BYTES}.
 */
export function encapsulatedMtu(underlay: UnderlayMtu, overheadBytes: number): OverlayMtu {
  return (underlay - overheadBytes) as OverlayMtu;
}

/** MTU where packets cross the underlay as they are. */
export function unencapsulatedMtu(underlay: UnderlayMtu): OverlayMtu {
  return underlay as number as OverlayMtu;
}
