/* ICMP errors byte for byte, what they are never sent about, and their rate. */
#include "packet/icmp.h"

#include "packet/checksum.h"
#include "packet/wire.h"
#include "support/expect.h"

static uint8_t inner[WEFT_MAX_PACKET], out[WEFT_MAX_ICMP];
static const uint8_t OWN4[4] = {10, 9, 8, 7};
static const uint8_t OWN6[16] = {0xfd, 0, 9, [15] = 9};

enum { ALL_ERRORS = 3 };

/* An IPv4 packet of `total_bytes` whose payload counts. */
static void make_ipv4(size_t total_bytes, unsigned protocol) {
  for (size_t i = 0; i < total_bytes; i++) inner[i] = (uint8_t)(i + 1);
  memset(inner, 0, 20);
  inner[0] = 0x45;
  weft_store16(inner + 2, (unsigned)total_bytes);
  inner[8] = 1;
  inner[9] = (uint8_t)protocol;
  memcpy(inner + 12, (const uint8_t[]){10, 1, 2, 3, 10, 4, 5, 6}, 8);
}

/* The same with IPv6. */
static void make_ipv6(size_t total_bytes, unsigned protocol) {
  for (size_t i = 0; i < total_bytes; i++) inner[i] = (uint8_t)(i + 1);
  memset(inner, 0, 40);
  inner[0] = 0x60;
  weft_store16(inner + 4, (unsigned)total_bytes - 40);
  inner[6] = (uint8_t)protocol;
  inner[7] = 1;
  memcpy(inner + 8, (const uint8_t[16]){0xfd, 1, [15] = 1}, 16);
  memcpy(inner + 24, (const uint8_t[16]){0xfd, 2, [15] = 2}, 16);
}

/* The error about what is in `inner`; its length. */
static size_t make_error(enum weft_icmp_error error, size_t mtu) {
  struct weft_packet packet;
  EXPECT(weft_packet_parse(inner, sizeof(inner), &packet), 0);
  memset(out, 0xaa, sizeof(out));
  return weft_icmp_make(out, error, mtu, packet.family == 4 ? OWN4 : OWN6, inner, &packet);
}

/* How many of the errors are sent about what is in `inner`. */
static unsigned errors_sent(void) {
  unsigned count = 0;
  for (unsigned error = 0; error < ALL_ERRORS; error++) count += make_error(error, 1400) > 0;
  return count;
}

/* --- Contents --- */

static void expect_ipv4(enum weft_icmp_error error, size_t mtu, size_t inner_bytes, size_t quoted, uint32_t first,
                        uint32_t second) {
  make_ipv4(inner_bytes, WEFT_PROTOCOL_UDP);
  EXPECT(make_error(error, mtu), 28 + quoted);
  EXPECT(weft_load32(out), 0x45c00000u | (28 + quoted));
  EXPECT(weft_load32(out + 4), 0);
  EXPECT(out[8], 64);
  EXPECT(out[9], 1);
  EXPECT_BYTES(out + 12, OWN4, 4);
  EXPECT_BYTES(out + 16, inner + 12, 4);
  EXPECT(weft_fold(weft_sum(0, out, 20)), 0xffff);
  EXPECT(weft_load16(out + 20), first);
  EXPECT(weft_load32(out + 24), second);
  EXPECT_BYTES(out + 28, inner, quoted);
  EXPECT(weft_fold(weft_sum(0, out + 20, 8 + quoted)), 0xffff);
}

static void test_ipv4(void) {
  expect_ipv4(WEFT_ICMP_NO_ROUTE, 1400, 28, 28, 0x0300, 0);
  expect_ipv4(WEFT_ICMP_TIME_EXCEEDED, 1400, 29, 29, 0x0b00, 0);
  expect_ipv4(WEFT_ICMP_TOO_BIG, 1400, 548, 548, 0x0304, 1400);
  expect_ipv4(WEFT_ICMP_TOO_BIG, 68, 549, 548, 0x0304, 68);
  expect_ipv4(WEFT_ICMP_TOO_BIG, 1 << 20, 65535, 548, 0x0304, 65535);
}

static void expect_ipv6(enum weft_icmp_error error, size_t mtu, size_t inner_bytes, size_t quoted, uint32_t first,
                        uint32_t second) {
  /* Pseudo header of RFC 8200 §8.1: addresses, length, next header. */
  uint8_t pseudo[8] = {[7] = WEFT_PROTOCOL_ICMPV6};
  make_ipv6(inner_bytes, WEFT_PROTOCOL_UDP);
  EXPECT(make_error(error, mtu), 48 + quoted);
  EXPECT(weft_load32(out), 0x60000000);
  EXPECT(weft_load32(out + 4), (8 + quoted) << 16 | 0x3a40);
  EXPECT_BYTES(out + 8, OWN6, 16);
  EXPECT_BYTES(out + 24, inner + 8, 16);
  EXPECT(weft_load16(out + 40), first);
  EXPECT(weft_load32(out + 44), second);
  EXPECT_BYTES(out + 48, inner, quoted);
  weft_store16(pseudo + 2, (unsigned)(8 + quoted));
  EXPECT(weft_fold(weft_sum(weft_sum(weft_sum(0, pseudo, 8), out + 8, 32), out + 40, 8 + quoted)), 0xffff);
}

