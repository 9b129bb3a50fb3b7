/*
 * Any sequence of updates: the route table finds what a list finds, and keeps what a reader holds.
 */
#include "route/route.h"

#include <errno.h>
#include <stdlib.h>

#include "packet/wire.h"

/*
 * An operation is its code, 4 bytes of address, a length and the last byte of an underlay address.
 */
enum { OPERATION_BYTES = 7, MAX_OPERATIONS = 300 };

static struct weft_route model[MAX_OPERATIONS];
static size_t model_count;

static void require(bool holds) {
  if (!holds) abort();
}

static bool contains(const struct weft_route *route, unsigned family, const uint8_t *address) {
  const unsigned bits = route->prefix_bits;
  if (route->family != family || memcmp(route->subnet, address, bits / 8) != 0) return false;
  return bits % 8 == 0 || (route->subnet[bits / 8] ^ address[bits / 8]) >> (8 - bits % 8) == 0;
}

static struct weft_route *model_exact(const struct weft_route *route) {
  for (size_t i = 0; i < model_count; i++)
    if (model[i].prefix_bits == route->prefix_bits && contains(&model[i], route->family, route->subnet))
      return &model[i];
  return NULL;
}

static const struct weft_route *model_find(unsigned family, const uint8_t *address) {
  const struct weft_route *best = NULL;
  for (size_t i = 0; i < model_count; i++)
    if (contains(&model[i], family, address) && (!best || model[i].prefix_bits > best->prefix_bits)) best = &model[i];
  return best;
}

static bool model_has_remote(const union weft_endpoint *remote) {
  for (size_t i = 0; i < model_count; i++)
    if (weft_endpoint_same_address(&model[i].remote, remote)) return true;
  return false;
}

static bool model_has_length(const struct weft_route *route) {
  for (size_t i = 0; i < model_count; i++)
    if (model[i].family == route->family && model[i].prefix_bits == route->prefix_bits) return true;
  return false;
}

static unsigned model_lengths(unsigned family) {
  bool is_seen[129] = {false};
  unsigned count = 0;
  for (size_t i = 0; i < model_count; i++) {
    if (model[i].family != family || is_seen[model[i].prefix_bits]) continue;
    is_seen[model[i].prefix_bits] = true;
    count++;
  }
  return count;
}

static void make_address(const uint8_t *input, unsigned family, uint8_t *address) {
  memset(address, 0, 16);
  for (unsigned i = 0; i < 4; i++) address[family == 4 ? i : i * 5] = input[i];
}

static struct weft_route make_route(const uint8_t *operation) {
  struct weft_route route = {.family = operation[0] & 1 ? 6 : 4};
  make_address(operation + 1, route.family, route.subnet);
  route.prefix_bits = (uint8_t)(operation[5] % (route.family == 4 ? 33 : 129));
  /* Host bits only now and then. */
  for (unsigned bit = route.prefix_bits; bit < 128 && operation[0] < 0xf0; bit++)
    route.subnet[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
  route.remote.any.sa_family = operation[0] & 2 ? AF_INET6 : AF_INET;
  if (operation[0] & 2) route.remote.v6.sin6_addr.s6_addr[15] = operation[6];
  else route.remote.v4.sin_addr.s_addr = operation[6];
  route.mac[0] = operation[6];
  return route;
}

static bool has_host_bits(const struct weft_route *route) {
  for (unsigned bit = route->prefix_bits; bit < (route->family == 4 ? 32 : 128); bit++)
    if (route->subnet[bit / 8] >> (7 - bit % 8) & 1) return true;
  return false;
}

static void set(struct weft_routes *routes, const struct weft_route *route) {
  struct weft_route *there = model_exact(route);
  int expected = 0;
  if (has_host_bits(route)) expected = -EINVAL;
  else if (!model_has_length(route) && model_lengths(route->family) == WEFT_MAX_PREFIX_LENGTHS) expected = -ENOSPC;
  require(weft_routes_set(routes, route) == expected);
  if (expected < 0) return;
  if (!there) there = &model[model_count++];
  *there = *route;
}

static void remove_route(struct weft_routes *routes, const struct weft_route *route) {
  struct weft_route *there = has_host_bits(route) ? NULL : model_exact(route);
  const int expected = has_host_bits(route) ? -EINVAL : there ? 0 : -ESRCH;
  require(weft_routes_remove(routes, route->family, route->subnet, route->prefix_bits) == expected);
  if (there) *there = model[--model_count];
}

static void check(const struct weft_routes *routes, const struct weft_route *route) {
  const struct weft_route *found = weft_routes_find(routes, route->family, route->subnet);
  const struct weft_route *expected = model_find(route->family, route->subnet);
  require((found == NULL) == (expected == NULL));
  require(!found || (found->prefix_bits == expected->prefix_bits && found->mac[0] == expected->mac[0] &&
                     weft_endpoint_same_address(&found->remote, &expected->remote)));
  require(weft_routes_has_remote(routes, &route->remote) == model_has_remote(&route->remote));
  require(weft_routes_count(routes) == model_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  struct weft_routes *routes = weft_routes_new(1);
  const struct weft_route *held = NULL;
  uint8_t held_mac = 0;
  model_count = 0;
  weft_routes_enter(routes, 0);
  for (size_t i = 0; i + OPERATION_BYTES <= size && i < MAX_OPERATIONS * OPERATION_BYTES; i += OPERATION_BYTES) {
    const struct weft_route route = make_route(input + i);
    if (input[i] & 4) remove_route(routes, &route);
    else set(routes, &route);
    check(routes, &route);
    require(!held || (held->mac[0] == held_mac && atomic_load(&held->peer->tx_packets) == 1));
    if (input[i] & 8) continue;
    weft_routes_quiescent(routes, 0);
    held = weft_routes_find(routes, route.family, route.subnet);
    if (!held) continue;
    held_mac = held->mac[0];
    atomic_store(&held->peer->tx_packets, 1);
  }
  weft_routes_leave(routes, 0);
  weft_routes_free(routes);
  return 0;
}
