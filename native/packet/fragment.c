/*
 * Fragments IPv4 packets (RFC 791 §3.2). Writes headers only. The transport checksum covers the
 * reassembled packet and stays unchanged.
 */
#include "fragment.h"

#include <string.h>

#include "checksum.h"
#include "counters.h"
#include "wire.h"

enum {
  DONT_FRAGMENT = 0x4000,
  MORE_FRAGMENTS = 0x2000,
  OFFSET_MASK = 0x1fff, /* in units of 8 bytes */
  MIN_MTU = 68,         /* RFC 791 §3.1: the longest header and 8 bytes */
  OPTION_END = 0,
  OPTION_NOP = 1,
  OPTION_COPIED = 0x80,
};

static size_t header_length(const uint8_t *data) {
  return (size_t)(data[0] & 15) * 4;
}

enum weft_drop_reason weft_fragmenter_init(struct weft_fragmenter *fragmenter, const uint8_t *data,
                                           const struct weft_packet *packet, size_t mtu) {
  if (packet->family != 4 || mtu < MIN_MTU) return WEFT_DROP_TX_TOO_BIG;
  const unsigned field = weft_load16(data + 6);
  if (field & DONT_FRAGMENT) return WEFT_DROP_TX_TOO_BIG;
  /* Neither a packet nor the offset field reaches this far. */
  const size_t payload_end = (field & OFFSET_MASK) * 8 + packet->total_bytes - header_length(data);
  if (payload_end > WEFT_MAX_PACKET) return WEFT_DROP_TX_TOO_BIG;
  *fragmenter = (struct weft_fragmenter){.data = data, .packet = *packet, .mtu = mtu};
  return WEFT_NOT_DROPPED;
}

/* Copies the options of every fragment and pads with OPTION_END. Returns the header length. */
static size_t copy_options(uint8_t *header, const uint8_t *data) {
  const size_t end = header_length(data);
  size_t length = WEFT_IPV4_BYTES;
  for (size_t at = WEFT_IPV4_BYTES; at < end && data[at] != OPTION_END;) {
    const size_t option = data[at] == OPTION_NOP || at + 1 == end ? 1 : data[at + 1];
    if (data[at] != OPTION_NOP && (option < 2 || option > end - at)) break;
    if (data[at] & OPTION_COPIED) {
      memcpy(header + length, data + at, option);
      length += option;
    }
    at += option;
  }
  while (length % 4) header[length++] = OPTION_END;
  return length;
}

static size_t write_header(uint8_t *header, const uint8_t *data, bool is_first) {
  if (is_first) return memcpy(header, data, header_length(data)), header_length(data);
  memcpy(header, data, WEFT_IPV4_BYTES);
  const size_t length = copy_options(header, data);
  header[0] = (uint8_t)(0x40 | length / 4);
  return length;
}

bool weft_fragmenter_next(struct weft_fragmenter *fragmenter, uint8_t *header) {
  const uint8_t *data = fragmenter->data;
  const size_t offset = fragmenter->offset;
  const size_t left = fragmenter->packet.total_bytes - header_length(data) - offset;
  if (left == 0 && fragmenter->payload) return false;
  const size_t header_bytes = write_header(header, data, offset == 0);
  const size_t room = fragmenter->mtu - header_bytes;
  const bool is_last = left <= room;
  fragmenter->header_bytes = header_bytes;
  fragmenter->payload = data + header_length(data) + offset;
  fragmenter->payload_bytes = is_last ? left : room & ~(size_t)7;
  fragmenter->offset += fragmenter->payload_bytes;
  /* The last piece keeps the more-fragments flag of the packet. */
  const unsigned more = is_last ? 0 : MORE_FRAGMENTS;
  weft_store16(header + 2, (unsigned)(header_bytes + fragmenter->payload_bytes));
  weft_store16(header + 6, (weft_load16(data + 6) + (unsigned)(offset / 8)) | more);
  memset(header + 10, 0, 2);
  weft_store_checksum(header + 10, weft_sum(0, header, header_bytes));
  return true;
}
