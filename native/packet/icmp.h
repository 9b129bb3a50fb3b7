/*
 * ICMP and ICMPv6 errors of a router (RFC 792, 1812 §4.3, 1191, 4443), and their rate limit. Pure:
 * icmp-reply.c sends them.
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

/*
 * Largest error. ICMPv6 quotes up to 1280 bytes in all (RFC 4443 §2.4c), ICMP up to 576 (RFC 1812
 * §4.3.2.3).
 */
enum { WEFT_MAX_ICMP = 1280 };

/*
 * Writes the error about `data` to `out` (WEFT_MAX_ICMP bytes) as an IP packet with hop limit 64
 * from `source`, this host's overlay address of packet->family. `mtu`: largest inner packet that
 * fits, for TOO_BIG; ICMPv6 reports 1280 at least. Returns its length, or 0 where RFC 1812 §4.3.2.7
 * and RFC 4443 §2.4e forbid an error: about ICMP errors and redirects, packets that could be one,
 * later fragments, multicast and broadcast (except TOO_BIG about IPv6 multicast), and unspecified,
 * loopback or (ICMPv6) link-local sources.
 */
size_t weft_icmp_make(uint8_t *out, enum weft_icmp_error error, size_t mtu, const uint8_t *source, const uint8_t *data,
                      const struct weft_packet *packet);

/* Token bucket (RFC 4443 §2.4f): bursts of `burst` errors, `per_second` on average. */
struct weft_rate {
  uint64_t last_ns;
  uint32_t tokens_milli; /* thousandths */
  uint32_t per_second, burst;
};
void weft_rate_init(struct weft_rate *rate, uint32_t per_second, uint32_t burst);
/* Takes a token. False: none left. `now_ns` is monotonic. */
bool weft_rate_take(struct weft_rate *rate, uint64_t now_ns);

#endif
