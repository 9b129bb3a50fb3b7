/* TUN device to underlay: reads, decides, gathers runs. Sending them is send.c's. */
#include "tx.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packet/ecn.h"
#include "packet/fragment.h"
#include "send.h"
#include "packet/wire.h"
#include "worker.h"

enum {
  /* Reads a drain: a fair share, after which the other direction has its turn. */
  READS_PER_DRAIN = 256,
  /* Packets begin at cache lines. */
  ALIGNMENT = 64,
  /* Most bytes of a packet that an ICMP error quotes. */
  QUOTED_BYTES = WEFT_MAX_ICMP,
};

/* What all packets or segments of one packet read have in common on their way out. */
struct way {
  const struct weft_route *route;
  uint8_t tos, socket, family;
};

int weft_tx_init(struct weft_tx *tx) {
  const size_t slot_bytes = (size_t)WEFT_TX_SLOTS * WEFT_TX_SLOT_BYTES;
  uint8_t *memory = mmap(NULL, WEFT_TX_ARENA_BYTES + slot_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  tx->arena = memory;
  tx->slots = (void *)(memory + WEFT_TX_ARENA_BYTES);
  return 0;
}

void weft_tx_free(struct weft_tx *tx) {
  if (tx->arena) munmap(tx->arena, WEFT_TX_ARENA_BYTES + (size_t)WEFT_TX_SLOTS * WEFT_TX_SLOT_BYTES);
}

/* The last run, if one more datagram of `bytes` may join it; else a new one. There is room for it. */
static struct weft_run *run_for(struct weft_worker *worker, const struct way *way, size_t bytes) {
  struct weft_tx *tx = &worker->tx;
  struct weft_run *run = tx->runs_used > 0 ? &tx->runs[tx->runs_used - 1] : NULL;
  /* A run is one UDP datagram to the kernel until it leaves, so its limit is that of one. */
  const uint32_t limit = WEFT_MAX_PACKET - WEFT_UDP_BYTES - (way->route->remote.any.sa_family == AF_INET ? WEFT_IPV4_BYTES : 0);
  if (run && run->route == way->route && run->tos == way->tos && run->socket == way->socket && !run->is_closed &&
      bytes <= run->segment_bytes && run->count < WEFT_TX_MAX_SEGMENTS && run->total_bytes + bytes <= limit &&
      atomic_load_explicit(&worker->path->offloads.gso, memory_order_relaxed)) {
    run->is_closed = bytes < run->segment_bytes;
    return run;
  }
  run = &tx->runs[tx->runs_used++];
  *run = (struct weft_run){.route = way->route,
                           .first_iov = tx->iov_used,
                           .segment_bytes = (uint16_t)bytes,
                           .tos = way->tos,
                           .socket = way->socket};
  return run;
}

static bool has_room(const struct weft_tx *tx) {
  return tx->runs_used < WEFT_TX_RUNS && tx->iov_used + 2 <= WEFT_TX_IOV && tx->slots_used < WEFT_TX_SLOTS;
}

/* Adds one datagram: `inner` with room for the encapsulation header before it, then, unless empty, `payload`. */
static void append(struct weft_worker *worker, const struct way *way, uint8_t *inner, size_t inner_bytes,
                   const uint8_t *payload, size_t payload_bytes) {
  struct weft_tx *tx = &worker->tx;
  const struct weft_encap *encap = worker->path->settings.encap;
  const size_t total = encap->header_bytes + inner_bytes + payload_bytes;
  struct weft_run *run = run_for(worker, way, total);
  weft_encap_push(encap, inner, way->route->header, way->family);
  tx->iov[tx->iov_used++] = (struct iovec){inner - encap->header_bytes, encap->header_bytes + inner_bytes};
  if (payload_bytes > 0) tx->iov[tx->iov_used++] = (struct iovec){(void *)(uintptr_t)payload, payload_bytes};
  run->iov_count = tx->iov_used - run->first_iov;
  run->total_bytes += (uint32_t)total;
  run->count++;
}

/* A header slot with headroom; flushes if nothing more fits. */
static uint8_t *take_slot(struct weft_worker *worker) {
  if (!has_room(&worker->tx)) weft_send_runs(worker);
  return worker->tx.slots[worker->tx.slots_used++] + WEFT_TX_HEADROOM;
}

static void append_segments(struct weft_worker *worker, const struct way *way, struct weft_segmenter *segmenter) {
  for (;;) {
    uint8_t *header = take_slot(worker);
    if (!weft_segmenter_next(segmenter, header)) break;
    append(worker, way, header, segmenter->header_bytes, segmenter->payload, segmenter->payload_bytes);
  }
  worker->tx.slots_used--;
}

/* Largest inner packet that the path to the peer takes, as far as it is known. */
static size_t inner_limit(const struct weft_worker *worker, const struct weft_route *route) {
  const uint32_t mtu = atomic_load_explicit(&route->peer->path_mtu, memory_order_relaxed);
  if (mtu == 0) return WEFT_MAX_PACKET;
  if (weft_now_ns() < atomic_load_explicit(&route->peer->path_mtu_until_ns, memory_order_relaxed))
    return mtu - worker->path->overhead;
  atomic_store_explicit(&route->peer->path_mtu, 0, memory_order_relaxed);
  return WEFT_MAX_PACKET;
}

static void append_fragments(struct weft_worker *worker, const struct way *way, struct weft_fragmenter *fragmenter) {
  weft_worker_count(worker, WEFT_FRAGMENTED, 1);
  for (;;) {
    uint8_t *header = take_slot(worker);
    if (!weft_fragmenter_next(fragmenter, header)) break;
    append(worker, way, header, fragmenter->header_bytes, fragmenter->payload, fragmenter->payload_bytes);
  }
  worker->tx.slots_used--;
}

static bool is_too_big(struct weft_worker *worker, const struct way *way, const uint8_t *data,
                       const struct weft_packet *packet, size_t limit) {
  struct weft_fragmenter fragmenter;
  if (packet->total_bytes <= limit) return false;
  if (weft_fragmenter_init(&fragmenter, data, packet, limit) == 0) {
    append_fragments(worker, way, &fragmenter);
    return true;
  }
  weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  weft_worker_send_icmp(worker, WEFT_ICMP_TOO_BIG, limit, data, packet);
  return true;
}

void weft_tx_resend(struct weft_worker *worker, const struct weft_route *route, uint8_t tos, uint8_t socket,
                    const uint8_t *data, size_t length) {
  struct weft_packet packet;
  if (weft_packet_parse(data, length, &packet) < 0) return;
  const struct way way = {route, tos, socket, packet.family};
  if (!is_too_big(worker, &way, data, &packet, inner_limit(worker, route)))
    weft_worker_count(worker, WEFT_DROP_TX_REFUSED, 1);
}

/* Segments larger than the path takes: each is cut again, or its sender is told, as if they had come one by one. */
static void append_large_segments(struct weft_worker *worker, const struct way *way, struct weft_segmenter *segmenter,
                                  size_t limit) {
  static _Thread_local uint8_t whole[WEFT_MAX_PACKET];
  struct weft_packet packet;
  while (weft_segmenter_next(segmenter, whole)) {
    memcpy(whole + segmenter->header_bytes, segmenter->payload, segmenter->payload_bytes);
    const size_t bytes = segmenter->header_bytes + segmenter->payload_bytes;
    if (weft_packet_parse(whole, bytes, &packet) < 0) return;
    if (!is_too_big(worker, way, whole, &packet, limit)) {
      uint8_t *header = take_slot(worker);
      memcpy(header, whole, segmenter->header_bytes);
      append(worker, way, header, segmenter->header_bytes, whole + segmenter->header_bytes, segmenter->payload_bytes);
    }
    weft_send_runs(worker); /* while the pieces still are where they are */
  }
}

static int append_super(struct weft_worker *worker, const struct way *way, const struct virtio_net_hdr *header,
                        const uint8_t *data, size_t length, const struct weft_packet *packet) {
  struct weft_segmenter segmenter;
  const size_t limit = inner_limit(worker, way->route);
  const int error = weft_segmenter_init(&segmenter, header, data, length, packet);
  if (error < 0) return error;
  if (segmenter.header_bytes + segmenter.segment_payload > limit)
    append_large_segments(worker, way, &segmenter, limit);
  else
    append_segments(worker, way, &segmenter);
  return 0;
}

static int append_single(struct weft_worker *worker, const struct way *way, const struct virtio_net_hdr *header,
                         uint8_t *data, size_t length, const struct weft_packet *packet) {
  const int error = (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ? weft_complete_checksum(header, data, length) : 0;
  if (error < 0) return error;
  if (!is_too_big(worker, way, data, packet, inner_limit(worker, way->route))) {
    if (!has_room(&worker->tx)) weft_send_runs(worker);
    append(worker, way, data, packet->total_bytes, NULL, 0);
  }
  return 0;
}

static uint8_t choose_socket(const struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet) {
  if (worker->socket_count == 1) return 0;
  return (uint8_t)(1 + weft_packet_flow_hash(data, packet) % (worker->socket_count - 1));
}

/* Passes one packet or super-packet on. Returns 0, or -(enum weft_counter) with the reason why not. */
static int pass_on(struct weft_worker *worker, const struct virtio_net_hdr *header, uint8_t *data, size_t length) {
  const struct weft_path_settings *settings = &worker->path->settings;
  struct weft_packet packet;
  const int error = weft_packet_parse(data, length, &packet);
  if (error < 0) return -WEFT_DROP_TX_MALFORMED;
  const struct weft_route *route =
      weft_routes_find(worker->path->routes, packet.family, weft_packet_destination(data, &packet));
  if (!route) {
    weft_worker_send_icmp(worker, WEFT_ICMP_NO_ROUTE, 0, data, &packet);
    return -WEFT_DROP_TX_NO_ROUTE;
  }
  if (settings->encap->is_hop) {
    if (packet.ttl <= 1) {
      weft_worker_send_icmp(worker, WEFT_ICMP_TIME_EXCEEDED, 0, data, &packet);
      return -WEFT_DROP_TX_TTL;
    }
    weft_packet_decrement_ttl(data, &packet);
  }
  const struct way way = {route, weft_ecn_encap(packet.tos, settings->inherits_dscp), choose_socket(worker, data, &packet),
                          packet.family};
  return header->gso_type == VIRTIO_NET_HDR_GSO_NONE ? append_single(worker, &way, header, data, length, &packet)
                                                     : append_super(worker, &way, header, data, length, &packet);
}

/* Makes room for one more packet of any size; returns where its virtio header goes. */
static uint8_t *next_place(struct weft_worker *worker) {
  struct weft_tx *tx = &worker->tx;
  const size_t needed = WEFT_TX_HEADROOM + WEFT_MAX_PACKET;
  if (tx->arena_used + needed > WEFT_TX_ARENA_BYTES || !has_room(tx)) weft_send_runs(worker);
  if (tx->runs_used == 0) tx->arena_used = 0;
  return tx->arena + tx->arena_used + WEFT_TX_HEADROOM - sizeof(struct virtio_net_hdr);
}

/* After a read that failed: true if it may be tried again. */
static bool may_read_again(struct weft_worker *worker, int error) {
  if (error == EINTR) return true;
  /* EBADFD: the device was deleted. EFAULT: it is being deleted. */
  if (error != EAGAIN) worker->is_tun_gone = true;
  return false;
}

unsigned weft_tx_drain(struct weft_worker *worker) {
  struct weft_tx *tx = &worker->tx;
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
    tx->arena_used += (WEFT_TX_HEADROOM + bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    const int error = pass_on(worker, &header, place + sizeof(header), bytes);
    if (error < 0) weft_worker_count(worker, (enum weft_counter)-error, 1);
    /*
     * A super-packet is a batch already, and waiting would only add latency. But it is larger than one message may be: its
     * last segments leave with the first ones of the next super-packet, if that is there already.
     */
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) weft_send_full_runs(worker);
  }
  weft_send_runs(worker);
  weft_worker_count(worker, WEFT_TX_READS, reads);
  return reads;
}
