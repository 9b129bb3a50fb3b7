/*
 * Reads packets from the TUN queue and forwards each to the batch, whole, in segments or in
 * fragments.
 */
#include "tx.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "icmp-reply.h"
#include "packet/ecn.h"
#include "packet/fragment.h"
#include "packet/wire.h"
#include "send.h"
#include "worker.h"

enum {
  /* A fair share, after which the other direction has its turn. */
  READS_PER_DRAIN = 256,
  /* Packets begin at cache lines. */
  ALIGNMENT = 64,
};

static void flush(struct weft_worker *worker);

/* A header slot with headroom. Flushes a full batch first. */
static uint8_t *take_slot(struct weft_worker *worker) {
  if (!weft_tx_batch_has_room(&worker->tx)) flush(worker);
  return worker->tx.slots[worker->tx.slots_used++] + WEFT_TX_HEADROOM;
}

static void append_segments(struct weft_worker *worker, const struct weft_tx_meta *meta,
                            struct weft_segmenter *segmenter) {
  for (;;) {
    uint8_t *header = take_slot(worker);
    if (!weft_segmenter_next(segmenter, header)) break;
    weft_tx_batch_append(worker, meta, header, segmenter->header_bytes, segmenter->payload, segmenter->payload_bytes);
  }
  worker->tx.slots_used--;
}

static void append_fragments(struct weft_worker *worker, const struct weft_tx_meta *meta,
                             struct weft_fragmenter *fragmenter) {
  weft_worker_count(worker, WEFT_FRAGMENTED, 1);
  for (;;) {
    uint8_t *header = take_slot(worker);
    if (!weft_fragmenter_next(fragmenter, header)) break;
    weft_tx_batch_append(worker, meta, header, fragmenter->header_bytes, fragmenter->payload,
                         fragmenter->payload_bytes);
  }
  worker->tx.slots_used--;
}

/* Fragments a packet of more than `limit` bytes, or reports it to its sender. False: it fits. */
static bool handle_oversized(struct weft_worker *worker, const struct weft_tx_meta *meta, const uint8_t *data,
                             const struct weft_packet *packet, size_t limit) {
  struct weft_fragmenter fragmenter;
  if (packet->total_bytes <= limit || weft_path_mtu_is_probe(worker, data, packet)) return false;
  weft_path_mtu_exceeded(worker, meta->route);
  if (weft_fragmenter_init(&fragmenter, data, packet, limit) == 0) {
    append_fragments(worker, meta, &fragmenter);
    return true;
  }
  weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  weft_icmp_reply(worker, WEFT_ICMP_TOO_BIG, limit, data, packet);
  return true;
}

/* Fragments the oversized packet that sending left, or reports it to its sender. */
static void resend_oversized(struct weft_worker *worker, const struct weft_oversized *oversized) {
  struct weft_packet packet;
  if (weft_packet_parse(oversized->data, oversized->length, &packet) != 0) return;
  const struct weft_tx_meta meta = {oversized->route, oversized->tos, oversized->socket, packet.family};
  if (!handle_oversized(worker, &meta, oversized->data, &packet, weft_path_mtu_limit(worker, oversized->route)))
    weft_worker_count(worker, WEFT_DROP_TX_REFUSED, 1);
}

/*
 * Sends the batch. Fragments of an oversized packet follow it. They recurse once at most: while
 * `is_resending` is set, sending leaves no other oversized packet.
 */
static void flush(struct weft_worker *worker) {
  struct weft_tx_batch *batch = &worker->tx;
  weft_send_runs(worker);
  if (batch->oversized.route == NULL) return;
  const struct weft_oversized oversized = batch->oversized;
  batch->oversized.route = NULL;
  batch->is_resending = true;
  resend_oversized(worker, &oversized);
  flush(worker);
  batch->is_resending = false;
}

/* Sends the runs that no further datagram can extend. */
static void flush_full_runs(struct weft_worker *worker) {
  const struct weft_tx_batch *batch = &worker->tx;
  if (batch->runs_used == 0) return;
  if (weft_tx_batch_is_open(batch)) weft_send_all_but_last_run(worker);
  else flush(worker);
}

/* Segments larger than the path MTU: fragments each, or reports it to its sender. */
static void append_large_segments(struct weft_worker *worker, const struct weft_tx_meta *meta,
                                  struct weft_segmenter *segmenter, size_t limit) {
  static _Thread_local uint8_t whole[WEFT_MAX_PACKET];
  struct weft_packet packet;
  while (weft_segmenter_next(segmenter, whole)) {
    memcpy(whole + segmenter->header_bytes, segmenter->payload, segmenter->payload_bytes);
    const size_t bytes = segmenter->header_bytes + segmenter->payload_bytes;
    if (weft_packet_parse(whole, bytes, &packet) != 0) return;
    if (!handle_oversized(worker, meta, whole, &packet, limit)) {
      uint8_t *header = take_slot(worker);
      memcpy(header, whole, segmenter->header_bytes);
      weft_tx_batch_append(worker, meta, header, segmenter->header_bytes, whole + segmenter->header_bytes,
                           segmenter->payload_bytes);
    }
    flush(worker); /* the next segment overwrites `whole` */
  }
}

