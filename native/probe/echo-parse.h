/* Parses messages of an echo socket: answers, and errors with their ancillary data. Pure. */
#ifndef WEFT_ECHO_PARSE_H
#define WEFT_ECHO_PARSE_H

#include <sys/socket.h>
#include <time.h>

#include "echo.h"

/* Header of ICMP and ICMPv6 (RFC 792, RFC 4443 §4.1), in network byte order. */
struct weft_echo_header {
  uint8_t type, code;
  uint16_t checksum, identifier, sequence;
};

static inline double weft_echo_to_us(const struct timespec *time) {
  return (double)time->tv_sec * 1e6 + (double)time->tv_nsec / 1e3;
}

/* Reads ancillary data: the time, and the error with its offender. Ignores truncated data. */
void weft_echo_parse_control(struct msghdr *message, struct weft_echo_answer *answer);
/* Whether `packet` is an echo reply or, in an error, the quoted echo. */
bool weft_echo_parse(int family, const uint8_t *token, const uint8_t *packet, size_t length,
                     struct weft_echo_answer *answer);

#endif
