/*
 * ICMP and ICMPv6 echoes (RFC 792, RFC 4443) with kernel timestamps, and ICMP errors about them.
 * Non-blocking. Functions return negative errno on failure.
 */
#ifndef WEFT_ECHO_H
#define WEFT_ECHO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Echo payloads begin with the token if it fits. */
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
  /* A local error: the kernel did not send the packet. It has no sequence. */
  WEFT_ECHO_LOCAL,
};

struct weft_echo_answer {
  enum weft_echo_kind kind;
  /* Source of the answer or of the error. */
  union weft_echo_address from;
  /* Destination of the echo; errors only. */
  union weft_echo_address to;
  uint16_t sequence;
  /* Of the ICMP message, without the IP header. */
  size_t bytes;
  /* Kernel receive time (CLOCK_REALTIME) in µs; 0 if unknown. */
  double time_us;
  bool has_token;
  /* Of an error: ICMP type and code, errno, and the MTU of "fragmentation needed" or 0. */
  unsigned type, code, mtu;
  int error;
};

/*
 * Opens a socket that sends with DF and ignores the kernel's path MTU cache, so that each echo
 * probes the path. Raw with CAP_NET_RAW; otherwise a ping socket (icmp(7)), whose identifier the
 * kernel chooses. `device` and `source` may be NULL. Returns the descriptor.
 */
int weft_echo_open(int family, uint16_t identifier, const char *device, const union weft_echo_address *source);
/* Sets the TTL of echoes, 1 to 255. */
int weft_echo_set_ttl(int fd, int family, int ttl);
/*
 * Sends one echo and stores its send time (CLOCK_REALTIME, µs). -EMSGSIZE: larger than the MTU of
 * the device.
 */
int weft_echo_send(int fd, const union weft_echo_address *to, uint16_t identifier, uint16_t sequence,
                   size_t payload_bytes, const uint8_t *token, double *time_us);
/* Reads one answer. Returns 1, or 0 if there is none. */
int weft_echo_read(int fd, int family, const uint8_t *token, struct weft_echo_answer *answer);

#endif
