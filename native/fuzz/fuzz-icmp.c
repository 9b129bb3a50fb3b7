/* Any packet: the error about it is well-formed and short, and there is none about an error. */
#include "packet/icmp.h"

#include <stdlib.h>

#include "packet/checksum.h"
#include "packet/wire.h"

static const uint8_t OWN[16] = {0xfd, 1, 2, 3, [15] = 9};

static void require(bool holds) {
  if (!holds) abort();
}

/* Those that need no walk through extension headers. */
static bool is_plainly_an_error(const uint8_t *data, const struct weft_packet *packet) {
  if (packet->family == 6) return data[6] == WEFT_PROTOCOL_ICMPV6 && packet->total_bytes > 40 && data[40] < 128;
  if (weft_load16(data + 6) & 0x1fff) return true;
  if (data[9] != WEFT_PROTOCOL_ICMP || packet->total_bytes == packet->network_bytes) return false;
  const uint8_t type = data[packet->network_bytes];
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static void check_ipv4(const uint8_t *out, size_t length, size_t quoted) {
  require(length <= 576 && quoted <= 548);
  require(weft_fold(weft_sum(0, out, 20)) == 0xffff);
  require(weft_fold(weft_sum(0, out + 20, length - 20)) == 0xffff);
}

static void check_ipv6(const uint8_t *out, size_t length, enum weft_icmp_error error) {
  uint8_t pseudo[8] = {[7] = WEFT_PROTOCOL_ICMPV6};
  weft_store16(pseudo + 2, (unsigned)length - 40);
  require(length <= 1280);
  require(weft_fold(weft_sum(weft_sum(weft_sum(0, pseudo, 8), out + 8, 32), out + 40, length - 40)) == 0xffff);
  require(error != WEFT_ICMP_TOO_BIG || weft_load32(out + 44) >= 1280);
}

/* `out` is an error about `data`; it must not have one itself. */
static void check(const uint8_t *out, size_t length, enum weft_icmp_error error, const uint8_t *data,
                  const struct weft_packet *packet) {
  struct weft_packet reply;
  uint8_t next[WEFT_MAX_ICMP];
  const size_t header_bytes = packet->family == 4 ? 28 : 48, quoted = length - header_bytes;
  require(weft_packet_parse(out, length, &reply) == 0);
  require(reply.family == packet->family && reply.total_bytes == length && !reply.is_fragment);
  require(reply.protocol == (packet->family == 4 ? WEFT_PROTOCOL_ICMP : WEFT_PROTOCOL_ICMPV6));
  require(quoted <= packet->total_bytes && memcmp(out + header_bytes, data, quoted) == 0);
  if (packet->family == 4) check_ipv4(out, length, quoted);
  else check_ipv6(out, length, error);
  require(weft_icmp_make(next, error, 1400, OWN, out, &reply) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  struct weft_packet packet;
  uint8_t out[WEFT_MAX_ICMP];
  if (size < 4) return 0;
  const enum weft_icmp_error error = input[0] % 3;
  /* In memory of its own length, so that reading on is seen. */
  uint8_t *data = malloc(size - 3);
  if (!data) abort();
  memcpy(data, input + 3, size - 3);
  if (weft_packet_parse(data, size - 3, &packet) == 0) {
    const size_t length = weft_icmp_make(out, error, weft_load16(input + 1), OWN, data, &packet);
    if (length > 0) check(out, length, error, data, &packet);
    require(length == 0 || !is_plainly_an_error(data, &packet));
  }
  free(data);
  return 0;
}
