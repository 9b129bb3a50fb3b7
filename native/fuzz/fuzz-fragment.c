/*
 * Any packet, any MTU: fragments fit, are well-formed and make the packet again, also those of
 * fragments.
 */
#include "packet/fragment.h"

#include <stdlib.h>

#include "packet/checksum.h"
#include "packet/wire.h"

static void require(bool holds) {
  if (!holds) abort();
}

/* What has been put together so far. */
struct whole {
  uint8_t payload[WEFT_MAX_PACKET];
  size_t bytes;
  unsigned first_offset;
  bool has_more; /* as the last fragment says */
};

static void put(struct whole *whole, const uint8_t *data, const struct weft_packet *packet) {
  const unsigned field = weft_load16(data + 6);
  const size_t payload = packet->total_bytes - packet->network_bytes;
  if (whole->bytes == 0) whole->first_offset = field & 0x1fff;
  require((field & 0x1fff) * 8u == whole->first_offset * 8u + whole->bytes);
  memcpy(whole->payload + whole->bytes, data + packet->network_bytes, payload);
  whole->bytes += payload;
  whole->has_more = (field & 0x2000) != 0;
}

/* Cuts `data`; each piece is cut again at `mtus[1]`, or put into `whole` if that is 0. */
static void cut(const uint8_t *data, const struct weft_packet *packet, const size_t *mtus, struct whole *whole) {
  struct weft_fragmenter fragmenter;
  struct weft_packet piece;
  uint8_t bytes[WEFT_MAX_PACKET];
  if (weft_fragmenter_init(&fragmenter, data, packet, mtus[0]) != 0) return;
  while (weft_fragmenter_next(&fragmenter, bytes)) {
    const size_t length = fragmenter.header_bytes + fragmenter.payload_bytes;
    require(fragmenter.header_bytes <= 60 && length <= mtus[0]);
    memcpy(bytes + fragmenter.header_bytes, fragmenter.payload, fragmenter.payload_bytes);
    require(weft_packet_parse(bytes, length, &piece) == 0 && piece.total_bytes == length);
    require(piece.network_bytes == fragmenter.header_bytes);
    require(weft_fold(weft_sum(0, bytes, piece.network_bytes)) == 0xffff);
    require(memcmp(bytes + 12, data + 12, 8) == 0 && memcmp(bytes + 4, data + 4, 2) == 0);
    if (mtus[1]) cut(bytes, &piece, mtus + 1, whole);
    else put(whole, bytes, &piece);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static struct whole whole;
  struct weft_packet packet;
  if (size < 4 || size > WEFT_MAX_PACKET) return 0;
  const size_t once[] = {68u + weft_load16(input) % 1500, 0};
  const size_t twice[] = {once[0], 68u + weft_load16(input + 2) % 600, 0};
  /* In memory of its own length, so that reading on is seen. */
  uint8_t *data = malloc(size - 4 + (size == 4));
  if (!data) abort();
  memcpy(data, input + 4, size - 4);
  if (weft_packet_parse(data, size - 4, &packet) == 0 && packet.family == 4) {
    const unsigned field = weft_load16(data + 6);
    const size_t payload = packet.total_bytes - packet.network_bytes;
    const bool may_cut = (field & 0x4000) == 0 && (field & 0x1fff) * 8 + payload <= WEFT_MAX_PACKET;
    for (unsigned i = 0; i < 2; i++) {
      whole.bytes = 0;
      cut(data, &packet, i ? twice : once, &whole);
      require(whole.bytes == (may_cut ? payload : 0));
      require(memcmp(whole.payload, data + packet.network_bytes, whole.bytes) == 0);
      if (whole.bytes == 0) continue;
      require(whole.has_more == ((field & 0x2000) != 0) && whole.first_offset == (field & 0x1fff));
    }
  }
  free(data);
  return 0;
}
