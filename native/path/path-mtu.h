/*
 * Path MTUs to peers. Three sources:
 *
 *   host    `ip route ... mtu`: believed; follows weft_path_refresh
 *   local   EMSGSIZE of this host (interface, IPsec): believed for a minute
 *   ICMP    "fragmentation needed": anyone can forge it, so it only starts a search (RFC 8899 §4.6)
 *
 * A search sends echoes of several sizes through the tunnel to the peer's overlay address. Answers
 * decide: a forged error costs a few packets, a narrow path is found without any true number in the
 * error. While a path is narrow, the search is repeated when a larger packet comes.
 */
#ifndef WEFT_PATH_MTU_H
#define WEFT_PATH_MTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/packet.h"
#include "probe/mtu-search.h"
#include "route/route.h"
#include "socket.h"

struct weft_worker;

/* The search of a worker. */
struct weft_path_mtu {
  int fd; /* of the echo socket; -1: no search */
  struct weft_mtu_search search;
  struct weft_route target; /* a copy, without `peer` */
  uint32_t reported;        /* path MTU of the ICMP error; 0: unknown */
  uint64_t lookup_after_ns; /* earliest next lookup of a reported peer (monotonic) */
  uint16_t identifier;
  uint8_t token[8];
};

/* Largest inner packet for the route. */
size_t weft_path_mtu_limit(const struct weft_worker *worker, const struct weft_route *route);

/* Empties the error queue of a socket. Returns the MTU of a local error about `remote`, or 0. */
uint32_t weft_path_mtu_drain(struct weft_worker *worker, int fd, const union weft_endpoint *remote);

/* A packet exceeds the limit of the route: checks from time to time whether the path has grown. */
void weft_path_mtu_exceeded(struct weft_worker *worker, const struct weft_route *route);

/* Whether an inner packet is an echo of a search, which no limit applies to. */
bool weft_path_mtu_is_probe(const struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet);

/* Milliseconds until weft_path_mtu_run has work; -1: no search. */
int weft_path_mtu_wait_ms(const struct weft_worker *worker);
/* Goes on with the search, if any. */
void weft_path_mtu_run(struct weft_worker *worker);
void weft_path_mtu_end(struct weft_worker *worker);

#endif