static void test_ipv6(void) {
  expect_ipv6(WEFT_ICMP_NO_ROUTE, 1400, 48, 48, 0x0100, 0);
  expect_ipv6(WEFT_ICMP_TIME_EXCEEDED, 1400, 1231, 1231, 0x0300, 0);
  expect_ipv6(WEFT_ICMP_TOO_BIG, 1400, 1232, 1232, 0x0200, 1400);
  expect_ipv6(WEFT_ICMP_TOO_BIG, 1279, 1233, 1232, 0x0200, 1280);
  expect_ipv6(WEFT_ICMP_TOO_BIG, 0, 9000, 1232, 0x0200, 1280);
}

/* --- What none is sent about --- */

static void test_icmp_errors(void) {
  static const uint8_t QUERIES[] = {0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43};
  for (unsigned type = 0; type < 256; type++) {
    make_ipv4(60, WEFT_PROTOCOL_ICMP);
    inner[20] = (uint8_t)type;
    EXPECT(errors_sent(), memchr(QUERIES, (int)type, sizeof(QUERIES)) ? ALL_ERRORS : 0);
    make_ipv6(60, WEFT_PROTOCOL_ICMPV6);
    inner[40] = (uint8_t)type;
    EXPECT(errors_sent(), type < 128 || type == 137 ? 0 : ALL_ERRORS); /* 137: redirect, RFC 4443 §2.4e2 */
  }
  make_ipv4(28, WEFT_PROTOCOL_ICMP);
  inner[20] = 8;
  EXPECT(errors_sent(), ALL_ERRORS);
  /* Truncated: can be an error. */
  make_ipv4(27, WEFT_PROTOCOL_ICMP);
  inner[20] = 8;
  EXPECT(errors_sent(), 0);
  make_ipv6(47, WEFT_PROTOCOL_ICMPV6);
  inner[40] = 128;
  EXPECT(errors_sent(), 0);
}

/* An ICMPv6 error is one behind extension headers too. */
static void test_extension_headers(void) {
  make_ipv6(80, 0);
  memcpy(inner + 40, (const uint8_t[]){WEFT_PROTOCOL_ICMPV6, 0, 1, 4, 0, 0, 0, 0, 1}, 9);
  EXPECT(errors_sent(), 0);
  inner[48] = 128;
  EXPECT(errors_sent(), ALL_ERRORS);
  /* A chain that is cut short may hide one. */
  make_ipv6(80, 0);
  memcpy(inner + 40, (const uint8_t[]){WEFT_PROTOCOL_ICMPV6, 200}, 2);
  EXPECT(errors_sent(), 0);
}

static void test_fragments(void) {
  make_ipv4(60, WEFT_PROTOCOL_UDP);
  weft_store16(inner + 6, 0x2000);
  EXPECT(errors_sent(), ALL_ERRORS);
  weft_store16(inner + 6, 0x2001);
  EXPECT(errors_sent(), 0);
  make_ipv6(80, 44);
  memcpy(inner + 40, (const uint8_t[]){WEFT_PROTOCOL_UDP, 0, 0, 1}, 4);
  EXPECT(errors_sent(), ALL_ERRORS);
  weft_store16(inner + 42, 8);
  EXPECT(errors_sent(), 0);
}

static void test_ipv4_addresses(void) {
  static const struct {
    uint8_t address[4];
    unsigned as_source, as_destination;
  } CASES[] = {
      {{10, 0, 0, 1}, 3, 3},  {{1, 0, 0, 0}, 3, 3},         {{126, 255, 255, 255}, 3, 3}, {{128, 0, 0, 1}, 3, 3},
      {{223, 9, 9, 9}, 3, 3}, {{169, 254, 1, 1}, 3, 3},     {{0, 0, 0, 0}, 0, 0},         {{0, 1, 2, 3}, 0, 0},
      {{127, 0, 0, 1}, 0, 0}, {{127, 255, 0, 9}, 0, 0},     {{224, 0, 0, 1}, 0, 0},       {{239, 1, 2, 3}, 0, 0},
      {{240, 0, 0, 1}, 0, 0}, {{255, 255, 255, 255}, 0, 0},
  };
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    make_ipv4(60, WEFT_PROTOCOL_UDP);
    memcpy(inner + 12, CASES[i].address, 4);
    EXPECT(errors_sent(), CASES[i].as_source);
    make_ipv4(60, WEFT_PROTOCOL_UDP);
    memcpy(inner + 16, CASES[i].address, 4);
    EXPECT(errors_sent(), CASES[i].as_destination);
  }
}