static enum weft_drop_reason append_super(struct weft_worker *worker, const struct weft_tx_meta *meta,
                                          const struct virtio_net_hdr *header, const uint8_t *data, size_t length,
                                          const struct weft_packet *packet) {
  struct weft_segmenter segmenter;
  const size_t limit = weft_path_mtu_limit(worker, meta->route);
  const enum weft_drop_reason drop = weft_segmenter_init(&segmenter, header, data, length, packet);
  if (drop != WEFT_NOT_DROPPED) return drop;
  if (segmenter.header_bytes + segmenter.segment_payload > limit)
    append_large_segments(worker, meta, &segmenter, limit);
  else append_segments(worker, meta, &segmenter);
  return WEFT_NOT_DROPPED;
}

static enum weft_drop_reason append_single(struct weft_worker *worker, const struct weft_tx_meta *meta,
                                           const struct virtio_net_hdr *header, uint8_t *data, size_t length,
                                           const struct weft_packet *packet) {
  const enum weft_drop_reason drop =
      (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ? weft_complete_checksum(header, data, length) : WEFT_NOT_DROPPED;
  if (drop != WEFT_NOT_DROPPED) return drop;
  if (!handle_oversized(worker, meta, data, packet, weft_path_mtu_limit(worker, meta->route))) {
    if (!weft_tx_batch_has_room(&worker->tx)) flush(worker);
    weft_tx_batch_append(worker, meta, data, packet->total_bytes, NULL, 0);
  }
  return WEFT_NOT_DROPPED;
}

static uint8_t choose_socket(const struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet) {
  if (worker->socket_count == 1) return 0;
  return (uint8_t)(1 + weft_packet_flow_hash(data, packet) % (worker->socket_count - 1));
}

/* Forwards one packet or super-packet. */
static enum weft_drop_reason forward_packet(struct weft_worker *worker, const struct virtio_net_hdr *header,
                                            uint8_t *data, size_t length) {
  const struct weft_path_settings *settings = &worker->path->settings;
  struct weft_packet packet;
  if (weft_packet_parse(data, length, &packet) != WEFT_NOT_DROPPED) return WEFT_DROP_TX_MALFORMED;
  const struct weft_route *route =
      weft_routes_find(worker->path->routes, packet.family, weft_packet_destination(data, &packet));
  if (!route && weft_packet_is_multicast(data, &packet)) return WEFT_DROP_TX_MULTICAST;
  if (!route) {
    weft_icmp_reply(worker, WEFT_ICMP_NO_ROUTE, 0, data, &packet);
    return WEFT_DROP_TX_NO_ROUTE;
  }
  if (settings->encap->decrements_ttl) {
    if (packet.ttl <= 1) {
      weft_icmp_reply(worker, WEFT_ICMP_TIME_EXCEEDED, 0, data, &packet);
      return WEFT_DROP_TX_TTL;
    }
    weft_packet_decrement_ttl(data, &packet);
  }
  const struct weft_tx_meta meta = {route, weft_ecn_encap(packet.tos, settings->inherits_dscp),
                                    choose_socket(worker, data, &packet), packet.family};
  return header->gso_type == VIRTIO_NET_HDR_GSO_NONE ? append_single(worker, &meta, header, data, length, &packet)
                                                     : append_super(worker, &meta, header, data, length, &packet);
}

/* Makes room for one packet of any size. Returns the place of its virtio header. */
static uint8_t *next_place(struct weft_worker *worker) {
  struct weft_tx_batch *batch = &worker->tx;
  const size_t needed = WEFT_TX_HEADROOM + WEFT_MAX_PACKET;
  if (batch->arena_used + needed > WEFT_TX_ARENA_BYTES || !weft_tx_batch_has_room(batch)) flush(worker);
  if (batch->runs_used == 0) batch->arena_used = 0;
  return batch->arena + batch->arena_used + WEFT_TX_HEADROOM - sizeof(struct virtio_net_hdr);
}

/* Whether a failed read may be repeated. */
static bool may_read_again(struct weft_worker *worker, int error) {
  if (error == EINTR) return true;
  /* EBADFD: the device was deleted. EFAULT: it is being deleted. */
  if (error != EAGAIN) worker->is_tun_gone = true;
  return false;
}

unsigned weft_tx_drain(struct weft_worker *worker) {
  struct weft_tx_batch *batch = &worker->tx;
  unsigned reads = 0;
  while (reads < READS_PER_DRAIN) {
    struct virtio_net_hdr header;
    uint8_t *place = next_place(worker);
    const ssize_t length = read(worker->tun_fd, place, sizeof(header) + WEFT_MAX_PACKET);
    if (length < 0 && may_read_again(worker, errno)) continue;
    if (length < (ssize_t)sizeof(header)) break;
    reads++;
    memcpy(&header, place, sizeof(header));
    const size_t bytes = (size_t)length - sizeof(header);
    batch->arena_used += (WEFT_TX_HEADROOM + bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    const enum weft_drop_reason drop = forward_packet(worker, &header, place + sizeof(header), bytes);
    if (drop != WEFT_NOT_DROPPED) weft_worker_count(worker, drop, 1);
    /*
     * A super-packet is a batch of its own: waiting for more adds latency. It is larger than one
     * message can be, so its last segments share a message with those of a next super-packet.
     */
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) flush_full_runs(worker);
  }
  flush(worker);
  weft_worker_count(worker, WEFT_TX_READS, reads);
  return reads;
}
