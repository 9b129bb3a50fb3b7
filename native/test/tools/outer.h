/*
 * Outer headers of a tunnelled frame, and edits of it that a receiver's kernel does not notice:
 * lengths and checksums of the outer headers are put right again. Owns no memory.
 *
 *   Ethernet | IPv4 or IPv6 | UDP | payload
 */
#ifndef WEFT_TOOLS_OUTER_H
#define WEFT_TOOLS_OUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outer {
  unsigned family; /* 4 or 6 */
  uint8_t *ip, *udp, *payload;
  size_t payload_bytes;
};

/* False if the frame is no whole, unfragmented UDP datagram to `port`. */
bool outer_parse(struct outer *outer, uint8_t *frame, size_t length, unsigned port);

/*
 * Cuts the payload to `payload_bytes`, which is no more than it has; returns the new length of the
 * frame.
 */
size_t outer_cut(struct outer *outer, const uint8_t *frame, size_t payload_bytes);

/* Both put the IPv4 header checksum right. */
void outer_mark_congestion(struct outer *outer);
void outer_set_ttl(struct outer *outer, uint8_t ttl);

/* After the payload was changed. A datagram without a checksum stays without. */
void outer_fix_checksum(struct outer *outer);
/* Makes it wrong for sure, also if there was none. */
void outer_break_checksum(struct outer *outer);

#endif
