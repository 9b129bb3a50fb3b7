/* Sends runs, and copes with a kernel that takes them only in part, one by one, smaller, or not at all. */
#ifndef WEFT_SEND_H
#define WEFT_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "route/route.h"

struct weft_worker;

/* Sends all runs that were gathered; afterwards slots, iovecs and runs are free again. */
void weft_send_runs(struct weft_worker *worker);

/* Sends all runs but the last, unless nothing more can join that one either. */
void weft_send_full_runs(struct weft_worker *worker);

/*
 * Of tx.c: what to do with an inner packet that turned out too big for the path on sending: appends its fragments, or tells
 * its sender. `data` must stay until the next weft_send_runs.
 */
void weft_tx_resend(struct weft_worker *worker, const struct weft_route *route, uint8_t tos, uint8_t socket,
                    const uint8_t *data, size_t length);

#endif
