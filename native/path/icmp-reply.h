/* Sends the ICMP errors that a router owes, through the TUN device. */
#ifndef WEFT_ICMP_REPLY_H
#define WEFT_ICMP_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "packet/icmp.h"
#include "worker.h"

/*
 * Writes the error about `data` to the TUN device. Sends none if weft_icmp_make makes none, if the
 * rate limit is reached, or if this host has no overlay address of the family.
 */
void weft_icmp_reply(struct weft_worker *worker, enum weft_icmp_error error, size_t mtu, const uint8_t *data,
                     const struct weft_packet *packet);

#endif
