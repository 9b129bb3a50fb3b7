/*
 * Coalesces a stream of packets of one or two flows, some of them corrupted, with or without
 * repaired checksums. The segmented output must equal the input byte for byte, in the same order.
 * Segments have good checksums, so no bad packet was coalesced.
 *
 * Input: five bytes for the flow, then five for each packet (see struct step).
 */
#include "packet/coalesce.h"

#include "property.h"
#include "test/support/build-packet.h"

enum { MAX_PACKETS = 70, MAX_PAYLOAD = 1100, ROOM = 20 + 40 + 60 + MAX_PAYLOAD };

struct step {
  uint8_t kind;     /* bit 0: harm it; bit 1: make checksums good after; bit 2: partial; bit 3: other port; bit 4:
                       the previous one again; bits 5 to 7: TCP flags PSH, FIN and some other */
  uint8_t at, bits; /* what harms it */
  uint8_t payload;  /* how much shorter than the others */
  uint8_t flags;    /* for the coalescer */
};

struct flow {
  uint8_t kind, id, sequence, payload, options;
};

static struct packet {
  uint8_t *data; /* of exactly this length */
  size_t length;
} packets[MAX_PACKETS];
static unsigned delivered; /* packets that have come out */

static uint8_t noise[MAX_PAYLOAD * 2];

static struct shape shape_of(const struct flow *flow) {
  return (struct shape){.family = flow->kind & 1 ? 6 : 4,
                        .protocol = flow->kind & 2 ? WEFT_PROTOCOL_UDP : WEFT_PROTOCOL_TCP,
                        .is_df = (flow->kind & 4) != 0,
                        .network_extra = (flow->kind & 0xf8) == 8 ? 8 : 0,
                        .ttl = 64,
                        .id = 0xff00u + flow->id,
                        .sequence = 0xffff0000u + flow->sequence * 0x100u,
                        .tcp_extra = (size_t)(flow->options & 3) * 4,
                        .flags = WEFT_TCP_ACK,
                        .source_port = 1,
                        .destination_port = 2};
}

/* Appends what the next step makes of the shape, and moves the shape on. */
static void make_packet(struct packet *packet, const struct step *step, struct shape *shape, size_t payload_bytes) {
  uint8_t bytes[ROOM];
  struct shape own = *shape;
  const size_t own_bytes = step->payload < payload_bytes ? payload_bytes - step->payload : payload_bytes;
  if (step->kind & 8) own.source_port = 3;
  if (step->kind & 0x20) own.flags |= WEFT_TCP_PSH;
  if (step->kind & 0x40) own.flags |= WEFT_TCP_FIN;
  if (step->kind & 0x80) own.flags ^= step->bits;
  const size_t length = build_packet(bytes, &own, noise + step->payload, own_bytes);
  if (step->kind & 4) make_partial(bytes, length, &own);
  if (step->kind & 1) bytes[step->at % length] ^= step->bits;
  if (step->kind & 2) refresh_checksums(bytes, length, &own);
  *packet = (struct packet){malloc(length), length};
  memcpy(packet->data, bytes, length);
  if (step->kind & 0x10) return;
  shape->id = (shape->id + 1) & 0xffff;
  shape->sequence += (uint32_t)own_bytes;
}

/* Normalizes the two forms of zero, and fields that are meaningless with DF (RFC 6864 §4). */
static void normalize(uint8_t *data, size_t length, const struct weft_packet *packet) {
  uint8_t *field = data + packet->network_bytes + (packet->protocol == WEFT_PROTOCOL_TCP ? 16 : 6);
  HOLDS(field + 2 <= data + length);
  if (field[0] == 0 && field[1] == 0) memset(field, 0xff, 2);
  if (packet->family == 6) return;
  if (weft_load16(data + 10) == 0xffff) weft_store16(data + 10, 0);
  if (!(weft_load16(data + 6) & 0x4000)) return;
  memset(data + 4, 0, 2);
  memset(data + 10, 0, 2); /* which covers the identification */
}

static void check_same(uint8_t *segment, size_t length, const struct packet *packet) {
  struct weft_packet parsed;
  uint8_t *original = malloc(packet->length);
  memcpy(original, packet->data, packet->length);
  HOLDS(weft_packet_parse(segment, length, &parsed) == 0 && parsed.total_bytes == length);
  HOLDS(length <= packet->length);
  normalize(segment, length, &parsed);
  normalize(original, packet->length, &parsed);
  HOLDS(memcmp(segment, original, length) == 0);
  free(original);
}

