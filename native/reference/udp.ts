// Encapsulation udp: the UDP payload is the inner packet.
import { byte } from './bytes.ts';
import type { Dropped } from './dropped.ts';

export function encapsulateUdp(inner: Uint8Array): Uint8Array {
  return inner;
}

/** The inner packet of a UDP payload, or the drop reason. */
export function decapsulateUdp(datagram: Uint8Array): Uint8Array | Dropped {
  if (datagram.length === 0) return { drop: 'dropRxHeader' };
  const version = byte(datagram, 0) >>> 4;
  return version === 4 || version === 6 ? datagram : { drop: 'dropRxNotIp' };
}
