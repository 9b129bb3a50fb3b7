/* Gathers datagrams into runs. send.c sends them. */
#include "tx-batch.h"

#include <errno.h>
#include <sys/mman.h>

#include "packet/wire.h"
#include "worker.h"

enum { SLOTS_BYTES = WEFT_TX_SLOTS * WEFT_TX_SLOT_BYTES };

int weft_tx_batch_init(struct weft_tx_batch *batch) {
  uint8_t *memory =
      mmap(NULL, WEFT_TX_ARENA_BYTES + SLOTS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  batch->arena = memory;
  batch->slots = (void *)(memory + WEFT_TX_ARENA_BYTES);
  return 0;
}

void weft_tx_batch_free(struct weft_tx_batch *batch) {
  if (batch->arena) munmap(batch->arena, WEFT_TX_ARENA_BYTES + SLOTS_BYTES);
}

/* The last run if one more datagram of `bytes` may extend it, else a new one. */
static struct weft_run *run_for(struct weft_worker *worker, const struct weft_tx_meta *meta, size_t bytes) {
  struct weft_tx_batch *batch = &worker->tx;
  struct weft_run *run = batch->runs_used > 0 ? &batch->runs[batch->runs_used - 1] : NULL;
  /* Until it leaves, the kernel treats a run as one UDP datagram with the limits of one. */
  const bool is_v4 = meta->route->remote.any.sa_family == AF_INET;
  const uint32_t limit = WEFT_MAX_PACKET - WEFT_UDP_BYTES - (is_v4 ? WEFT_IPV4_BYTES : 0);
  if (run && run->route == meta->route && run->tos == meta->tos && run->socket == meta->socket &&
      weft_tx_batch_is_open(batch) && bytes <= run->segment_bytes && run->total_bytes + bytes <= limit &&
      atomic_load_explicit(&worker->path->offloads.gso, memory_order_relaxed)) {
    run->is_closed = bytes < run->segment_bytes;
    return run;
  }
  run = &batch->runs[batch->runs_used++];
  *run = (struct weft_run){.route = meta->route,
                           .first_iov = batch->iov_used,
                           .segment_bytes = (uint16_t)bytes,
                           .tos = meta->tos,
                           .socket = meta->socket};
  return run;
}

void weft_tx_batch_append(struct weft_worker *worker, const struct weft_tx_meta *meta, uint8_t *inner,
                          size_t inner_bytes, const uint8_t *payload, size_t payload_bytes) {
  struct weft_tx_batch *batch = &worker->tx;
  const struct weft_encap *encap = worker->path->settings.encap;
  const size_t total = encap->header_bytes + inner_bytes + payload_bytes;
  struct weft_run *run = run_for(worker, meta, total);
  weft_encap_push(encap, inner, meta->route->header, meta->family);
  batch->iov[batch->iov_used++] = (struct iovec){inner - encap->header_bytes, encap->header_bytes + inner_bytes};
  if (payload_bytes > 0) batch->iov[batch->iov_used++] = (struct iovec){(void *)(uintptr_t)payload, payload_bytes};
  run->iov_count = batch->iov_used - run->first_iov;
  run->total_bytes += (uint32_t)total;
  run->count++;
}
