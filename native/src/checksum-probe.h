/*
 * Probes of transport checksums: a UDP datagram to a closed port, with a checksum from the kernel
 * or from the sending device. The peer's kernel answers "port unreachable" only if it is right (RFC
 * 1122 §4.1.3.1). Needs no capability.
 */
#ifndef WEFT_CHECKSUM_PROBE_H
#define WEFT_CHECKSUM_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/echo.h"

/* Sends a probe from a new socket. Returns the descriptor. */
int weft_checksum_probe_send(const union weft_echo_address *to, uint16_t port, bool in_software);
/* Returns 1 after an answer, 0 without one. */
int weft_checksum_probe_read(int fd);

#endif
