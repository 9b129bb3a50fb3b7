/*
 * Fragments as a receiver sees them: headers, offsets, options, and that they make the packet
 * again.
 */
#include "packet/fragment.h"

#include "packet/checksum.h"
#include "packet/wire.h"
#include "support/expect.h"

enum { DONT_FRAGMENT = 0x4000, MORE_FRAGMENTS = 0x2000 };

static uint8_t packet_bytes[WEFT_MAX_PACKET];

/*
 * A packet with `header_bytes` of header (options all 0) and `payload_bytes` of counting payload.
 */
static struct weft_packet make(size_t header_bytes, size_t payload_bytes, unsigned field) {
  struct weft_packet packet;
  memset(packet_bytes, 0, header_bytes);
  packet_bytes[0] = (uint8_t)(0x40 | header_bytes / 4);
  packet_bytes[1] = 0xb9;
  weft_store16(packet_bytes + 2, (unsigned)(header_bytes + payload_bytes));
  weft_store16(packet_bytes + 4, 0xbeef);
  weft_store16(packet_bytes + 6, field);
  packet_bytes[8] = 17;
  packet_bytes[9] = WEFT_PROTOCOL_UDP;
  memcpy(packet_bytes + 12, (const uint8_t[]){10, 1, 2, 3, 10, 4, 5, 6}, 8);
  weft_store_checksum(packet_bytes + 10, weft_sum(0, packet_bytes, header_bytes));
  for (size_t i = 0; i < payload_bytes; i++) packet_bytes[header_bytes + i] = (uint8_t)(i * 7 + i / 256);
  EXPECT(weft_packet_parse(packet_bytes, header_bytes + payload_bytes, &packet), 0);
  return packet;
}

/*
 * What all fragments have in common with the packet, and that their own lengths and checksum are
 * right.
 */
static void expect_header(const uint8_t *header, const struct weft_fragmenter *fragmenter, size_t mtu) {
  EXPECT(header[0], 0x40 | fragmenter->header_bytes / 4);
  EXPECT(header[1], 0xb9);
  EXPECT(weft_load16(header + 2), fragmenter->header_bytes + fragmenter->payload_bytes);
  EXPECT(weft_load16(header + 2) <= mtu, true);
  EXPECT(weft_load16(header + 4), 0xbeef);
  EXPECT(header[8], 17);
  EXPECT(header[9], WEFT_PROTOCOL_UDP);
  EXPECT_BYTES(header + 12, packet_bytes + 12, 8);
  EXPECT(weft_fold(weft_sum(0, header, fragmenter->header_bytes)), 0xffff);
}

/*
 * Cuts a packet with the given flags and offset, and checks that the pieces follow each other.
 * Returns how many.
 */
static unsigned cut(size_t header_bytes, size_t payload_bytes, unsigned field, size_t mtu) {
  const struct weft_packet packet = make(header_bytes, payload_bytes, field);
  struct weft_fragmenter fragmenter;
  uint8_t header[60];
  size_t at = 0;
  unsigned count = 0;
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, mtu), 0);
  for (; weft_fragmenter_next(&fragmenter, header); count++) {
    const size_t end = at + fragmenter.payload_bytes;
    expect_header(header, &fragmenter, mtu);
    EXPECT(weft_load16(header + 6) & 0x1fff, (field & 0x1fff) + at / 8);
    EXPECT(weft_load16(header + 6) & MORE_FRAGMENTS, end < payload_bytes ? MORE_FRAGMENTS : field & MORE_FRAGMENTS);
    EXPECT(end == payload_bytes || fragmenter.payload_bytes % 8 == 0, true);
    EXPECT(fragmenter.payload == packet_bytes + header_bytes + at, true);
    at = end;
  }
  EXPECT(at, payload_bytes);
  return count;
}

