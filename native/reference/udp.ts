// Encapsulation udp: the UDP payload is the inner packet, nothing before it and nothing after it.

export function encapsulateUdp(inner: Uint8Array): Uint8Array {
  return inner;
}

/** Every payload may be a packet; parsing it says whether it is one. */
export function decapsulateUdp(datagram: Uint8Array): Uint8Array {
  return datagram;
}
