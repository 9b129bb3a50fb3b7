/*
 * Cuts a super-packet that the kernel handed over whole (TSO, USO) into the packets that it stands for, each with its
 * own lengths, identification, sequence number, flags and full checksum. Payload is never copied: each segment is a
 * header in the caller's buffer and a slice of the super-packet.
 */
#ifndef WEFT_SEGMENT_H
#define WEFT_SEGMENT_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* Linux 6.2; older headers lack it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Linux 6.2; missing from the headers of Debian 12. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Longest IP and transport headers that can be segmented, in bytes. */
enum { WEFT_MAX_INNER_HEADER = 224 };

struct weft_segmenter {
  /* Of the segment that weft_segmenter_next made last. */
  const uint8_t *payload;
  size_t payload_bytes;
  /* The same for all segments. */
  size_t header_bytes;
  size_t segment_payload; /* of all but the last, which may be shorter */
  unsigned count;         /* segments in all */
  /* Private. */
  const uint8_t *data;
  struct weft_packet packet;
  size_t offset, end;
  unsigned index;
  uint64_t network_sum; /* of the IPv4 header without the fields that differ */
  uint64_t pseudo_sum;  /* without the length */
};

/*
 * Prepares to cut the `length` bytes at `data`, parsed as `packet`, as `header` says (gso_type TCPV4, TCPV6 with or
 * without ECN, or UDP_L4; fields in the byte order of this host). Returns 0, or enum weft_drop_reason if header and packet
 * do not go together: type and protocol, gso_size 0, headers longer than WEFT_MAX_INNER_HEADER, a fragment.
 */
enum weft_drop_reason weft_segmenter_init(struct weft_segmenter *segmenter, const struct virtio_net_hdr *header,
                                          const uint8_t *data, size_t length, const struct weft_packet *packet);

/* Writes the next segment's header_bytes to `header` and sets payload and payload_bytes. False after the last. */
bool weft_segmenter_next(struct weft_segmenter *segmenter, uint8_t *header);

/*
 * Fills in the transport checksum that the kernel left to the device (VIRTIO_NET_HDR_F_NEEDS_CSUM) in a packet that is
 * not to be cut. Returns 0, or enum weft_drop_reason if csum_start and csum_offset point outside.
 */
enum weft_drop_reason weft_complete_checksum(const struct virtio_net_hdr *header, uint8_t *data, size_t length);

#endif
