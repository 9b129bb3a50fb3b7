/* Interfaces of the underlay. */
#ifndef WEFT_UNDERLAY_H
#define WEFT_UNDERLAY_H

#include <stdint.h>

/* Index of the Ethernet interface with this IPv4 address, in network order; 0: none. */
unsigned weft_underlay_index(uint32_t address);

#endif
