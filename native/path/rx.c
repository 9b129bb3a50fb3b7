/* Receives and checks datagrams. deliver.c writes the packets to the TUN device. */
#include "rx.h"

#include <errno.h>
#include <string.h>

#include "deliver.h"
#include "packet/ecn.h"
#include "worker.h"

enum { BATCHES_PER_DRAIN = 4 };

/* --- Checks --- */

/* The route of the packet's source. Caches the last one. */
static const struct weft_route *find_source(struct weft_worker *worker, const uint8_t *data,
                                            const struct weft_packet *packet) {
  struct weft_rx_batch *rx = &worker->rx;
  const uint8_t *source = weft_packet_source(data, packet);
  const size_t bytes = packet->family == 4 ? 4 : 16;
  if (rx->source_route && rx->source_family == packet->family && memcmp(rx->source, source, bytes) == 0)
    return rx->source_route;
  rx->source_family = packet->family;
  memcpy(rx->source, source, bytes);
  return rx->source_route = weft_routes_find(worker->path->routes, packet->family, source);
}

/* Whether `remote` may send packets with the inner source of `route`. */
static enum weft_drop_reason check_source(struct weft_worker *worker, const struct weft_route *route,
                                          const union weft_endpoint *remote) {
  if (!worker->path->settings.is_source_checked) return WEFT_NOT_DROPPED;
  if (route && weft_endpoint_same_address(&route->remote, remote)) return WEFT_NOT_DROPPED;
  return weft_routes_has_remote(worker->path->routes, remote) ? WEFT_DROP_RX_SOURCE : WEFT_DROP_RX_SENDER;
}

/* Adds the counts of one peer: one atomic addition per run of its packets. */
static void flush_count(struct weft_rx_batch *rx) {
  struct weft_peer *peer = rx->counted.peer;
  if (!peer) return;
  atomic_fetch_add_explicit(&peer->rx_packets, rx->counted.packets, memory_order_relaxed);
  atomic_fetch_add_explicit(&peer->rx_bytes, rx->counted.bytes, memory_order_relaxed);
  rx->counted.peer = NULL;
}

static void count_peer(struct weft_rx_batch *rx, const struct weft_route *route, const struct weft_packet *packet) {
  if (!route) return;
  if (rx->counted.peer != route->peer) {
    flush_count(rx);
    rx->counted = (struct weft_rx_count){.peer = route->peer};
  }
  rx->counted.packets++;
  rx->counted.bytes += packet->total_bytes;
}

/* Metadata of a message. */
struct received {
  const union weft_endpoint *remote;
  uint8_t tos;
  size_t segment_payload; /* see weft_deliver_packet */
};

/* Checks and delivers one datagram. */
static enum weft_drop_reason accept_datagram(struct weft_worker *worker, uint8_t *datagram, size_t length,
                                             const struct received *received) {
  const struct weft_path_settings *settings = &worker->path->settings;
  uint8_t *data = datagram + settings->encap->header_bytes;
  struct weft_packet packet;
  enum weft_drop_reason drop = settings->encap->check(datagram, length, &settings->encap_settings);
  if (drop != WEFT_NOT_DROPPED) return drop;
  if (weft_packet_parse(data, length - settings->encap->header_bytes, &packet) != WEFT_NOT_DROPPED)
    return WEFT_DROP_RX_MALFORMED;
  const struct weft_route *route = find_source(worker, data, &packet);
  if ((drop = check_source(worker, route, received->remote)) != WEFT_NOT_DROPPED) return drop;
  if ((drop = weft_ecn_decap(data, &packet, received->tos)) != WEFT_NOT_DROPPED) return drop;
  count_peer(&worker->rx, route, &packet);
  weft_deliver_packet(worker, data, &packet, received->segment_payload);
  return WEFT_NOT_DROPPED;
}

/* --- Reception --- */

/*
 * Whether a message that UDP_GRO reports as merged is one datagram. The vxlan device of a kernel,
 * and the BPF fast path of a peer, can send a UDP super-packet whole where no hardware is in
 * between; the reported segment size is then the inner one.
 */
static bool is_one_datagram(const struct weft_worker *worker, const uint8_t *datagram, size_t length) {
  const struct weft_encap *encap = worker->path->settings.encap;
  struct weft_packet packet;
  if (length <= encap->header_bytes) return false;
  return weft_packet_parse(datagram + encap->header_bytes, length - encap->header_bytes, &packet) == 0 &&
         packet.total_bytes == length - encap->header_bytes;
}

static void accept_message(struct weft_worker *worker, unsigned index) {
  struct weft_rx_batch *rx = &worker->rx;
  struct msghdr *message = &rx->messages[index].msg_hdr;
  struct received received = {.remote = &rx->remotes[index]};
  uint8_t *datagram = rx->iov[index].iov_base;
  size_t left = rx->messages[index].msg_len;
  uint16_t segment_bytes;
  if (message->msg_flags & MSG_TRUNC) return weft_worker_count(worker, WEFT_DROP_RX_TRUNCATED, 1);
  weft_udp_read_control(message, &segment_bytes, &received.tos);
  if (segment_bytes != 0 && segment_bytes < left && is_one_datagram(worker, datagram, left)) {
    received.segment_payload = segment_bytes;
    segment_bytes = 0;
  }
  do {
    const size_t bytes = segment_bytes != 0 && segment_bytes < left ? segment_bytes : left;
    const enum weft_drop_reason drop = accept_datagram(worker, datagram, bytes, &received);
    if (drop != WEFT_NOT_DROPPED) weft_worker_count(worker, drop, 1);
    datagram += bytes;
    left -= bytes;
  } while (left > 0);
}

static int receive(struct weft_worker *worker) {
  struct weft_rx_batch *rx = &worker->rx;
  for (unsigned index = 0; index < WEFT_RX_BATCH; index++)
    rx->messages[index].msg_hdr = (struct msghdr){.msg_name = &rx->remotes[index],
                                                  .msg_namelen = sizeof(rx->remotes[index]),
                                                  .msg_iov = &rx->iov[index],
                                                  .msg_iovlen = 1,
                                                  .msg_control = rx->control[index],
                                                  .msg_controllen = sizeof(rx->control[index])};
  return recvmmsg(worker->sockets[0], rx->messages, WEFT_RX_BATCH, MSG_DONTWAIT, NULL);
}

unsigned weft_rx_drain(struct weft_worker *worker) {
  struct weft_rx_batch *rx = &worker->rx;
  unsigned received = 0;
  for (unsigned batch = 0; batch < BATCHES_PER_DRAIN; batch++) {
    const int count = receive(worker);
    /* Otherwise the socket stays readable. */
    if (count < 0 && errno != EAGAIN) weft_path_mtu_drain(worker, worker->sockets[0], NULL);
    if (count <= 0) break;
    for (unsigned index = 0; index < (unsigned)count; index++) accept_message(worker, index);
    received += (unsigned)count;
    flush_count(rx);
    for (unsigned flow = 0; flow < WEFT_RX_FLOWS; flow++) weft_deliver_flow(worker, &rx->flows[flow]);
    if (count < WEFT_RX_BATCH) break;
  }
  rx->source_route = NULL; /* invalid after the next quiescent point */
  weft_worker_count(worker, WEFT_RX_RECEIVES, received);
  return received;
}
