/*
 * Explicit congestion notification across a tunnel: RFC 6040 §4.1 normal mode at the ingress, §4.2
 * at the egress.
 */
#ifndef WEFT_ECN_H
#define WEFT_ECN_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

/*
 * The outer TOS of an inner one. Copies the ECN field, and DSCP if `inherits_dscp`; otherwise DSCP
 * is 0, as kernel VXLAN devices send it.
 */
static inline uint8_t weft_ecn_encap(uint8_t inner_tos, bool inherits_dscp) {
  return inherits_dscp ? inner_tos : (uint8_t)(inner_tos & 3);
}

/*
 * Combines the outer ECN field with the inner one (RFC 6040, figure 4). Updates the IPv4 checksum
 * and packet->tos. WEFT_DROP_RX_ECN: the combination is invalid.
 */
enum weft_drop_reason weft_ecn_decap(uint8_t *data, struct weft_packet *packet, uint8_t outer_tos);

#endif
