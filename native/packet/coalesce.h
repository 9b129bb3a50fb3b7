/*
 * Coalesces consecutive packets of one flow into a super-packet for the TUN device (TSO, USO), the
 * reverse of segment.h. Packets with a bad, missing or unverifiable checksum are not coalesced, and
 * a single packet passes unchanged, so no corruption is hidden. Payload is not copied: the result
 * is an iovec list.
 *
 * Segmenting the result restores the packets byte for byte, except for the IPv4 identification of
 * packets with DF (RFC 6864 §4.1). Packets with SYN, RST, URG, CWR or reserved bits, without ACK or
 * without payload are not coalesced.
 *
 *   empty ──add──► open ──add of a last packet (short, PSH, FIN)──► full ──take──► empty
 *                  │  ▲
 *                  └──┘ add of a packet that continues
 */
#ifndef WEFT_COALESCE_H
#define WEFT_COALESCE_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet.h"
#include "segment.h"

enum {
  WEFT_MAX_COALESCED = 64, /* packets per super-packet */
  WEFT_MAX_COALESCED_IOV = WEFT_MAX_COALESCED + 2,
};

struct weft_coalescer {
  /* Result of weft_coalescer_take: iov[0] is the virtio header, the rest the packet. */
  struct iovec iov[WEFT_MAX_COALESCED_IOV];
  unsigned iov_count;
  unsigned packets;     /* coalesced so far, or segments of a partial super-packet; 0: empty */
  uint32_t total_bytes; /* of the super-packet with its IP header */
  uint32_t inner_bytes; /* of all packets, each with its headers */
  /* Private. */
  struct virtio_net_hdr header;
  uint8_t headers[WEFT_MAX_INNER_HEADER];
  const uint8_t *first; /* the first packet, unchanged */
  struct weft_packet packet;
  size_t segment_payload;
  uint32_t next_sequence;
  uint16_t next_id;
  bool is_verified; /* the first packet's checksum; verified when a second arrives */
  bool is_full;
  bool is_passthrough; /* nothing was coalesced: write `first` */
};

enum {
  WEFT_COALESCE_TCP = 1, /* the TUN device accepts TSO packets */
  WEFT_COALESCE_UDP = 2, /* the TUN device accepts USO packets */
};

/*
 * Adds a packet. `flags`: WEFT_COALESCE_*. True: the coalescer was empty, or the packet continues
 * its flow. False: take the result, then add again. `data` must stay unchanged until
 * weft_coalescer_take.
 */
bool weft_coalescer_add(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                        unsigned flags);

/*
 * Puts a packet with a partial checksum (weft_packet_is_partial) into an empty coalescer. It stays
 * alone and unchanged: this host's kernel completes the checksum. A TCP packet longer than `mtu` is
 * a super-packet with segments of `mtu` bytes. A UDP packet is one if its payload exceeds
 * `segment_payload`, which UDP_GRO reports for a vxlan device; 0: unknown.
 */
void weft_coalescer_put_partial(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                                size_t mtu, size_t segment_payload);

/*
 * Completes iov and iov_count for one write to the TUN device. Call weft_coalescer_clear
 * afterwards.
 */
void weft_coalescer_take(struct weft_coalescer *coalescer);

static inline void weft_coalescer_clear(struct weft_coalescer *coalescer) {
  coalescer->packets = 0;
}

#endif
