/* The tunnel egress of RFC 6040 §4.2. Changes only the ECN bits of the inner packet. */
#include "ecn.h"

#include <string.h>

#include "checksum.h"

/* Codepoints of RFC 3168 §5, and DROP. */
enum { NOT_ECT = 0, ECT_1 = 1, ECT_0 = 2, CE = 3, DROP = 4 };

/* Figure 4 of RFC 6040, by inner and outer codepoint. */
static const uint8_t EGRESS[4][4] = {
    [NOT_ECT] = {[NOT_ECT] = NOT_ECT, [ECT_0] = NOT_ECT, [ECT_1] = NOT_ECT, [CE] = DROP},
    [ECT_0] = {[NOT_ECT] = ECT_0, [ECT_0] = ECT_0, [ECT_1] = ECT_1, [CE] = CE},
    [ECT_1] = {[NOT_ECT] = ECT_1, [ECT_0] = ECT_1, [ECT_1] = ECT_1, [CE] = CE},
    [CE] = {[NOT_ECT] = CE, [ECT_0] = CE, [ECT_1] = CE, [CE] = CE},
};

static void set_tos(uint8_t *data, unsigned family, uint8_t tos) {
  uint16_t before, after;
  memcpy(&before, data, sizeof(before)); /* has the traffic class in both families */
  if (family == 6) {
    data[0] = (uint8_t)((data[0] & 0xf0) | tos >> 4);
    data[1] = (uint8_t)((data[1] & 0x0f) | tos << 4);
    return;
  }
  data[1] = tos;
  memcpy(&after, data, sizeof(after));
  weft_update_checksum(data + 10, before, after);
}

enum weft_drop_reason weft_ecn_decap(uint8_t *data, struct weft_packet *packet, uint8_t outer_tos) {
  const unsigned inner = packet->tos & 3;
  const uint8_t result = EGRESS[inner][outer_tos & 3];
  if (result == DROP) return WEFT_DROP_RX_ECN;
  if (result == inner) return WEFT_NOT_DROPPED;
  packet->tos = (uint8_t)((packet->tos & 0xfc) | result);
  set_tos(data, packet->family, packet->tos);
  return WEFT_NOT_DROPPED;
}
