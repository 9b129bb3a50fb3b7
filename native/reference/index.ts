// The packet path once more, as an executable specification: what the C in native/path must do to every packet, written
// from the RFCs in the order in which they say it. It is read, and it is the oracle of test/packet-differential.spec.ts,
// which wants the same bytes and the same drop reasons from both. The product never imports it.
//
// Every function is pure, from bytes to bytes; packets are never changed in place. Clarity goes before speed throughout:
// super-packets are really concatenated, checksums are summed word by word, headers are rebuilt for each segment.
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
