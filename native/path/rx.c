/* Underlay to TUN device: receives, checks, joins, delivers. */
#include "rx.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ecn.h"
#include "worker.h"

enum { BATCHES_PER_DRAIN = 4 };

int weft_rx_init(struct weft_rx *rx) {
  rx->buffers = mmap(NULL, (size_t)WEFT_RX_BATCH * WEFT_RX_BUFFER_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (rx->buffers == MAP_FAILED) {
    rx->buffers = NULL;
    return -errno;
  }
  for (unsigned index = 0; index < WEFT_RX_BATCH; index++)
    rx->iov[index] = (struct iovec){rx->buffers + (size_t)index * WEFT_RX_BUFFER_BYTES, WEFT_RX_BUFFER_BYTES};
  return 0;
}

void weft_rx_free(struct weft_rx *rx) {
  if (rx->buffers) munmap(rx->buffers, (size_t)WEFT_RX_BATCH * WEFT_RX_BUFFER_BYTES);
}

/* ---- delivery -------------------------------------------------------------------------------------------------- */

static bool write_iov(struct weft_worker *worker, const struct iovec *iov, unsigned count) {
  ssize_t written;
  do written = writev(worker->tun_fd, iov, (int)count);
  while (written < 0 && errno == EINTR);
  weft_worker_count(worker, WEFT_RX_WRITES, 1);
  return written >= 0;
}

/* The packets that were joined, as they came: their payloads lie behind headers of the same length as the first one's. */
static unsigned write_singly(struct weft_worker *worker, const struct weft_coalescer *flow) {
  struct virtio_net_hdr plain = {0};
  const size_t header_bytes = flow->iov[1].iov_len;
  unsigned delivered = 0;
  for (unsigned index = 2; index < flow->iov_count; index++) {
    const struct iovec *payload = &flow->iov[index];
    const struct iovec iov[2] = {{&plain, sizeof(plain)},
                                 {(uint8_t *)payload->iov_base - header_bytes, header_bytes + payload->iov_len}};
    if (write_iov(worker, iov, 2)) delivered++;
  }
  return delivered;
}

/* A super-packet of the kernel at the other end, cut here. Returns how many of its segments were taken. */
static unsigned write_segments(struct weft_worker *worker, const struct weft_coalescer *flow) {
  struct virtio_net_hdr plain = {0};
  uint8_t header[WEFT_MAX_INNER_HEADER];
  struct weft_segmenter segmenter;
  struct weft_packet packet;
  unsigned delivered = 0;
  const uint8_t *data = flow->iov[1].iov_base;
  const size_t length = flow->iov[1].iov_len;
  if (weft_packet_parse(data, length, &packet) < 0) return 0;
  if (weft_segmenter_init(&segmenter, &flow->header, data, length, &packet) < 0) return 0;
  while (weft_segmenter_next(&segmenter, header)) {
    const struct iovec iov[3] = {{&plain, sizeof(plain)},
                                 {header, segmenter.header_bytes},
                                 {(void *)(uintptr_t)segmenter.payload, segmenter.payload_bytes}};
    if (write_iov(worker, iov, 3)) delivered++;
  }
  return delivered;
}

/* What the TUN device must offer for packets of this type; NULL: nothing. */
static _Atomic bool *offload_of(struct weft_worker *worker, unsigned gso_type) {
  struct weft_path_offloads *offloads = &worker->path->offloads;
  if (gso_type == VIRTIO_NET_HDR_GSO_NONE) return NULL;
  return gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 ? &offloads->uso : &offloads->tso;
}

/* Returns how many packets were taken. A kernel that refuses super-packets (EINVAL) gets them one by one from now on. */
static unsigned write_flow(struct weft_worker *worker, const struct weft_coalescer *flow) {
  _Atomic bool *offload = offload_of(worker, flow->header.gso_type);
  if (offload == NULL || atomic_load_explicit(offload, memory_order_relaxed)) {
    if (write_iov(worker, flow->iov, flow->iov_count)) return flow->packets;
    if (offload == NULL || errno != EINVAL) return 0;
    if (atomic_exchange(offload, false)) weft_worker_count(worker, WEFT_OFFLOADS_DROPPED, 1);
  }
  /* Nothing but one packet: the kernel at the other end made it. */
  return flow->iov_count == 2 ? write_segments(worker, flow) : write_singly(worker, flow);
}

static void deliver(struct weft_worker *worker, struct weft_coalescer *flow) {
  if (flow->packets == 0) return;
  weft_coalescer_take(flow);
  const unsigned delivered = write_flow(worker, flow);
  weft_worker_count(worker, WEFT_RX_PACKETS, delivered);
  if (delivered > 0) weft_worker_count(worker, WEFT_RX_BYTES, flow->inner_bytes);
  if (delivered < flow->packets) weft_worker_count(worker, WEFT_DROP_RX_REFUSED, flow->packets - delivered);
  weft_coalescer_clear(flow);
}

static unsigned join_flags(const struct weft_worker *worker) {
  const struct weft_path_offloads *offloads = &worker->path->offloads;
  return (atomic_load_explicit(&offloads->tso, memory_order_relaxed) ? WEFT_JOIN_TCP : 0u) |
         (atomic_load_explicit(&offloads->uso, memory_order_relaxed) ? WEFT_JOIN_UDP : 0u);
}

/*
 * All packets of a flow pass through one coalescer, so that they stay in order. `segment_payload`: of a super-packet, as
 * the kernel at the other end tells it, or 0.
 */
static void pass_on(struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet,
                    size_t segment_payload) {
  struct weft_coalescer *flow = &worker->rx.flows[weft_packet_flow_hash(data, packet) & (WEFT_RX_FLOWS - 1)];
  if (weft_packet_is_partial(data, packet)) {
    deliver(worker, flow);
    weft_coalescer_put_partial(flow, data, packet, atomic_load_explicit(&worker->path->mtu, memory_order_relaxed),
                               segment_payload);
    return deliver(worker, flow);
  }
  const unsigned flags = join_flags(worker);
  if (weft_coalescer_add(flow, data, packet, flags)) return;
  deliver(worker, flow);
  weft_coalescer_add(flow, data, packet, flags);
}

/* ---- checks ---------------------------------------------------------------------------------------------------- */

/* The route whose subnet has the packet's source, remembered from packet to packet. */
static const struct weft_route *find_source(struct weft_worker *worker, const uint8_t *data,
                                            const struct weft_packet *packet) {
  struct weft_rx *rx = &worker->rx;
  const uint8_t *source = weft_packet_source(data, packet);
  const size_t bytes = packet->family == 4 ? 4 : 16;
  if (rx->source_route && rx->source_family == packet->family && memcmp(rx->source, source, bytes) == 0)
    return rx->source_route;
  rx->source_family = packet->family;
  memcpy(rx->source, source, bytes);
  return rx->source_route = weft_routes_find(worker->path->routes, packet->family, source);
}

/* Returns 0, or -(enum weft_counter) if `remote` may not send this. */
static int check_source(struct weft_worker *worker, const struct weft_route *route, const union weft_endpoint *remote) {
  if (!worker->path->settings.is_source_checked) return 0;
  if (route && weft_endpoint_same_address(&route->remote, remote)) return 0;
  return weft_routes_has_remote(worker->path->routes, remote) ? -WEFT_DROP_RX_SOURCE : -WEFT_DROP_RX_SENDER;
}

static void count_peer(const struct weft_route *route, const struct weft_packet *packet) {
  if (!route) return;
  atomic_fetch_add_explicit(&route->peer->rx_packets, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&route->peer->rx_bytes, packet->total_bytes, memory_order_relaxed);
}

/* What came with a message beside its bytes. */
struct received {
  const union weft_endpoint *remote;
  uint8_t tos;
  size_t segment_payload; /* see pass_on */
};

/* One datagram. Returns 0, or -(enum weft_counter) with the reason to drop it. */
static int accept_datagram(struct weft_worker *worker, uint8_t *datagram, size_t length,
                           const struct received *received) {
  const struct weft_path_settings *settings = &worker->path->settings;
  uint8_t *data = datagram + settings->encap->header_bytes;
  struct weft_packet packet;
  int error = settings->encap->check(datagram, length, &settings->encap_settings);
  if (error < 0) return error;
  if (weft_packet_parse(data, length - settings->encap->header_bytes, &packet) < 0) return -WEFT_DROP_RX_MALFORMED;
  const struct weft_route *route = find_source(worker, data, &packet);
  if ((error = check_source(worker, route, received->remote)) < 0) return error;
  if ((error = weft_ecn_decap(data, &packet, received->tos)) < 0) return error;
  count_peer(route, &packet);
  pass_on(worker, data, &packet, received->segment_payload);
  return 0;
}

/* ---- reception ------------------------------------------------------------------------------------------------- */

/*
 * Whether the datagrams that the kernel says it coalesced are one: its vxlan device, and the BPF program of a weft peer, can hand
 * a UDP super-packet over whole where no hardware is between, with the inner segment size in the place of the outer one.
 */
static bool is_one_datagram(const struct weft_worker *worker, const uint8_t *datagram, size_t length) {
  const struct weft_encap *encap = worker->path->settings.encap;
  struct weft_packet packet;
  if (length <= encap->header_bytes) return false;
  return weft_packet_parse(datagram + encap->header_bytes, length - encap->header_bytes, &packet) == 0 &&
         packet.total_bytes == length - encap->header_bytes;
}

static void accept_message(struct weft_worker *worker, unsigned index) {
  struct weft_rx *rx = &worker->rx;
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
    const int error = accept_datagram(worker, datagram, bytes, &received);
    if (error < 0) weft_worker_count(worker, (enum weft_counter)-error, 1);
    datagram += bytes;
    left -= bytes;
  } while (left > 0);
}