static void check_super(const struct virtio_net_hdr *header, const uint8_t *whole, size_t length, unsigned count) {
  struct weft_segmenter segmenter;
  struct weft_packet packet;
  uint8_t segment[ROOM];
  HOLDS(header->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
  HOLDS(weft_packet_parse(whole, length, &packet) == 0 && packet.total_bytes == length);
  HOLDS(weft_packet_is_partial(whole, &packet));
  HOLDS(header->csum_start == packet.network_bytes);
  HOLDS(header->hdr_len == packet.network_bytes + packet.transport_bytes);
  HOLDS(packet.family == 6 || plain_sum(0, whole, packet.network_bytes) == 0xffff);
  HOLDS(weft_segmenter_init(&segmenter, header, whole, length, &packet) == 0);
  HOLDS(segmenter.count == count);
  while (weft_segmenter_next(&segmenter, segment)) {
    HOLDS(segmenter.header_bytes + segmenter.payload_bytes <= sizeof(segment));
    memcpy(segment + segmenter.header_bytes, segmenter.payload, segmenter.payload_bytes);
    check_same(segment, segmenter.header_bytes + segmenter.payload_bytes, &packets[delivered++]);
  }
}

static void check_alone(const struct virtio_net_hdr *header, const uint8_t *whole, size_t length) {
  static const struct virtio_net_hdr PLAIN = {0};
  HOLDS(memcmp(header, &PLAIN, sizeof(PLAIN)) == 0);
  HOLDS(length <= packets[delivered].length && memcmp(whole, packets[delivered].data, length) == 0);
  delivered++;
}

static void take(struct weft_coalescer *coalescer) {
  static uint8_t whole[WEFT_MAX_PACKET];
  struct virtio_net_hdr header;
  size_t length = 0;
  const unsigned count = coalescer->packets;
  weft_coalescer_take(coalescer);
  memcpy(&header, coalescer->iov[0].iov_base, sizeof(header));
  for (unsigned i = 1; i < coalescer->iov_count; i++) {
    HOLDS(length + coalescer->iov[i].iov_len <= sizeof(whole));
    memcpy(whole + length, coalescer->iov[i].iov_base, coalescer->iov[i].iov_len);
    length += coalescer->iov[i].iov_len;
  }
  HOLDS(length == coalescer->total_bytes);
  if (count > 1) check_super(&header, whole, length, count);
  else check_alone(&header, whole, length);
  weft_coalescer_clear(coalescer);
}

static void deliver(struct weft_coalescer *coalescer, const struct packet *packet, unsigned flags) {
  struct weft_packet parsed;
  HOLDS(weft_packet_parse(packet->data, packet->length, &parsed) == 0);
  if (weft_coalescer_add(coalescer, packet->data, &parsed, flags)) return;
  take(coalescer);
  HOLDS(weft_coalescer_add(coalescer, packet->data, &parsed, flags));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct weft_coalescer coalescer;
  struct flow flow;
  unsigned count = 0;
  if (size < sizeof(flow)) return 0;
  memcpy(&flow, data, sizeof(flow));
  struct shape shape = shape_of(&flow);
  const size_t payload_bytes = 1 + (size_t)flow.payload * 4;
  delivered = 0;
  weft_coalescer_clear(&coalescer);
  for (size_t at = sizeof(flow); at + sizeof(struct step) <= size && count < MAX_PACKETS; at += sizeof(struct step)) {
    struct step step;
    struct weft_packet parsed;
    memcpy(&step, data + at, sizeof(step));
    make_packet(&packets[count], &step, &shape, payload_bytes);
    /* As the path does, what is no packet is not passed on. */
    if (weft_packet_parse(packets[count].data, packets[count].length, &parsed) != 0) {
      free(packets[count].data);
      continue;
    }
    deliver(&coalescer, &packets[count++], step.flags ? WEFT_COALESCE_TCP | WEFT_COALESCE_UDP : 0u);
  }
  if (coalescer.packets > 0) take(&coalescer);
  HOLDS(delivered == count);
  while (count > 0) free(packets[--count].data);
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *corpus = empty_corpus(*argc, *argv);
  fill_noise(noise, sizeof(noise));
  uint8_t input[sizeof(struct flow) + 20 * sizeof(struct step)] = {0};
  for (unsigned i = 0; corpus && i < 8; i++) {
    const char name[] = {'s', 'e', 'e', 'd', (char)('0' + i), 0};
    input[0] = (uint8_t)i;
    input[3] = (uint8_t)(i * 30);
    for (size_t at = sizeof(struct flow); at < sizeof(input); at += sizeof(struct step)) input[at + 4] = 1;
    write_seed(corpus, name, input, sizeof(input));
  }
  return 0;
}
