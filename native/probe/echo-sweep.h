/*
 * One echo to each of many addresses of a family, which share a sequence, and the round trips of
 * their answers.
 */
#ifndef WEFT_ECHO_SWEEP_H
#define WEFT_ECHO_SWEEP_H

#include "echo.h"

struct weft_echo_sweep {
  int fd, family;
  uint16_t identifier, sequence;
  const uint8_t *token;
  /* `count` addresses of 4 or 16 bytes, in network byte order. */
  const uint8_t *addresses;
  size_t count;
  /* Send time of each echo (CLOCK_REALTIME, µs); 0: it was not sent. */
  double *sent_us;
};

/* Opens a socket for sweeps, as weft_echo_open, that gets no ICMP errors: only answers count. */
int weft_echo_sweep_open(int family, uint16_t identifier);
/* Sends the echoes. Those that the kernel rejects, as without a route, count as not sent. */
void weft_echo_sweep_send(const struct weft_echo_sweep *sweep);
/*
 * Reads what arrived. Stores the round trip of each answered echo in `rtt_us`, and leaves the
 * others alone. Returns the number of answers.
 */
int weft_echo_sweep_read(const struct weft_echo_sweep *sweep, double *rtt_us);

#endif
