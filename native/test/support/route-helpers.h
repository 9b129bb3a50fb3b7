/* Routes of tests by numbers: subnets and underlay addresses as 32-bit IPv4 addresses. */
#ifndef WEFT_ROUTE_HELPERS_H
#define WEFT_ROUTE_HELPERS_H

#include "packet/wire.h"
#include "route/route.h"

static inline union weft_endpoint remote4(uint32_t address, unsigned port) {
  union weft_endpoint remote = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
  remote.v4.sin_addr.s_addr = htonl(address);
  return remote;
}

static inline union weft_endpoint remote6(uint32_t address) {
  union weft_endpoint remote = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(8472)}};
  /* Its first 4 bytes are those of remote4. */
  weft_store32(remote.v6.sin6_addr.s6_addr, address);
  return remote;
}

static inline struct weft_route ipv4_route(uint32_t subnet, unsigned bits, uint32_t remote) {
  struct weft_route route = {.family = 4, .prefix_bits = (uint8_t)bits, .remote = remote4(remote, 8285)};
  weft_store32(route.subnet, subnet);
  return route;
}

static inline uint32_t remote_of(const struct weft_route *route) {
  return route ? ntohl(route->remote.v4.sin_addr.s_addr) : 0;
}

/* Where packets for an IPv4 address go; 0: nowhere. */
static inline uint32_t find4(const struct weft_routes *routes, uint32_t address) {
  uint8_t bytes[4];
  weft_store32(bytes, address);
  return remote_of(weft_routes_find(routes, 4, bytes));
}

static inline int set4(struct weft_routes *routes, uint32_t subnet, unsigned bits, uint32_t remote) {
  const struct weft_route route = ipv4_route(subnet, bits, remote);
  return weft_routes_set(routes, &route);
}

static inline int remove4(struct weft_routes *routes, uint32_t subnet, unsigned bits) {
  uint8_t bytes[4];
  weft_store32(bytes, subnet);
  return weft_routes_remove(routes, 4, bytes, bits);
}

static inline bool has_remote4(const struct weft_routes *routes, uint32_t address) {
  const union weft_endpoint remote = remote4(address, 1);
  return weft_routes_has_remote(routes, &remote);
}

#endif
