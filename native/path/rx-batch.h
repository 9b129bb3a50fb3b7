/*
 * Buffers of a worker for one batch of received datagrams, and the flows that they are coalesced
 * into.
 *
 *   messages[i] ──► iov[i] ──► buffers + i * 64 KiB     a datagram, or a run merged by UDP_GRO
 *               ├─► remotes[i]                          outer source
 *               └─► control[i]                          TOS, segment size
 */
#ifndef WEFT_RX_BATCH_H
#define WEFT_RX_BATCH_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "packet/coalesce.h"
#include "route/route.h"
#include "socket.h"

enum {
  WEFT_RX_BATCH = 16,
  WEFT_RX_BUFFER_BYTES = 65536,
  WEFT_RX_FLOWS = 8, /* coalescers, indexed by flow hash; a power of two */
};

/* Packets of one peer, not yet added to its counters. */
struct weft_rx_count {
  struct weft_peer *peer; /* NULL: none */
  uint64_t packets, bytes;
};

struct weft_rx_batch {
  uint8_t *buffers;
  struct mmsghdr messages[WEFT_RX_BATCH];
  struct iovec iov[WEFT_RX_BATCH];
  union weft_endpoint remotes[WEFT_RX_BATCH];
  _Alignas(8) uint8_t control[WEFT_RX_BATCH][2 * CMSG_SPACE(sizeof(int))];
  struct weft_coalescer flows[WEFT_RX_FLOWS];
  /* The route of the last packet's inner source, valid for this batch. */
  const struct weft_route *source_route;
  uint8_t source[16];
  uint8_t source_family;
  struct weft_rx_count counted;
};

/* 0 or negative errno. */
static inline int weft_rx_batch_init(struct weft_rx_batch *batch) {
  batch->buffers = mmap(NULL, (size_t)WEFT_RX_BATCH * WEFT_RX_BUFFER_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (batch->buffers == MAP_FAILED) {
    batch->buffers = NULL;
    return -errno;
  }
  for (unsigned index = 0; index < WEFT_RX_BATCH; index++)
    batch->iov[index] = (struct iovec){batch->buffers + (size_t)index * WEFT_RX_BUFFER_BYTES, WEFT_RX_BUFFER_BYTES};
  return 0;
}

static inline void weft_rx_batch_free(struct weft_rx_batch *batch) {
  if (batch->buffers) munmap(batch->buffers, (size_t)WEFT_RX_BATCH * WEFT_RX_BUFFER_BYTES);
}

#endif
