/*
 * Readers search while a writer adds, replaces, removes and reclaims. Sanitizers detect races
 * (-fsanitize=thread) and early frees (-fsanitize=address). The test checks that found routes are
 * consistent.
 */
#include "route/route.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "packet/wire.h"
#include "support/expect.h"

enum { READERS = 3, SUBNETS = 300, UPDATES = 20000, LOOKUPS_AT_LEAST = 20000, BATCH = 16 };

/* Of these the writer never takes the last away, so a reader must find it always. */
enum { STEADY_SUBNETS = 50 };

static struct weft_routes *routes;
static _Atomic bool is_done;

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

/* 10.x.y.0/24; every fourth also in 10.x.0.0/20. */
static uint32_t subnet_of(unsigned index) {
  return 0x0a000000 | index << 8;
}

/* A route all of whose fields follow from subnet and version, so that a mixture shows. */
static struct weft_route make_route(unsigned index, unsigned bits, uint8_t version) {
  struct weft_route route = {.family = 4, .prefix_bits = (uint8_t)bits};
  weft_store32(route.subnet, bits == 24 ? subnet_of(index) : subnet_of(index) & 0xfffff000);
  route.remote.v4.sin_family = AF_INET;
  route.remote.v4.sin_addr.s_addr = htonl(0xc0a80000 | version);
  memset(route.mac, version, sizeof(route.mac));
  memset(route.header, version, sizeof(route.header));
  return route;
}

/* --- Readers --- */

static void expect_whole(const struct weft_route *route, unsigned index) {
  const uint8_t version = route->mac[0];
  const struct weft_route expected = make_route(index, route->prefix_bits, version);
  EXPECT(route->prefix_bits == 24 || route->prefix_bits == 20, true);
  EXPECT_BYTES(route->subnet, expected.subnet, sizeof(route->subnet));
  EXPECT_BYTES(&route->remote, &expected.remote, sizeof(route->remote));
  EXPECT_BYTES(route->mac, expected.mac, sizeof(route->mac));
  EXPECT_BYTES(route->header, expected.header, sizeof(route->header));
  atomic_fetch_add_explicit(&route->peer->tx_packets, 1, memory_order_relaxed);
}

/* A batch: the first route is checked again at its end. */
static void read_batch(uint32_t *random) {
  const struct weft_route *found[BATCH];
  unsigned index[BATCH];
  for (unsigned i = 0; i < BATCH; i++) {
    uint8_t address[4];
    index[i] = next_random(random) % SUBNETS;
    weft_store32(address, subnet_of(index[i]) | 7);
    found[i] = weft_routes_find(routes, 4, address);
    EXPECT(found[i] != NULL || index[i] >= STEADY_SUBNETS, true);
  }
  /* On a busy machine the writer gets its turn here. */
  if (next_random(random) % 4 == 0) sched_yield();
  for (unsigned i = 0; i < BATCH; i++)
    if (found[i]) expect_whole(found[i], index[i]);
  /* Version 0 is that of a subnet which is never touched. */
  const struct weft_route steady = make_route(0, 24, 0);
  EXPECT(weft_routes_has_remote(routes, &steady.remote), true);
}

static void *read_routes(void *argument) {
  const unsigned reader = *(const unsigned *)argument;
  uint32_t random = reader + 1;
  weft_routes_enter(routes, reader);
  for (unsigned i = 0; i < LOOKUPS_AT_LEAST / BATCH || !atomic_load(&is_done); i++) {
    read_batch(&random);
    weft_routes_quiescent(routes, reader);
    if (next_random(&random) % 8 > 0) continue;
    weft_routes_leave(routes, reader);
    sched_yield();
    weft_routes_enter(routes, reader);
  }
  weft_routes_leave(routes, reader);
  return NULL;
}

/* --- Writer --- */

static void update(uint32_t *random) {
  const unsigned index = next_random(random) % SUBNETS, bits = index % 4 == 0 && next_random(random) % 2 ? 20 : 24;
  const struct weft_route route = make_route(index, bits, (uint8_t)(1 + next_random(random) % 200));
  if (index == 0 && bits == 24) return;
  if (next_random(random) % 2 == 0 && (bits == 20 || index >= STEADY_SUBNETS))
    (void)weft_routes_remove(routes, 4, route.subnet, bits);
  else EXPECT(weft_routes_set(routes, &route), 0);
}

/* Fewer and fewer, then more again: tables are copied and levels come and go. */
static void remove_all(void) {
  for (unsigned index = STEADY_SUBNETS; index < SUBNETS; index++)
    for (unsigned bits = 20; bits <= 24; bits += 4) {
      const struct weft_route route = make_route(index, bits, 0);
      (void)weft_routes_remove(routes, 4, route.subnet, bits);
    }
}

int main(void) {
  pthread_t threads[READERS];
  unsigned numbers[READERS];
  uint32_t random = 99;
  routes = weft_routes_new(READERS);
  for (unsigned index = 0; index < STEADY_SUBNETS; index++) {
    const struct weft_route route = make_route(index, 24, 0);
    EXPECT(weft_routes_set(routes, &route), 0);
  }
  for (unsigned i = 0; i < READERS; i++) {
    numbers[i] = i;
    EXPECT(pthread_create(&threads[i], NULL, read_routes, &numbers[i]), 0);
  }
  for (unsigned i = 0; i < UPDATES; i++) {
    update(&random);
    if (i % 2000 == 1999) remove_all();
    if (i % 64 == 0) weft_routes_reclaim(routes);
  }
  atomic_store(&is_done, true);
  for (unsigned i = 0; i < READERS; i++) EXPECT(pthread_join(threads[i], NULL), 0);
  weft_routes_reclaim(routes);
  weft_routes_free(routes);
}
