/*
 * From the underlay to the TUN device: datagrams, coalesced by the kernel or not, are checked, stripped of their
 * encapsulation header and, where flow and order allow it, joined into super-packets.
 */
#ifndef WEFT_RX_H
#define WEFT_RX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "packet/coalesce.h"
#include "route/route.h"
#include "socket.h"

struct weft_worker;

enum {
  WEFT_RX_BATCH = 16,
  WEFT_RX_BUFFER_BYTES = 65536,
  WEFT_RX_FLOWS = 8, /* flows that can be open at once, by hash; a power of two */
};

/* What a peer sent, not yet added to its counters. */
struct weft_rx_count {
  struct weft_peer *peer; /* NULL: nothing */
  uint64_t packets, bytes;
};

struct weft_rx {
  uint8_t *buffers;
  struct mmsghdr messages[WEFT_RX_BATCH];
  struct iovec iov[WEFT_RX_BATCH];
  union weft_endpoint remotes[WEFT_RX_BATCH];
  _Alignas(8) uint8_t control[WEFT_RX_BATCH][2 * CMSG_SPACE(sizeof(int))];
  struct weft_coalescer flows[WEFT_RX_FLOWS];
  /* The route of the last packet's inner source, good for this batch. */
  const struct weft_route *source_route;
  uint8_t source[16];
  uint8_t source_family;
  struct weft_rx_count counted;
};

int weft_rx_init(struct weft_rx *rx);
void weft_rx_free(struct weft_rx *rx);

/* Moves what waits at the socket, up to a fair share. Returns the number of datagrams received. */
unsigned weft_rx_drain(struct weft_worker *worker);

#endif
