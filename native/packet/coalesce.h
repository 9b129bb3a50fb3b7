/*
 * Joins consecutive packets of one flow into one super-packet for the TUN device (TSO, USO), the reverse of segment.h.
 * A packet whose checksum is bad, missing or not verifiable is never joined, and one that stays alone is passed on byte
 * by byte, so that no corruption is ever covered up. Payload is never copied: the result is an iovec list.
 *
 * Cutting the result gives the packets back to the byte, but for identifications beside DF, which mean nothing (RFC 6864
 * §4.1). Packets with SYN, RST, URG, CWR or reserved bits set, without ACK or without payload are never joined.
 *
 *   empty --add--> open --add that fits--> open --add of a last one (short, PSH, FIN)--> full --take--> empty
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
  WEFT_MAX_COALESCED = 64, /* packets in one super-packet */
  WEFT_MAX_COALESCED_IOV = WEFT_MAX_COALESCED + 2,
};

struct weft_coalescer {
  /* What weft_coalescer_take returns: iov[0] is the virtio header, then the packet. */
  struct iovec iov[WEFT_MAX_COALESCED_IOV];
  unsigned iov_count;
  unsigned packets;     /* joined so far, or that a partial one stands for; 0: empty */
  uint32_t total_bytes; /* of the super-packet, IP header included */
  uint32_t inner_bytes; /* of the packets that it stands for, headers of each included */
  /* Private. */
  struct virtio_net_hdr header;
  uint8_t headers[WEFT_MAX_INNER_HEADER];
  const uint8_t *first; /* the first packet as it came */
  struct weft_packet packet;
  size_t segment_payload;
  uint32_t next_sequence;
  uint16_t next_id;
  bool is_verified; /* the first packet's checksum; found out when the second comes */
  bool is_full;
  bool is_passthrough; /* nothing was joined: `first` is what to write */
};

enum {
  WEFT_COALESCE_TCP = 1, /* the TUN device takes TSO packets */
  WEFT_COALESCE_UDP = 2, /* the TUN device takes USO packets */
};

/*
 * Adds a packet; `flags` says what may be joined. True if the coalescer has it now: it was empty, or the packet
 * continues what is there. False: take that first, then add again. `data` must stay as it is until taken.
 */
bool weft_coalescer_add(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                        unsigned flags);

/*
 * Puts into an empty coalescer, as it is, a packet whose checksum the kernel left to hardware
 * (weft_packet_is_partial): it stays alone, and the kernel here finishes it. A TCP packet longer than `mtu` is a
 * super-packet whose segments are as long as `mtu` allows. A UDP packet is one if `segment_payload` (as the kernel's
 * vxlan device told it with UDP_GRO; else 0) is less than its payload.
 */
void weft_coalescer_put_partial(struct weft_coalescer *coalescer, const uint8_t *data, const struct weft_packet *packet,
                                size_t mtu, size_t segment_payload);

/* Finishes iov and iov_count for one write to the TUN device. To be followed by weft_coalescer_clear. */
void weft_coalescer_take(struct weft_coalescer *coalescer);

static inline void weft_coalescer_clear(struct weft_coalescer *coalescer) {
  coalescer->packets = 0;
}

#endif
