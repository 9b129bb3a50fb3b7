/* The last step from the underlay to the TUN device: checked packets are joined to super-packets and written. */
#ifndef WEFT_DELIVER_H
#define WEFT_DELIVER_H

#include <stddef.h>
#include <stdint.h>

#include "packet/coalesce.h"
#include "packet/packet.h"

struct weft_worker;

/*
 * All packets of a flow pass through one coalescer, so that they stay in order. `segment_payload`: of a super-packet, as
 * the kernel at the other end tells it, or 0.
 */
void weft_deliver_packet(struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet,
                         size_t segment_payload);
/* Writes what `flow` holds, if anything, and counts it; a refused super-packet goes packet by packet. */
void weft_deliver_flow(struct weft_worker *worker, struct weft_coalescer *flow);

#endif
