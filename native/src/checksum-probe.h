/*
 * Probes of transport checksums: a UDP datagram to a closed port, whose checksum is computed by this kernel, or left to
 * whatever device sends it. The peer's kernel answers "port unreachable" only to a right one (RFC 1122 §4.1.3.1). Needs no
 * capability.
 */
#ifndef WEFT_CHECKSUM_PROBE_H
#define WEFT_CHECKSUM_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "echo.h"

/* Sends one from a socket of its own. Returns the descriptor. */
int weft_checksum_probe_send(const union weft_echo_address *to, uint16_t port, bool in_software);
/* Returns 1 if it was answered, 0 if nothing came yet. */
int weft_checksum_probe_read(int fd);

#endif