static void test_ipv6_addresses(void) {
  static const struct {
    uint8_t address[16];
    unsigned as_source, as_destination;
  } CASES[] = {
      {{0xfd, 1}, 3, 3},           {{0x20, 1, [15] = 1}, 3, 3},    {{[15] = 2}, 3, 3},      {{0}, 0, 0},
      {{[15] = 1}, 0, 0},          {{0xfe, 0x80, [15] = 1}, 0, 3}, {{0xfe, 0xbf, 1}, 0, 3}, {{0xfe, 0xc0, 1}, 3, 3},
      {{0xff, 2, [15] = 1}, 0, 1},
  };
  for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
    make_ipv6(60, WEFT_PROTOCOL_UDP);
    memcpy(inner + 8, CASES[i].address, 16);
    EXPECT(errors_sent(), CASES[i].as_source);
    make_ipv6(60, WEFT_PROTOCOL_UDP);
    memcpy(inner + 24, CASES[i].address, 16);
    EXPECT(errors_sent(), CASES[i].as_destination);
  }
  /* The one that may be sent about multicast. */
  make_ipv6(60, WEFT_PROTOCOL_UDP);
  inner[24] = 0xff;
  EXPECT(make_error(WEFT_ICMP_TOO_BIG, 1400) > 0, true);
}

/* --- Rate --- */

static const uint64_t SECOND = 1000000000;

static unsigned take_all(struct weft_rate *rate, uint64_t now_ns) {
  unsigned count = 0;
  while (count < 1000000 && weft_rate_take(rate, now_ns)) count++;
  return count;
}

static void test_burst_and_refill(void) {
  struct weft_rate rate;
  weft_rate_init(&rate, 100, 50);
  EXPECT(take_all(&rate, 5 * SECOND), 50);
  EXPECT(weft_rate_take(&rate, 5 * SECOND + 9999999), false);
  EXPECT(weft_rate_take(&rate, 5 * SECOND + 10000000), true);
  EXPECT(weft_rate_take(&rate, 5 * SECOND + 10000000), false);
  EXPECT(take_all(&rate, 5 * SECOND + 210000000), 20);
  EXPECT(take_all(&rate, 9 * SECOND), 50);
}

/*
 * However often it is asked, no error too many is sent, and hardly one too few (a thousandth, for
 * rounding).
 */
static void test_long_run(uint32_t per_second, uint64_t step_ns) {
  struct weft_rate rate;
  uint64_t count = 0;
  weft_rate_init(&rate, per_second, 10);
  take_all(&rate, SECOND);
  for (uint64_t now = SECOND; now <= 3 * SECOND; now += step_ns) count += weft_rate_take(&rate, now);
  EXPECT(count <= 2 * per_second + 1, true);
  EXPECT(count + 1 + per_second / 500 >= 2 * per_second, true);
}

static void test_clock_jumps(void) {
  struct weft_rate rate;
  weft_rate_init(&rate, UINT32_MAX, UINT32_MAX);
  EXPECT(weft_rate_take(&rate, 0), true);
  EXPECT(weft_rate_take(&rate, UINT64_MAX), true);
  EXPECT(weft_rate_take(&rate, 0), true);
  weft_rate_init(&rate, 10, 20);
  EXPECT(take_all(&rate, UINT64_MAX), 20);
  /* Back: nothing is gained by that, and it goes on from there. */
  EXPECT(take_all(&rate, SECOND), 0);
  EXPECT(take_all(&rate, 2 * SECOND), 10);
  EXPECT(take_all(&rate, UINT64_MAX), 20);
}

static void test_zero(void) {
  struct weft_rate rate;
  weft_rate_init(&rate, 0, 3);
  EXPECT(take_all(&rate, 0), 3);
  EXPECT(take_all(&rate, UINT64_MAX), 0);
  weft_rate_init(&rate, 1000, 0);
  EXPECT(take_all(&rate, 5 * SECOND), 0);
}

int main(void) {
  test_ipv4();
  test_ipv6();
  test_icmp_errors();
  test_extension_headers();
  test_fragments();
  test_ipv4_addresses();
  test_ipv6_addresses();
  test_burst_and_refill();
  test_long_run(100, 999983);
  test_long_run(1000, 10007);
  test_long_run(7, 999983);
  test_long_run(3333, 3001);
  test_clock_jumps();
  test_zero();
}
