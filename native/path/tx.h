/*
 * From the TUN device to the underlay. Packets are read into an arena, given their encapsulation header where they lie (or,
 * for segments of a super-packet, in a slot of their own), gathered into runs (same peer, same size, one message with
 * UDP_SEGMENT) and sent with one system call for all runs.
 */
#ifndef WEFT_TX_H
#define WEFT_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "route/route.h"
#include "packet/segment.h"
#include "socket.h"

struct weft_worker;

enum {
  WEFT_TX_ARENA_BYTES = 256 << 10,
  WEFT_TX_HEADROOM = 32, /* virtio header, then encapsulation header, before each packet */
  WEFT_TX_SLOTS = 192,
  WEFT_TX_SLOT_BYTES = WEFT_TX_HEADROOM + WEFT_MAX_INNER_HEADER,
  WEFT_TX_RUNS = 64,
  WEFT_TX_IOV = 512,
  WEFT_TX_MAX_SEGMENTS = 64, /* UDP_MAX_SEGMENTS of kernels before 6.9 */
};

/* One message. */
struct weft_run {
  const struct weft_route *route;
  unsigned first_iov, iov_count;
  uint32_t total_bytes; /* of the UDP payload */
  uint16_t segment_bytes;
  uint16_t count;
  uint8_t tos;
  uint8_t socket;
  bool is_closed; /* the last segment was shorter, which only the last may be */
};

/* A packet that proved too big on sending, to be fragmented or reported once the runs are out. */
struct weft_pending {
  const struct weft_route *route; /* NULL: none */
  const uint8_t *data;
  size_t length;
  uint8_t tos, socket;
};

struct weft_tx {
  uint8_t *arena;
  size_t arena_used;
  uint8_t (*slots)[WEFT_TX_SLOT_BYTES];
  unsigned slots_used, runs_used, iov_used;
  struct weft_run runs[WEFT_TX_RUNS];
  struct weft_pending pending;
  bool is_resending; /* what pends is on its way; if that is too big again, it is lost, for its bytes lie there */
  struct iovec iov[WEFT_TX_IOV];
  struct mmsghdr messages[WEFT_TX_RUNS];
  _Alignas(8) uint8_t control[WEFT_TX_RUNS][WEFT_CONTROL_BYTES];
};

int weft_tx_init(struct weft_tx *tx);
void weft_tx_free(struct weft_tx *tx);

/* Moves what waits in the TUN queue, up to a fair share. Returns the number of packets and super-packets read. */
unsigned weft_tx_drain(struct weft_worker *worker);

#endif
