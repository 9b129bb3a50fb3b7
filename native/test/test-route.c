/* The route table against a list that is searched from end to end, and at its full size. */
#include "route.h"

#include <errno.h>
#include <stdlib.h>

#include "expect.h"
#include "wire.h"

static uint64_t random_state = 88172645463325252;

static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32) % limit;
}

static union weft_endpoint remote4(uint32_t address, unsigned port) {
  union weft_endpoint remote = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
  remote.v4.sin_addr.s_addr = htonl(address);
  return remote;
}

static union weft_endpoint remote6(uint32_t address) {
  union weft_endpoint remote = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(8472)}};
  /* Its first 4 bytes are those of remote4. */
  weft_store32(remote.v6.sin6_addr.s6_addr, address);
  return remote;
}

static struct weft_route ipv4_route(uint32_t subnet, unsigned bits, uint32_t remote) {
  struct weft_route route = {.family = 4, .prefix_bits = (uint8_t)bits, .remote = remote4(remote, 8285)};
  weft_store32(route.subnet, subnet);
  return route;
}

static uint32_t remote_of(const struct weft_route *route) {
  return route ? ntohl(route->remote.v4.sin_addr.s_addr) : 0;
}

/* Where packets for an IPv4 address go; 0: nowhere. */
static uint32_t find4(const struct weft_routes *routes, uint32_t address) {
  uint8_t bytes[4];
  weft_store32(bytes, address);
  return remote_of(weft_routes_find(routes, 4, bytes));
}

static int set4(struct weft_routes *routes, uint32_t subnet, unsigned bits, uint32_t remote) {
  const struct weft_route route = ipv4_route(subnet, bits, remote);
  return weft_routes_set(routes, &route);
}

static int remove4(struct weft_routes *routes, uint32_t subnet, unsigned bits) {
  uint8_t bytes[4];
  weft_store32(bytes, subnet);
  return weft_routes_remove(routes, 4, bytes, bits);
}

static bool has_remote4(const struct weft_routes *routes, uint32_t address) {
  const union weft_endpoint remote = remote4(address, 1);
  return weft_routes_has_remote(routes, &remote);
}

/* --- By hand --- */

static void test_longest_wins(void) {
  struct weft_routes *routes = weft_routes_new(1);
  EXPECT(find4(routes, 0x0a010203), 0);
  EXPECT(set4(routes, 0x0a010200, 24, 1), 0);
  EXPECT(set4(routes, 0x0a010000, 16, 2), 0);
  EXPECT(set4(routes, 0, 0, 3), 0);
  EXPECT(set4(routes, 0x0a010203, 32, 4), 0);
  EXPECT(find4(routes, 0x0a010203), 4);
  EXPECT(find4(routes, 0x0a010204), 1);
  EXPECT(find4(routes, 0x0a010304), 2);
  EXPECT(find4(routes, 0x0b010304), 3);
  EXPECT(remove4(routes, 0x0a010203, 32), 0);
  EXPECT(remove4(routes, 0x0a010200, 24), 0);
  EXPECT(find4(routes, 0x0a010203), 2);
  EXPECT(remove4(routes, 0, 0), 0);
  EXPECT(find4(routes, 0x0b010304), 0);
  EXPECT(weft_routes_count(routes), 1);
  weft_routes_free(routes);
}

static void test_refusals(void) {
  struct weft_routes *routes = weft_routes_new(1);
  struct weft_route route = ipv4_route(0x0a010200, 24, 1);
  EXPECT(weft_routes_new(WEFT_MAX_READERS + 1) == NULL, true);
  EXPECT(set4(routes, 0x0a010201, 24, 1), -EINVAL);
  EXPECT(set4(routes, 0x0a010200, 33, 1), -EINVAL);
  route.family = 5;
  EXPECT(weft_routes_set(routes, &route), -EINVAL);
  route.family = 6;
  route.prefix_bits = 129;
  EXPECT(weft_routes_set(routes, &route), -EINVAL);
  route = ipv4_route(0x0a010200, 24, 1);
  route.remote.any.sa_family = AF_UNSPEC;
  EXPECT(weft_routes_set(routes, &route), -EINVAL);
  EXPECT(weft_routes_has_remote(routes, &route.remote), false);
  EXPECT(remove4(routes, 0x0a010201, 24), -EINVAL);
  EXPECT(remove4(routes, 0x0a010200, 33), -EINVAL);
  EXPECT(remove4(routes, 0x0a010200, 24), -ESRCH);
  EXPECT(weft_routes_count(routes), 0);
  weft_routes_free(routes);
}

