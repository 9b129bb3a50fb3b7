/* The last step from the underlay to the TUN device: coalesces checked packets and writes them. */
#ifndef WEFT_DELIVER_H
#define WEFT_DELIVER_H

#include <stddef.h>
#include <stdint.h>

#include "packet/coalesce.h"
#include "packet/packet.h"

struct weft_worker;

/*
 * All packets of a flow pass through one coalescer, which keeps their order. `segment_payload`:
 * payload of the segments of a super-packet, as reported by the sending kernel, or 0.
 */
void weft_deliver_packet(struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet,
                         size_t segment_payload);
/* Writes and counts the packets of `flow`. A rejected super-packet is written packet by packet. */
void weft_deliver_flow(struct weft_worker *worker, struct weft_coalescer *flow);

#endif