static int receive(struct weft_worker *worker) {
  struct weft_rx *rx = &worker->rx;
  for (unsigned index = 0; index < WEFT_RX_BATCH; index++)
    rx->messages[index].msg_hdr = (struct msghdr){.msg_name = &rx->remotes[index],
                                                  .msg_namelen = sizeof(rx->remotes[index]),
                                                  .msg_iov = &rx->iov[index],
                                                  .msg_iovlen = 1,
                                                  .msg_control = rx->control[index],
                                                  .msg_controllen = sizeof(rx->control[index])};
  return recvmmsg(worker->sockets[0], rx->messages, WEFT_RX_BATCH, MSG_DONTWAIT, NULL);
}

/* Errors that ICMP messages left behind; nothing else would make the socket quiet again. */
static void forget_errors(struct weft_worker *worker) {
  union weft_endpoint remote;
  uint32_t mtu;
  while (weft_udp_take_error(worker->sockets[0], &remote, &mtu)) continue;
}

unsigned weft_rx_drain(struct weft_worker *worker) {
  struct weft_rx *rx = &worker->rx;
  unsigned received = 0;
  for (unsigned batch = 0; batch < BATCHES_PER_DRAIN; batch++) {
    const int count = receive(worker);
    if (count < 0 && errno != EAGAIN) forget_errors(worker);
    if (count <= 0) break;
    for (unsigned index = 0; index < (unsigned)count; index++) accept_message(worker, index);
    received += (unsigned)count;
    for (unsigned flow = 0; flow < WEFT_RX_FLOWS; flow++) deliver(worker, &rx->flows[flow]);
    if (count < WEFT_RX_BATCH) break;
  }
  rx->source_route = NULL; /* good until the next quiescent point only */
  weft_worker_count(worker, WEFT_RX_RECEIVES, received);
  return received;
}
