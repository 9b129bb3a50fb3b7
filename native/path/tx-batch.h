/*
 * The batch of datagrams that a worker gathers before it sends them with one system call.
 *
 *   arena   │ headroom │ packet │ headroom │ packet │ ...   packets read from the TUN queue
 *   slots   │ headroom │ header │ headroom │ header │ ...   headers of segments and fragments
 *   iov     pieces of the arena and the slots, in the order of the wire
 *   runs    │ first_iov, iov_count │ ...              a run is a message: same peer, same size
 *
 * The encapsulation header is written into the headroom. Payload is never copied.
 */
#ifndef WEFT_TX_BATCH_H
#define WEFT_TX_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "packet/segment.h"
#include "route/route.h"
#include "socket.h"

struct weft_worker;

enum {
  WEFT_TX_ARENA_BYTES = 256 << 10,
  WEFT_TX_HEADROOM = 32, /* virtio header, then encapsulation header, before each packet */
  WEFT_TX_SLOTS = 192,
  WEFT_TX_SLOT_BYTES = WEFT_TX_HEADROOM + WEFT_MAX_INNER_HEADER,
  WEFT_TX_RUNS = 64,
  WEFT_TX_IOV = 512,
  WEFT_TX_MAX_SEGMENTS = 64, /* UDP_MAX_SEGMENTS before Linux 6.9 */
};

/* What all datagrams of one packet have in common. */
struct weft_tx_meta {
  const struct weft_route *route;
  uint8_t tos, socket, family;
};

/* Datagrams of one message (UDP_SEGMENT). */
struct weft_run {
  const struct weft_route *route;
  unsigned first_iov, iov_count;
  uint32_t total_bytes; /* of the UDP payload */
  uint16_t segment_bytes;
  uint16_t count;
  uint8_t tos;
  uint8_t socket;
  bool is_closed; /* the last segment is shorter, so no more can follow it */
};

/* An inner packet that exceeds the path MTU learned while sending. */
struct weft_oversized {
  const struct weft_route *route; /* NULL: none */
  const uint8_t *data;
  size_t length;
  uint8_t tos, socket;
};

struct weft_tx_batch {
  uint8_t *arena;
  size_t arena_used;
  uint8_t (*slots)[WEFT_TX_SLOT_BYTES];
  unsigned slots_used, runs_used, iov_used;
  struct weft_run runs[WEFT_TX_RUNS];
  struct weft_oversized oversized;
  bool is_resending; /* the bytes of `oversized` are in use: another oversized packet is dropped */
  struct iovec iov[WEFT_TX_IOV];
  struct mmsghdr messages[WEFT_TX_RUNS];
  _Alignas(8) uint8_t control[WEFT_TX_RUNS][WEFT_CONTROL_BYTES];
};

/* 0 or negative errno. */
int weft_tx_batch_init(struct weft_tx_batch *batch);
void weft_tx_batch_free(struct weft_tx_batch *batch);

/* Whether one more datagram fits. */
static inline bool weft_tx_batch_has_room(const struct weft_tx_batch *batch) {
  return batch->runs_used < WEFT_TX_RUNS && batch->iov_used + 2 <= WEFT_TX_IOV && batch->slots_used < WEFT_TX_SLOTS;
}

/* Whether a further datagram may extend the last run. */
static inline bool weft_tx_batch_is_open(const struct weft_tx_batch *batch) {
  const struct weft_run *last = &batch->runs[batch->runs_used - 1];
  return !last->is_closed && last->count < WEFT_TX_MAX_SEGMENTS;
}

/*
 * Appends one datagram: `inner`, with headroom for the encapsulation header, then `payload` unless
 * `payload_bytes` is 0. The batch must have room. The bytes stay in place until the batch is sent.
 */
void weft_tx_batch_append(struct weft_worker *worker, const struct weft_tx_meta *meta, uint8_t *inner,
                          size_t inner_bytes, const uint8_t *payload, size_t payload_bytes);

#endif
