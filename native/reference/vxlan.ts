// Encapsulation vxlan: VXLAN header, Ethernet header, inner packet (RFC 7348 §5), between VTEPs
// with known MAC addresses. Checks run in the order of the drop reasons in
// native/packet/counters.h.
import { byte, concat, isEqual, read16, read32 } from './bytes.ts';
import type { Dropped } from './dropped.ts';

const VXLAN_BYTES = 8;
export const VXLAN_HEADER_BYTES = VXLAN_BYTES + 14;
/** The VNI is valid. The other seven flags are sent as 0 and ignored on receipt. */
const FLAG_I = 0x08;
const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;

/** Header fields of a VXLAN datagram. MACs are six bytes. */
export interface VxlanPath {
  readonly vni: number;
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
}

/** The UDP payload that carries `inner`, an IP packet. */
export function encapsulateVxlan(path: VxlanPath, inner: Uint8Array): Uint8Array {
  const { vni } = path;
  const header = Uint8Array.of(FLAG_I, 0, 0, 0, vni >>> 16, vni >>> 8, vni, 0);
  const etherType = ETHERTYPE[byte(inner, 0) >>> 4 === 6 ? 6 : 4];
  return concat(
    header,
    path.destinationMac,
    path.sourceMac,
    Uint8Array.of(etherType >>> 8, etherType),
    inner,
  );
}

/** The inner packet of a UDP payload to `ownMac` on `vni`, or the drop reason. */
export function decapsulateVxlan(
  own: { readonly vni: number; readonly mac: Uint8Array },
  datagram: Uint8Array,
): Uint8Array | Dropped {
  if (datagram.length <= VXLAN_HEADER_BYTES) return { drop: 'dropRxHeader' };
  if ((byte(datagram, 0) & FLAG_I) === 0) return { drop: 'dropRxHeader' };
  if (read32(datagram, 4) >>> 8 !== own.vni) return { drop: 'dropRxVni' };
  const frame = datagram.slice(VXLAN_BYTES);
  if (!isEqual(frame.slice(0, 6), own.mac)) return { drop: 'dropRxMac' };
  const inner = frame.slice(14);
  const version = byte(inner, 0) >>> 4;
  const isIp = (version === 4 || version === 6) && read16(frame, 12) === ETHERTYPE[version];
  return isIp ? inner : { drop: 'dropRxNotIp' };
}
