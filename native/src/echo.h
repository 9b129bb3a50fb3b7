/*
 * ICMP and ICMPv6 echoes (RFC 792, RFC 4443) with times of the kernel: what goes out, what comes back, and the ICMP
 * errors about it. Never blocks. Functions return negative errno on failure.
 */
#ifndef WEFT_ECHO_H
#define WEFT_ECHO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the header, and of the token that echoes begin with if they have room for it. */
enum { WEFT_ECHO_HEADER_BYTES = 8, WEFT_ECHO_TOKEN_BYTES = 8, WEFT_ECHO_MAX_PAYLOAD = 65535 - 28 };

union weft_echo_address {
  struct sockaddr any;
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
};

enum weft_echo_kind {
  WEFT_ECHO_REPLY,
  /* An ICMP error about an echo. */
  WEFT_ECHO_ERROR,
  /* A word of this host's own kernel about a packet that it did not send; has no sequence. */
  WEFT_ECHO_LOCAL,
};

struct weft_echo_answer {
  enum weft_echo_kind kind;
  /* Who answered; of an error, who complains. */
  union weft_echo_address from;
  /* Where the echo went, of an error. */
  union weft_echo_address to;
  uint16_t sequence;
  /* Of the ICMP message, without the IP header. */
  size_t bytes;
  /* CLOCK_REALTIME when the kernel received it, in µs; 0 if unknown. */
  double time_us;
  bool has_token;
  /* Of an error: ICMP type and code, errno, and the MTU that "fragmentation needed" tells, or 0. */
  unsigned type, code, mtu;
  int error;
};

/*
 * Opens a socket that sends with DF and ignores what the kernel knows of the path MTU, so that each echo asks the path
 * anew. Raw with CAP_NET_RAW; else a "ping socket" (icmp(7)), for which the kernel picks the identifier. `device` and
 * `source` may be NULL. Returns the descriptor.
 */
int weft_echo_open(int family, uint16_t identifier, const char *device, const union weft_echo_address *source);
/* Routers that echoes may pass, 1 to 255: the one after them says "time exceeded". */
int weft_echo_set_ttl(int fd, int family, int ttl);
/* Sends one echo; stores when, in µs of CLOCK_REALTIME. -EMSGSIZE: larger than the MTU of the device. */
int weft_echo_send(int fd, const union weft_echo_address *to, uint16_t identifier, uint16_t sequence,
                   size_t payload_bytes, const uint8_t *token, double *time_us);
/* Reads one answer. Returns 1, or 0 if there is none. */
int weft_echo_read(int fd, int family, const uint8_t *token, struct weft_echo_answer *answer);

#endif
