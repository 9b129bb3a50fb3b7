/* Builds ICMP errors and limits their rate. Pure: the caller passes the time. */
#include "icmp.h"

#include <string.h>

#include "checksum.h"
#include "wire.h"

enum {
  ICMP_BYTES = 8,      /* RFC 792, RFC 4443 §3: before the quoted packet */
  MAX_ICMPV4 = 576,    /* RFC 1812 §4.3.2.3 */
  MIN_IPV6_MTU = 1280, /* RFC 8200 §5: the least reported MTU */
  REDIRECT_ICMPV6 = 137,
  CONTROL_TOS = 0xc0, /* internetwork control, RFC 1812 §4.3.2.5 */
  REPLY_TTL = 64,     /* RFC 1700 */
  MULTICAST_IPV6 = 0xff,
};

/* Type and code, by enum weft_icmp_error. */
static const uint8_t ICMPV4_CODES[][2] = {
    [WEFT_ICMP_NO_ROUTE] = {3, 0}, [WEFT_ICMP_TIME_EXCEEDED] = {11, 0}, [WEFT_ICMP_TOO_BIG] = {3, 4}};
static const uint8_t ICMPV6_CODES[][2] = {
    [WEFT_ICMP_NO_ROUTE] = {1, 0}, [WEFT_ICMP_TIME_EXCEEDED] = {3, 0}, [WEFT_ICMP_TOO_BIG] = {2, 0}};

/* --- Whether an error may be sent --- */

/*
 * Echo (0, 8), router discovery (9, 10), timestamp to mask (13 to 18), extended echo (42, 43).
 * Other types can be errors.
 */
static bool is_icmpv4_query(uint8_t type) {
  return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18) || type == 42 || type == 43;
}

/*
 * RFC 1122 §3.2.2, RFC 4443 §2.4e1 and e2: a packet that is or can be an ICMP error, and ICMPv6
 * redirects.
 */
static bool may_be_error(const uint8_t *data, const struct weft_packet *packet) {
  if (packet->is_later_fragment || packet->protocol == WEFT_PROTOCOL_NONE) return true;
  if (packet->protocol != WEFT_PROTOCOL_ICMP && packet->protocol != WEFT_PROTOCOL_ICMPV6) return false;
  if (packet->total_bytes < (uint32_t)packet->network_bytes + ICMP_BYTES) return true;
  const uint8_t type = data[packet->network_bytes];
  return packet->protocol == WEFT_PROTOCOL_ICMP ? !is_icmpv4_query(type) : type < 128 || type == REDIRECT_ICMPV6;
}