/* Each family has room for its own lengths; one too many is refused and leaves all as it was. */
static void test_too_many_lengths(void) {
  struct weft_routes *routes = weft_routes_new(1);
  struct weft_route route = {.family = 6, .remote = remote6(1)};
  for (unsigned bits = 1; bits <= 32; bits++) EXPECT(set4(routes, 0, bits, bits), 0);
  EXPECT(set4(routes, 0, 0, 99), -ENOSPC);
  EXPECT(has_remote4(routes, 99), false);
  EXPECT(find4(routes, 0x80000000), 0);
  EXPECT(find4(routes, 0x40000000), 1);
  for (unsigned bits = 10; bits < 10 + WEFT_MAX_PREFIX_LENGTHS; bits++) {
    route.prefix_bits = (uint8_t)bits;
    EXPECT(weft_routes_set(routes, &route), 0);
  }
  route.prefix_bits = 128;
  EXPECT(weft_routes_set(routes, &route), -ENOSPC);
  EXPECT(remove4(routes, 0, 7), 0);
  EXPECT(set4(routes, 0, 0, 99), 0);
  EXPECT(find4(routes, 0x80000000), 99);
  weft_routes_free(routes);
}

/* Counters and path MTU stay when a route changes, and begin anew when it was gone. */
static void test_peer_stays(void) {
  struct weft_routes *routes = weft_routes_new(1);
  const uint8_t address[4] = {10, 1, 2, 3};
  set4(routes, 0x0a010200, 24, 1);
  const struct weft_route *before = weft_routes_find(routes, 4, address);
  atomic_store(&before->peer->tx_packets, 7);
  atomic_store(&before->peer->path_mtu, 1300);
  set4(routes, 0x0a010200, 24, 2);
  const struct weft_route *after = weft_routes_find(routes, 4, address);
  EXPECT(remote_of(after), 2);
  EXPECT(atomic_load(&after->peer->tx_packets), 7);
  EXPECT(atomic_load(&after->peer->path_mtu), 1300);
  remove4(routes, 0x0a010200, 24);
  set4(routes, 0x0a010200, 24, 3);
  EXPECT(atomic_load(&weft_routes_find(routes, 4, address)->peer->tx_packets), 0);
  weft_routes_free(routes);
}

/* What a reader found stays as it was until it says that it holds nothing. Freed too early, the sanitizer tells. */
static void test_reader_holds(void) {
  struct weft_routes *routes = weft_routes_new(2);
  const uint8_t address[4] = {10, 1, 2, 3};
  set4(routes, 0x0a010200, 24, 1);
  weft_routes_enter(routes, 1);
  const struct weft_route *first = weft_routes_find(routes, 4, address);
  set4(routes, 0x0a010200, 24, 2);
  remove4(routes, 0x0a010200, 24);
  for (unsigned i = 0; i < 3; i++) weft_routes_reclaim(routes);
  EXPECT(remote_of(first), 1);
  EXPECT(atomic_load(&first->peer->tx_packets), 0);
  weft_routes_quiescent(routes, 1);
  EXPECT(weft_routes_find(routes, 4, address) == NULL, true);
  set4(routes, 0x0a010200, 24, 3);
  weft_routes_quiescent(routes, 1);
  const struct weft_route *second = weft_routes_find(routes, 4, address);
  set4(routes, 0x0a010200, 24, 4);
  EXPECT(remote_of(second), 3);
  weft_routes_leave(routes, 1);
  weft_routes_reclaim(routes);
  weft_routes_free(routes);
}

