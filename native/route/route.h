/*
 * The routing table of the packet path: inner subnet to peer. One writer (the thread that owns the
 * path) and lock-free readers (workers). A lookup probes one hash table per prefix length in use,
 * longest first; a cluster with one subnet length costs one probe. An update publishes one pointer,
 * so a reader sees the old route or the new one. Removed memory is freed once every reader has
 * passed a quiescent point.
 */
#ifndef WEFT_ROUTE_H
#define WEFT_ROUTE_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet/encap.h"

/* Underlay address and UDP port of a peer. */
union weft_endpoint {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Mutable state of a peer. Lives as long as the subnet has a route. */
struct weft_peer {
  _Atomic uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
  /*
   * Path MTUs in bytes; 0: none. path/path-mtu.h has their sources: the host's route, probes, and
   * local errors with their expiry. Times are monotonic.
   */
  _Atomic uint32_t host_mtu, probed_mtu, path_mtu;
  _Atomic uint64_t path_mtu_until_ns;
  _Atomic uint64_t search_after_ns, grow_after_ns; /* earliest next searches */
};

/* Path MTU to the peer by route and probes, or 0. `peer` may be NULL. */
static inline uint32_t weft_peer_mtu(const struct weft_peer *peer) {
  const uint32_t host = peer ? atomic_load_explicit(&peer->host_mtu, memory_order_relaxed) : 0;
  const uint32_t probed = peer ? atomic_load_explicit(&peer->probed_mtu, memory_order_relaxed) : 0;
  return host == 0 || (probed != 0 && probed < host) ? probed : host;
}

/* Immutable once published. */
struct weft_route {
  uint8_t family; /* of the subnet: 4 or 6 */
  uint8_t prefix_bits;
  bool needs_segments;        /* the peer takes no super-packets of the kernel */
  bool accepts_zero_checksum; /* the peer takes UDP over IPv6 without a checksum (RFC 6935) */
  uint8_t subnet[16];         /* network order, host bits 0, the first 4 bytes for IPv4 */
  union weft_endpoint remote;
  uint8_t mac[6];                        /* VTEP MAC; zero for encapsulation udp */
  uint8_t header[WEFT_MAX_ENCAP_HEADER]; /* encapsulation header as sent, except for the EtherType */
  struct weft_peer *peer;
};

struct weft_routes;

enum { WEFT_MAX_READERS = 64, WEFT_MAX_PREFIX_LENGTHS = 32 };

/* `readers`: number of workers, at most WEFT_MAX_READERS. NULL: out of memory. */
struct weft_routes *weft_routes_new(unsigned readers);
/* No reader may be active. */
void weft_routes_free(struct weft_routes *routes);

/* Writer. */
/*
 * Adds or replaces the route of family, subnet and prefix_bits. Copies `route` and ignores its
 * `peer`. Returns 0, -ENOMEM, -EINVAL (host bits set, invalid length, invalid family of subnet or
 * remote) or -ENOSPC (more than WEFT_MAX_PREFIX_LENGTHS lengths of the family).
 */
int weft_routes_set(struct weft_routes *routes, const struct weft_route *route);
/* Returns 0, -ESRCH if there is none, or -EINVAL (host bits set, invalid length). */
int weft_routes_remove(struct weft_routes *routes, unsigned family, const uint8_t *subnet, unsigned prefix_bits);
/* The route of exactly this subnet, or NULL. Valid until its next change. */
const struct weft_route *weft_routes_get(const struct weft_routes *routes, unsigned family, const uint8_t *subnet,
                                         unsigned prefix_bits);
size_t weft_routes_count(const struct weft_routes *routes);
/* Calls `visit` for each route in no particular order. The route is valid during the call only. */
void weft_routes_each(const struct weft_routes *routes, void (*visit)(void *context, const struct weft_route *route),
                      void *context);
/* Frees removed memory that no reader holds. Each update calls it. */
void weft_routes_reclaim(struct weft_routes *routes);

/*
 * Readers. `reader` is the caller's number. The result of find is valid until the caller's next
 * quiescent or leave.
 */
/* Longest prefix that contains `address` (4 or 16 bytes), or NULL. */
const struct weft_route *weft_routes_find(const struct weft_routes *routes, unsigned family, const uint8_t *address);
/* Whether a route has this underlay address, with any port. O(1). */
bool weft_routes_has_remote(const struct weft_routes *routes, const union weft_endpoint *remote);
/* A route with this underlay address, or NULL. O(routes). */
const struct weft_route *weft_routes_find_remote(const struct weft_routes *routes, const union weft_endpoint *remote);
/* A reader calls enter, then quiescent between batches, and leave before it sleeps. */
void weft_routes_enter(struct weft_routes *routes, unsigned reader);
void weft_routes_quiescent(struct weft_routes *routes, unsigned reader);
void weft_routes_leave(struct weft_routes *routes, unsigned reader);

/* Whether two endpoints have the same address. */
static inline bool weft_endpoint_same_address(const union weft_endpoint *a, const union weft_endpoint *b) {
  if (a->any.sa_family != b->any.sa_family) return false;
  if (a->any.sa_family == AF_INET) return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

#endif
