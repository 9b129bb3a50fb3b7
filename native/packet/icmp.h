/*
 * ICMP and ICMPv6 errors that a router owes (RFC 792, 1812 §4.3, 1191, 4443), and their rate limit. Makers are pure:
 * whether an error may be sent at all is decided here, sending is the worker's.
 */
#ifndef WEFT_ICMP_H
#define WEFT_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

enum weft_icmp_error {
  WEFT_ICMP_NO_ROUTE,      /* type 3 code 0; ICMPv6 type 1 code 0 */
  WEFT_ICMP_TIME_EXCEEDED, /* type 11 code 0; ICMPv6 type 3 code 0 */
  WEFT_ICMP_TOO_BIG,       /* type 3 code 4; ICMPv6 type 2 */
};

/* Largest error: ICMPv6 quotes as much as fits into 1280 bytes (RFC 4443 §2.4c), ICMP into 576 (RFC 1812 §4.3.2.3). */
enum { WEFT_MAX_ICMP = 1280 };

/*
 * Writes the error about `data` to `out` (WEFT_MAX_ICMP bytes) as a whole IP packet, hop limit 64, from `source` (4 or
 * 16 bytes, this host's overlay address of packet->family). `mtu`: for TOO_BIG, the largest inner packet that passes;
 * ICMPv6 never tells less than 1280. Returns its length, or 0 if none may be sent: about ICMP errors (or what cannot be
 * told from one) and redirects, later fragments, to or from multicast (but TOO_BIG about packets to IPv6 multicast),
 * broadcast, unspecified, loopback or (ICMPv6) link-local sources (RFC 1812 §4.3.2.7, RFC 4443 §2.4e).
 */
size_t weft_icmp_make(uint8_t *out, enum weft_icmp_error error, size_t mtu, const uint8_t *source, const uint8_t *data,
                      const struct weft_packet *packet);

/* Token bucket (RFC 4443 §2.4f): `burst` errors at once, `per_second` in the long run. */
struct weft_rate {
  uint64_t last_ns;
  uint32_t tokens_milli; /* thousandths */
  uint32_t per_second, burst;
};
void weft_rate_init(struct weft_rate *rate, uint32_t per_second, uint32_t burst);
/* Takes a token; false if there is none. `now_ns` is monotonic. */
bool weft_rate_take(struct weft_rate *rate, uint64_t now_ns);

#endif
