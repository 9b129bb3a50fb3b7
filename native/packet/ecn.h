/* Explicit congestion notification across a tunnel, RFC 6040 §4: normal mode at the ingress, §4.2 at the egress. */
#ifndef WEFT_ECN_H
#define WEFT_ECN_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

/* Outer TOS for an inner one: the ECN field is copied; DSCP too if `inherits_dscp`, else 0 as kernel VXLAN devices send. */
static inline uint8_t weft_ecn_encap(uint8_t inner_tos, bool inherits_dscp) {
  return inherits_dscp ? inner_tos : (uint8_t)(inner_tos & 3);
}

/*
 * Brings the outer ECN field into the inner packet, as figure 4 of RFC 6040 says, and corrects the IPv4 checksum and
 * packet->tos. Returns 0 or WEFT_DROP_RX_ECN.
 */
enum weft_drop_reason weft_ecn_decap(uint8_t *data, struct weft_packet *packet, uint8_t outer_tos);

#endif
