/* Compares sums with a plain computation, at each alignment and critical length. */
#include "packet/checksum.h"

#include "packet/packet.h"
#include "support/build-packet.h"
#include "support/expect.h"

static uint8_t bytes[WEFT_MAX_PACKET + 64];

/* What a packet holds when a folded sum is stored as it lies in memory. */
static unsigned stored(uint64_t sum) {
  const uint16_t folded = weft_fold(sum);
  return weft_load16((const uint8_t *)&folded);
}

/* In memory of its own, so that one byte too far is seen. */
static void expect_sum(const uint8_t *data, size_t length) {
  uint8_t *copy = malloc(length + 1);
  memcpy(copy + 1, data, length);
  EXPECT(stored(weft_sum(0, copy + 1, length)), plain_sum(0, data, length));
  free(copy);
}

static void test_example(void) {
  /* RFC 1071 §3 */
  static const uint8_t EXAMPLE[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  uint8_t field[2];
  EXPECT(stored(weft_sum(0, EXAMPLE, sizeof(EXAMPLE))), 0xddf2);
  weft_store_checksum(field, weft_sum(0, EXAMPLE, sizeof(EXAMPLE)));
  EXPECT(weft_load16(field), 0x220d);
}

static void test_lengths(void) {
  fill_noise(bytes, sizeof(bytes));
  for (size_t alignment = 0; alignment < 8; alignment++)
    for (size_t length = 0; length < 200; length++)
      EXPECT(stored(weft_sum(0, bytes + alignment, length)), plain_sum(0, bytes + alignment, length));
  for (size_t length = 0; length < 200; length++) expect_sum(bytes, length);
  for (size_t length = 1400; length < 1500; length++) expect_sum(bytes + 1, length);
  expect_sum(bytes, 65535);
  expect_sum(bytes + 3, 65534);
}

/* All ones: each addition carries. All zeros: the only input with a zero sum. */
static void test_carries(void) {
  memset(bytes, 0xff, sizeof(bytes));
  for (size_t length = 1; length < 100; length++) expect_sum(bytes, length);
  expect_sum(bytes, 65535);
  EXPECT(weft_fold(weft_sum(0, bytes, 65534)), 0xffff);
  memset(bytes, 0, sizeof(bytes));
  EXPECT(weft_fold(weft_sum(0, bytes, 65535)), 0);
  for (size_t at = 0; at < 64; at++) {
    memset(bytes, 0, 64);
    bytes[at] = 1;
    expect_sum(bytes, 64);
  }
}

static void test_pieces(void) {
  fill_noise(bytes, sizeof(bytes));
  for (size_t cut = 0; cut <= 300; cut += 2) {
    const uint64_t sum = weft_sum(weft_sum(0, bytes, cut), bytes + cut, 301 - cut);
    EXPECT(stored(sum), plain_sum(0, bytes, 301));
  }
}

static void test_fold(void) {
  EXPECT(weft_fold(0), 0);
  EXPECT(weft_fold(0xffff), 0xffff);
  EXPECT(weft_fold(0x10000), 1);
  EXPECT(weft_fold(0x1fffe), 0xffff);
  EXPECT(weft_fold(UINT64_MAX), 0xffff);
  EXPECT(weft_fold(UINT64_MAX - 1), 0xfffe);
  EXPECT(weft_fold(0x0001000100010001), 4);
}

static void test_pseudo_sum(void) {
  for (unsigned family = 4; family <= 6; family += 2) {
    const struct shape shape = {.family = family, .protocol = WEFT_PROTOCOL_TCP};
    struct weft_packet packet;
    const size_t length = build_packet(bytes, &shape, bytes, 0);
    EXPECT(weft_packet_parse(bytes, length, &packet), 0);
    for (size_t transport_length = 0; transport_length < 65536; transport_length += 257)
      EXPECT(stored(weft_pseudo_sum(bytes, &packet, transport_length)),
             plain_pseudo_sum(bytes, WEFT_PROTOCOL_TCP, transport_length));
  }
}

/* A header of 20 bytes with each special value before and after. */
static void test_update(void) {
  static const unsigned VALUES[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x1234, 0x4000};
  enum { COUNT = sizeof(VALUES) / sizeof(VALUES[0]) };
  for (unsigned i = 0; i < COUNT * COUNT; i++) {
    uint8_t header[20] = {0x45, 0, 0, 100, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    uint16_t before, after;
    weft_store16(header + 4, VALUES[i / COUNT]);
    weft_store16(header + 10, 0xffff & ~plain_sum(0, header, 20));
    memcpy(&before, header + 4, 2);
    weft_store16(header + 4, VALUES[i % COUNT]);
    memcpy(&after, header + 4, 2);
    weft_update_checksum(header + 10, before, after);
    EXPECT(plain_sum(0, header, 20), 0xffff);
  }
}

int main(void) {
  test_example();
  test_lengths();
  test_carries();
  test_pieces();
  test_fold();
  test_pseudo_sum();
  test_update();
}