static void test_remotes(void) {
  struct weft_routes *routes = weft_routes_new(1);
  struct weft_route route = {.family = 6, .prefix_bits = 64, .remote = remote6(0x01020304)};
  set4(routes, 0x0a010000, 24, 0x01020304);
  set4(routes, 0x0a010100, 24, 0x01020304);
  EXPECT(has_remote4(routes, 0x01020304), true);
  EXPECT(weft_routes_has_remote(routes, &route.remote), false);
  weft_routes_set(routes, &route);
  EXPECT(weft_routes_has_remote(routes, &route.remote), true);
  remove4(routes, 0x0a010000, 24);
  EXPECT(has_remote4(routes, 0x01020304), true);
  set4(routes, 0x0a010100, 24, 0x01020305);
  EXPECT(has_remote4(routes, 0x01020304), false);
  EXPECT(has_remote4(routes, 0x01020305), true);
  remove4(routes, 0x0a010100, 24);
  EXPECT(has_remote4(routes, 0x01020305), false);
  EXPECT(weft_routes_has_remote(routes, &route.remote), true);
  weft_routes_free(routes);
}

/* --- Against a list --- */

enum { MODEL_ROUTES = 400, WALK_STEPS = 60000 };

static struct weft_route model[MODEL_ROUTES];
static size_t model_count;

static bool bit_of(const uint8_t *address, unsigned bit) {
  return address[bit / 8] >> (7 - bit % 8) & 1;
}

static bool contains(const struct weft_route *route, unsigned family, const uint8_t *address) {
  if (route->family != family) return false;
  for (unsigned bit = 0; bit < route->prefix_bits; bit++)
    if (bit_of(route->subnet, bit) != bit_of(address, bit)) return false;
  return true;
}

static const struct weft_route *model_find(unsigned family, const uint8_t *address) {
  const struct weft_route *best = NULL;
  for (size_t i = 0; i < model_count; i++)
    if (contains(&model[i], family, address) && (!best || model[i].prefix_bits > best->prefix_bits)) best = &model[i];
  return best;
}

static struct weft_route *model_exact(const struct weft_route *route) {
  for (size_t i = 0; i < model_count; i++)
    if (model[i].prefix_bits == route->prefix_bits && contains(&model[i], route->family, route->subnet))
      return &model[i];
  return NULL;
}

static bool model_has_remote(const union weft_endpoint *remote) {
  for (size_t i = 0; i < model_count; i++)
    if (weft_endpoint_same_address(&model[i].remote, remote)) return true;
  return false;
}

/* An address out of few, near each other, so that subnets overlap and are hit. */
static unsigned random_address(uint8_t *address) {
  static const uint8_t BYTES[] = {0, 1, 0x80, 0xff};
  const unsigned family = random_below(2) ? 4 : 6, bytes = family == 4 ? 4 : 16;
  memset(address, 0, 16);
  for (unsigned i = 0; i < 4; i++) address[i * bytes / 4] = BYTES[random_below(4)];
  return family;
}

