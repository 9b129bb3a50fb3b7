/* Interfaces of the underlay. */
#ifndef WEFT_UNDERLAY_H
#define WEFT_UNDERLAY_H

#include "route/route.h"

/* Index of the Ethernet interface with this address; 0: none. */
unsigned weft_underlay_index(const union weft_endpoint *address);

#endif