/* Not this network, loopback, multicast, class E or broadcast (RFC 1812 §4.3.2.7). */
static bool is_single_ipv4_host(const uint8_t *address) {
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

/* Not unspecified, loopback or multicast. */
static bool is_single_ipv6_host(const uint8_t *address) {
  static const uint8_t ZERO[15];
  return address[0] != MULTICAST_IPV6 && !(memcmp(address, ZERO, sizeof(ZERO)) == 0 && address[15] <= 1);
}

static bool is_link_local(const uint8_t *address) {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static bool may_send(enum weft_icmp_error error, const uint8_t *data, const struct weft_packet *packet) {
  const uint8_t *from = weft_packet_source(data, packet), *to = weft_packet_destination(data, packet);
  if (may_be_error(data, packet)) return false;
  if (packet->family == 4) return is_single_ipv4_host(from) && is_single_ipv4_host(to);
  if (!is_single_ipv6_host(from) || is_link_local(from)) return false;
  /* Path MTU discovery works for multicast too (RFC 4443 §2.4e3). */
  return is_single_ipv6_host(to) || (error == WEFT_ICMP_TOO_BIG && to[0] == MULTICAST_IPV6);
}

/* --- Making one --- */

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static size_t make_icmpv4(uint8_t *out, enum weft_icmp_error error, size_t mtu, const uint8_t *source,
                          const uint8_t *data, const struct weft_packet *packet) {
  uint8_t *icmp = out + WEFT_IPV4_BYTES;
  const size_t quoted = smaller(packet->total_bytes, MAX_ICMPV4 - WEFT_IPV4_BYTES - ICMP_BYTES);
  const size_t total = WEFT_IPV4_BYTES + ICMP_BYTES + quoted;
  memset(out, 0, WEFT_IPV4_BYTES + ICMP_BYTES);
  out[0] = 0x45;
  out[1] = CONTROL_TOS;
  weft_store16(out + 2, (unsigned)total);
  out[8] = REPLY_TTL;
  out[9] = WEFT_PROTOCOL_ICMP;
  memcpy(out + 12, source, 4);
  memcpy(out + 16, weft_packet_source(data, packet), 4);
  weft_store_checksum(out + 10, weft_sum(0, out, WEFT_IPV4_BYTES));
  memcpy(icmp, ICMPV4_CODES[error], 2);
  /* RFC 1191 §4; RFC 792 leaves these bytes 0. */
  if (error == WEFT_ICMP_TOO_BIG) weft_store16(icmp + 6, (unsigned)smaller(mtu, WEFT_MAX_PACKET));
  memcpy(icmp + ICMP_BYTES, data, quoted);
  weft_store_checksum(icmp + 2, weft_sum(0, icmp, ICMP_BYTES + quoted));
  return total;
}

static size_t make_icmpv6(uint8_t *out, enum weft_icmp_error error, size_t mtu, const uint8_t *source,
                          const uint8_t *data, const struct weft_packet *packet) {
  static const struct weft_packet REPLY = {.family = 6, .protocol = WEFT_PROTOCOL_ICMPV6};
  uint8_t *icmp = out + WEFT_IPV6_BYTES;
  const size_t quoted = smaller(packet->total_bytes, WEFT_MAX_ICMP - WEFT_IPV6_BYTES - ICMP_BYTES);
  const size_t icmp_bytes = ICMP_BYTES + quoted;
  const size_t reported = smaller(mtu > MIN_IPV6_MTU ? mtu : MIN_IPV6_MTU, WEFT_MAX_PACKET);
  memset(out, 0, WEFT_IPV6_BYTES + ICMP_BYTES);
  out[0] = 0x60;
  weft_store16(out + 4, (unsigned)icmp_bytes);
  out[6] = WEFT_PROTOCOL_ICMPV6;
  out[7] = REPLY_TTL;
  memcpy(out + 8, source, 16);
  memcpy(out + 24, weft_packet_source(data, packet), 16);
  memcpy(icmp, ICMPV6_CODES[error], 2);
  if (error == WEFT_ICMP_TOO_BIG) weft_store32(icmp + 4, (uint32_t)reported);
  memcpy(icmp + ICMP_BYTES, data, quoted);
  weft_store_checksum(icmp + 2, weft_sum(weft_pseudo_sum(out, &REPLY, icmp_bytes), icmp, icmp_bytes));
  return WEFT_IPV6_BYTES + icmp_bytes;
}

size_t weft_icmp_make(uint8_t *out, enum weft_icmp_error error, size_t mtu, const uint8_t *source, const uint8_t *data,
                      const struct weft_packet *packet) {
  if (!may_send(error, data, packet)) return 0;
  return packet->family == 4 ? make_icmpv4(out, error, mtu, source, data, packet)
                             : make_icmpv6(out, error, mtu, source, data, packet);
}

/* --- Rate --- */

enum { MILLI = 1000, NS_PER_MILLI_OF_1 = 1000000 };
static const uint64_t NS_PER_S = 1000000000;

void weft_rate_init(struct weft_rate *rate, uint32_t per_second, uint32_t burst) {
  const uint32_t most = UINT32_MAX / MILLI;
  *rate = (struct weft_rate){.per_second = per_second, .burst = burst < most ? burst : most};
  rate->tokens_milli = rate->burst * MILLI;
}

/*
 * Adds the tokens of the time since the last call. No product overflows: a time longer than the
 * bucket needs to fill means full, and a shorter one times the rate is at most burst seconds. A
 * remainder below a thousandth is left for the next call. Rounding loses less than 1 ns per call.
 */
static void refill(struct weft_rate *rate, uint64_t now_ns) {
  const uint32_t full = rate->burst * MILLI;
  const uint64_t elapsed = now_ns - rate->last_ns;
  if (now_ns < rate->last_ns || rate->per_second == 0) {
    rate->last_ns = now_ns;
    return;
  }
  const uint64_t gained =
      elapsed > rate->burst * NS_PER_S / rate->per_second ? full : elapsed * rate->per_second / NS_PER_MILLI_OF_1;
  if (gained >= full - rate->tokens_milli) {
    rate->tokens_milli = full;
    rate->last_ns = now_ns;
    return;
  }
  rate->tokens_milli += (uint32_t)gained;
  rate->last_ns += (gained * NS_PER_MILLI_OF_1 + rate->per_second - 1) / rate->per_second;
}

bool weft_rate_take(struct weft_rate *rate, uint64_t now_ns) {
  refill(rate, now_ns);
  if (rate->tokens_milli < MILLI) return false;
  rate->tokens_milli -= MILLI;
  return true;
}
