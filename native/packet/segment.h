/*
 * Segments a super-packet (TSO, USO). Each segment has its own lengths, identification, sequence
 * number, flags and complete checksum. Payload is not copied: a segment is a header in the caller's
 * buffer and a slice of the super-packet.
 */
#ifndef WEFT_SEGMENT_H
#define WEFT_SEGMENT_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* Linux 6.2; missing from the headers of Debian 12. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Linux 6.2; missing from the headers of Debian 12. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Longest IP and transport headers of a super-packet, in bytes. */
enum { WEFT_MAX_INNER_HEADER = 224 };

struct weft_segmenter {
  /* The segment of the last weft_segmenter_next. */
  const uint8_t *payload;
  size_t payload_bytes;
  /* Common to all segments. */
  size_t header_bytes;
  size_t segment_payload; /* of all but the last, which can be shorter */
  unsigned count;         /* number of segments */
  /* Private. */
  const uint8_t *data;
  struct weft_packet packet;
  size_t offset, end;
  unsigned index;
  uint64_t network_sum; /* of the IPv4 header without the fields that vary */
  uint64_t pseudo_sum;  /* without the length */
};

/*
 * Prepares to segment the `length` bytes at `data`, parsed as `packet`, by `header` (gso_type TCPV4
 * or TCPV6 with or without ECN, or UDP_L4; host byte order). Drops a packet that does not match the
 * header: type and protocol, gso_size 0, headers longer than WEFT_MAX_INNER_HEADER, a fragment.
 */
enum weft_drop_reason weft_segmenter_init(struct weft_segmenter *segmenter, const struct virtio_net_hdr *header,
                                          const uint8_t *data, size_t length, const struct weft_packet *packet);

/*
 * Writes the header_bytes of the next segment to `header` and sets payload and payload_bytes. False
 * after the last.
 */
bool weft_segmenter_next(struct weft_segmenter *segmenter, uint8_t *header);

/*
 * Completes the partial checksum (VIRTIO_NET_HDR_F_NEEDS_CSUM) of a packet that is not segmented.
 * Drops a packet if csum_start and csum_offset point outside of it.
 */
enum weft_drop_reason weft_complete_checksum(const struct virtio_net_hdr *header, uint8_t *data, size_t length);

#endif
