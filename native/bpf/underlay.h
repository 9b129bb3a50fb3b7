/* Interfaces and routes of the underlay. */
#ifndef WEFT_UNDERLAY_H
#define WEFT_UNDERLAY_H

#include <stdint.h>

#include "route/route.h"

/* Index of the Ethernet interface with this IPv4 address, in network order; 0: none. */
unsigned weft_underlay_index(uint32_t address);
/*
 * MTU of the host's route to `remote`, with learned path MTUs; UINT16_MAX without a route.
 * `probe_fd`: a UDP socket that sends nothing.
 */
uint32_t weft_underlay_mtu(int probe_fd, const union weft_endpoint *remote);

#endif
