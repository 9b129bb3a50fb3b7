/* What the host's own network says of the way to peers. */
#ifndef WEFT_UNDERLAY_H
#define WEFT_UNDERLAY_H

#include <stdint.h>

#include "route/route.h"

/* Index of the Ethernet interface that has this IPv4 address, in network order; 0: none has. */
unsigned weft_underlay_index(uint32_t address);
/* MTU of the host's route to `remote`, smaller ones that routers told included; UINT16_MAX if it has none. `probe_fd`: a UDP socket that never sends. */
uint32_t weft_underlay_mtu(int probe_fd, const union weft_endpoint *remote);

#endif
