/* Fragments an IPv4 packet (RFC 791 §3.2) for a path with a smaller MTU. Payload is not copied. */
#ifndef WEFT_FRAGMENT_H
#define WEFT_FRAGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct weft_fragmenter {
  /* The fragment of the last weft_fragmenter_next. */
  const uint8_t *payload;
  size_t payload_bytes;
  size_t header_bytes; /* shorter from the second on, without options that are not copied */
  /* Private. */
  const uint8_t *data;
  struct weft_packet packet;
  size_t mtu, offset;
};

/*
 * Prepares to fragment `data`, which has a complete transport checksum. `mtu`: largest fragment, at
 * least 68. WEFT_DROP_TX_TOO_BIG: the packet is IPv6, has DF, or is a fragment that ends beyond
 * 65,535 bytes. A fragment can be fragmented again.
 */
enum weft_drop_reason weft_fragmenter_init(struct weft_fragmenter *fragmenter, const uint8_t *data,
                                           const struct weft_packet *packet, size_t mtu);
/*
 * Writes the next header (at most 60 bytes) and sets payload, payload_bytes and header_bytes. False
 * after the last.
 */
bool weft_fragmenter_next(struct weft_fragmenter *fragmenter, uint8_t *header);

#endif
