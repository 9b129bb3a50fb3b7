/*
 * The route table against a list that is searched from end to end, at its full size, and when peers
 * come and go.
 */
#include "route/route.h"

#include <errno.h>
#include <stdlib.h>

#include "support/expect.h"
#include "support/route-helpers.h"

/* --- Against a list --- */

static uint64_t random_state = 88172645463325252;

static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 32) % limit;
}

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
  for (unsigned bit = route.prefix_bits; bit < 128; bit++) route.subnet[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
  route.remote = random_below(2) ? remote4(random_below(64), random_below(9)) : remote6(random_below(64));
  route.mac[0] = (uint8_t)random_below(256);
  return route;
}

static void expect_same(const struct weft_route *found, const struct weft_route *expected) {
  EXPECT(found != NULL, expected != NULL);
  if (!expected) return;
  EXPECT(found->prefix_bits, expected->prefix_bits);
  EXPECT_BYTES(found->subnet, expected->subnet, 16);
  EXPECT_BYTES(&found->remote, &expected->remote, sizeof(found->remote));
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
  test_random_walk();
  test_full_size();
  test_churn();
}
