/* Coalesces received packets and writes them to the TUN device. */
#include "deliver.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "worker.h"

static bool write_iov(struct weft_worker *worker, const struct iovec *iov, unsigned count) {
  ssize_t written;
  do written = writev(worker->tun_fd, iov, (int)count);
  while (written < 0 && errno == EINTR);
  weft_worker_count(worker, WEFT_RX_WRITES, 1);
  return written >= 0;
}

/*
 * Writes coalesced packets one by one, unchanged. Their headers are as long as the first one's and
 * lie before the payloads.
 */
static unsigned write_one_by_one(struct weft_worker *worker, const struct weft_coalescer *flow) {
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

/* Segments a super-packet of the sending kernel. Returns the number of segments written. */
static unsigned write_segments(struct weft_worker *worker, const struct weft_coalescer *flow) {
  struct virtio_net_hdr plain = {0};
  uint8_t header[WEFT_MAX_INNER_HEADER];
  struct weft_segmenter segmenter;
  struct weft_packet packet;
  unsigned delivered = 0;
  const uint8_t *data = flow->iov[1].iov_base;
  const size_t length = flow->iov[1].iov_len;
  if (weft_packet_parse(data, length, &packet) != 0) return 0;
  if (weft_segmenter_init(&segmenter, &flow->header, data, length, &packet) != 0) return 0;
  while (weft_segmenter_next(&segmenter, header)) {
    const struct iovec iov[3] = {{&plain, sizeof(plain)},
                                 {header, segmenter.header_bytes},
                                 {(void *)(uintptr_t)segmenter.payload, segmenter.payload_bytes}};
    if (write_iov(worker, iov, 3)) delivered++;
  }
  return delivered;
}

/* The TUN offload for packets of this type; NULL: none needed. */
static _Atomic bool *offload_of(struct weft_worker *worker, unsigned gso_type) {
  struct weft_path_offloads *offloads = &worker->path->offloads;
  if (gso_type == VIRTIO_NET_HDR_GSO_NONE) return NULL;
  return gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 ? &offloads->uso : &offloads->tso;
}

/*
 * Returns the number of packets written. If the kernel rejects a super-packet (EINVAL), its offload
 * is turned off.
 */
static unsigned write_flow(struct weft_worker *worker, const struct weft_coalescer *flow) {
  _Atomic bool *offload = offload_of(worker, flow->header.gso_type);
  if (offload == NULL || atomic_load_explicit(offload, memory_order_relaxed)) {
    if (write_iov(worker, flow->iov, flow->iov_count)) return flow->packets;
    if (offload == NULL || errno != EINVAL) return 0;
    if (atomic_exchange(offload, false)) weft_worker_count(worker, WEFT_OFFLOADS_DROPPED, 1);
  }
  /* A single packet is a super-packet of the sending kernel. */
  return flow->iov_count == 2 ? write_segments(worker, flow) : write_one_by_one(worker, flow);
}

void weft_deliver_flow(struct weft_worker *worker, struct weft_coalescer *flow) {
  if (flow->packets == 0) return;
  weft_coalescer_take(flow);
  const unsigned delivered = write_flow(worker, flow);
  weft_worker_count(worker, WEFT_RX_PACKETS, delivered);
  if (delivered > 0) weft_worker_count(worker, WEFT_RX_BYTES, flow->inner_bytes);
  if (delivered < flow->packets) weft_worker_count(worker, WEFT_DROP_RX_REFUSED, flow->packets - delivered);
  weft_coalescer_clear(flow);
}

static unsigned coalesce_flags(const struct weft_worker *worker) {
  const struct weft_path_offloads *offloads = &worker->path->offloads;
  return (atomic_load_explicit(&offloads->tso, memory_order_relaxed) ? WEFT_COALESCE_TCP : 0u) |
         (atomic_load_explicit(&offloads->uso, memory_order_relaxed) ? WEFT_COALESCE_UDP : 0u);
}

void weft_deliver_packet(struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet,
                         size_t segment_payload) {
  struct weft_coalescer *flow = &worker->rx.flows[weft_packet_flow_hash(data, packet) & (WEFT_RX_FLOWS - 1)];
  if (weft_packet_is_partial(data, packet)) {
    weft_deliver_flow(worker, flow);
    weft_coalescer_put_partial(flow, data, packet, atomic_load_explicit(&worker->path->mtu, memory_order_relaxed),
                               segment_payload);
    return weft_deliver_flow(worker, flow);
  }
  const unsigned flags = coalesce_flags(worker);
  if (weft_coalescer_add(flow, data, packet, flags)) return;
  weft_deliver_flow(worker, flow);
  weft_coalescer_add(flow, data, packet, flags);
}