static void test_counts(void) {
  EXPECT(cut(20, 1480, 0, 1500), 1);
  EXPECT(cut(20, 1481, 0, 1500), 2);
  EXPECT(cut(20, 1400, 0, 1400), 2);
  /* 1380 of room is 1376 in units of 8. */
  EXPECT(cut(20, 1376 + 1376, 0, 1400), 2);
  EXPECT(cut(20, 1376 + 1381, 0, 1400), 3);
  EXPECT(cut(60, 32, 0, 68), 2);
  EXPECT(cut(20, 65515, 0, 68), 65515 / 48 + 1);
  EXPECT(cut(20, 65515, 0, 65535), 1);
  EXPECT(cut(20, 0, 0, 68), 1);
}

/* The last piece of a fragment has more after it just if the fragment had. */
static void test_fragments_again(void) {
  EXPECT(cut(20, 1000, MORE_FRAGMENTS, 500), 3);
  EXPECT(cut(20, 1000, MORE_FRAGMENTS | 185, 500), 3);
  EXPECT(cut(20, 1001, 185, 500), 3);
  EXPECT(cut(20, 8 * 100 + 7, 8191 - 100, 100), 11);
}

static void test_not_to_be_cut(void) {
  struct weft_fragmenter fragmenter;
  struct weft_packet packet = make(20, 2000, DONT_FRAGMENT);
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, 1500), WEFT_DROP_TX_TOO_BIG);
  packet = make(20, 2000, 8191);
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, 1500), WEFT_DROP_TX_TOO_BIG);
  packet = make(20, 2000, 0);
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, 67), WEFT_DROP_TX_TOO_BIG);
  packet.family = 6;
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, 1500), WEFT_DROP_TX_TOO_BIG);
}

/* Cuts a packet with these options in two; the options of the second must be `expected`. */
static void expect_options(const uint8_t *options, size_t bytes, const uint8_t *expected, size_t expected_bytes) {
  struct weft_packet packet = make(20 + bytes, 200, 0);
  struct weft_fragmenter fragmenter;
  uint8_t header[60];
  memcpy(packet_bytes + 20, options, bytes);
  EXPECT(weft_fragmenter_init(&fragmenter, packet_bytes, &packet, 180), 0);
  EXPECT(weft_fragmenter_next(&fragmenter, header), true);
  EXPECT(fragmenter.header_bytes, 20 + bytes);
  EXPECT_BYTES(header + 20, options, bytes);
  expect_header(header, &fragmenter, 180);
  EXPECT(weft_fragmenter_next(&fragmenter, header), true);
  EXPECT(fragmenter.header_bytes, 20 + expected_bytes);
  EXPECT_BYTES(header + 20, expected, expected_bytes);
  expect_header(header, &fragmenter, 180);
  EXPECT(weft_fragmenter_next(&fragmenter, header), false);
}

static void test_options(void) {
  /* Router alert (148) is copied, record route (7) is not; no-operations go. */
  const uint8_t alert[] = {148, 4, 0, 0};
  expect_options(alert, 4, alert, 4);
  expect_options((const uint8_t[]){7, 7, 4, 0, 0, 0, 0, 1}, 8, alert, 0);
  expect_options((const uint8_t[]){1, 7, 3, 4, 148, 4, 0, 0}, 8, alert, 4);
  expect_options((const uint8_t[]){131, 3, 4, 130, 3, 9, 0, 0}, 8, (const uint8_t[]){131, 3, 4, 130, 3, 9, 0, 0}, 8);
  expect_options((const uint8_t[]){7, 3, 4, 131, 3, 4, 0, 0}, 8, (const uint8_t[]){131, 3, 4, 0}, 4);
  /* What comes after the end of the list, and what is cut short, is not an option. */
  expect_options((const uint8_t[]){0, 148, 4, 0}, 4, alert, 0);
  expect_options((const uint8_t[]){148, 4, 0, 0, 148, 5, 0, 0}, 8, alert, 4);
  expect_options((const uint8_t[]){1, 1, 1, 148}, 4, alert, 0);
  expect_options((const uint8_t[]){148, 0, 0, 0}, 4, alert, 0);
  expect_options((const uint8_t[]){148, 1, 0, 0}, 4, alert, 0);
}

int main(void) {
  test_counts();
  test_fragments_again();
  test_not_to_be_cut();
  test_options();
}
