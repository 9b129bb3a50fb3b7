// The executable specification of the packet path: what the C in native/packet must do to each
// packet, written from the RFCs and in their order. It is the oracle of
// test/packet-differential.spec.ts, which expects the same bytes and drop reasons from both. The
// product does not import it.
//
// Each function is pure, from bytes to bytes. Clarity goes before speed: super-packets are
// concatenated, checksums summed per 16 bits, headers rebuilt for each segment.
//
//   bytes         big-endian fields, concatenation
//   checksum      RFC 1071, 1624; pseudo headers of RFC 9293 and 8200
//   ip-packet     what the path must know of a packet
//   segment       a super-packet and its virtio header to packets       (TUN device to underlay)
//   coalesce      packets to super-packets and their virtio headers     (underlay to TUN device)
//   vxlan, udp    encapsulations
//   ecn           congestion marks across the tunnel, RFC 6040
//   icmp          errors that a router owes
//   fragment      RFC 791
//   longest-prefix   which route has an address
export * from './bytes.ts';
export * from './checksum.ts';
export * from './coalesce.ts';
export * from './dropped.ts';
export * from './ecn.ts';
export * from './fragment.ts';
export * from './icmp.ts';
export * from './ip-packet.ts';
export * from './longest-prefix.ts';
export * from './segment.ts';
export * from './udp.ts';
export * from './vxlan.ts';