static struct weft_route random_route(void) {
  struct weft_route route = {0};
  route.family = (uint8_t)random_address(route.subnet);
  route.prefix_bits = (uint8_t)(route.family == 4 ? 1 + random_below(32) : 4 * (1 + random_below(32)));
  for (unsigned bit = route.prefix_bits; bit < 128; bit++) route.subnet[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
  route.remote = random_below(2) ? remote4(random_below(64), random_below(9)) : remote6(random_below(64));
  route.mac[0] = (uint8_t)random_below(256);
  return route;
}

static void expect_same(const struct weft_route *found, const struct weft_route *expected) {
  EXPECT(found != NULL, expected != NULL);
  if (!expected) return;
  EXPECT(found->prefix_bits, expected->prefix_bits);
  EXPECT(memcmp(found->subnet, expected->subnet, 16), 0);
  EXPECT(memcmp(&found->remote, &expected->remote, sizeof(found->remote)), 0);
  EXPECT(found->mac[0], expected->mac[0]);
}

static void walk_set(struct weft_routes *routes) {
  const struct weft_route route = random_route();
  struct weft_route *there = model_exact(&route);
  if (!there && model_count == MODEL_ROUTES) return;
  EXPECT(weft_routes_set(routes, &route), 0);
  if (!there) there = &model[model_count++];
  *there = route;
}

static void walk_remove(struct weft_routes *routes) {
  const struct weft_route route =
      model_count > 0 && random_below(2) ? model[random_below((uint32_t)model_count)] : random_route();
  struct weft_route *there = model_exact(&route);
  EXPECT(weft_routes_remove(routes, route.family, route.subnet, route.prefix_bits), there ? 0 : -ESRCH);
  if (there) *there = model[--model_count];
}

static void visit_model(void *context, const struct weft_route *route) {
  (*(size_t *)context)++;
  expect_same(route, model_exact(route));
}

/* Grows for a while, then shrinks, so that levels come and go. */
static void test_random_walk(void) {
  struct weft_routes *routes = weft_routes_new(0);
  uint8_t address[16];
  for (unsigned step = 0; step < WALK_STEPS; step++) {
    const bool is_growing = step / 2000 % 2 == 0;
    if (random_below(4) < (is_growing ? 3 : 1)) walk_set(routes);
    else walk_remove(routes);
    const unsigned family = random_address(address);
    expect_same(weft_routes_find(routes, family, address), model_find(family, address));
    const union weft_endpoint remote = random_below(2) ? remote4(random_below(64), 0) : remote6(random_below(64));
    EXPECT(weft_routes_has_remote(routes, &remote), model_has_remote(&remote));
    EXPECT(weft_routes_count(routes), model_count);
    if (step % 500 > 0) continue;
    size_t visited = 0;
    weft_routes_each(routes, visit_model, &visited);
    EXPECT(visited, model_count);
  }
  weft_routes_free(routes);
}

/* --- Large --- */

enum { PEERS = 65536 };

static void test_full_size(void) {
  struct weft_routes *routes = weft_routes_new(0);
  for (uint32_t i = 0; i < PEERS; i++) EXPECT(set4(routes, 0x0a000000 + (i << 8), 24, 0xc0000000 + i), 0);
  EXPECT(weft_routes_count(routes), PEERS);
  for (uint32_t i = 0; i < PEERS; i++) EXPECT(find4(routes, 0x0a000000 + (i << 8) + i % 256), 0xc0000000 + i);
  EXPECT(find4(routes, 0x09ffffff), 0);
  EXPECT(find4(routes, 0x0b000000), 0);
  weft_routes_free(routes);
}

/* A cluster whose hosts come and go: always PEERS / 64 subnets, never the same for long. */
static void test_churn(void) {
  enum { LIVE = PEERS / 64 };
  struct weft_routes *routes = weft_routes_new(1);
  for (uint32_t i = 0; i < 4 * PEERS; i++) {
    EXPECT(set4(routes, i << 8, 24, i + 1), 0);
    if (i >= LIVE) EXPECT(remove4(routes, (i - LIVE) << 8, 24), 0);
    if (i % 1000 == 0) EXPECT(find4(routes, i << 8 | 9), i + 1);
    if (i > LIVE && i % 1000 == 0) EXPECT(find4(routes, (i - LIVE) << 8 | 9), 0);
  }
  EXPECT(weft_routes_count(routes), LIVE);
  for (uint32_t i = 4 * PEERS - LIVE; i < 4 * PEERS; i++) EXPECT(remove4(routes, i << 8, 24), 0);
  EXPECT(weft_routes_count(routes), 0);
  EXPECT(find4(routes, 4 * PEERS - 1), 0);
  weft_routes_free(routes);
}

int main(void) {
  test_longest_wins();
  test_refusals();
  test_too_many_lengths();
  test_peer_stays();
  test_reader_holds();
  test_remotes();
  test_random_walk();
  test_full_size();
  test_churn();
}
