/*
 * The route table by hand: which route wins, what is refused, what a reader holds, and what happens
 * without memory.
 */
#include "route/route.h"

#include <errno.h>
#include <stdlib.h>

#include "support/expect.h"
#include "support/route-helpers.h"

/* --- Without memory --- */

/* The allocation that fails, counted down; 0: none. */
static unsigned failing;

/* In place of the C library's, which is all that the route table takes memory from. */
void *aligned_alloc(size_t alignment, size_t size) {
  void *memory = NULL;
  if (failing > 0 && --failing == 0) return NULL;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

/* Sets a route with one allocation after the other failing; until it works, nothing changes. */
static void set_at_last(struct weft_routes *routes, uint32_t subnet, unsigned bits, uint32_t remote) {
  const size_t count = weft_routes_count(routes);
  const uint32_t before = find4(routes, subnet);
  const bool had_remote = has_remote4(routes, remote);
  for (unsigned i = 1;; i++) {
    failing = i;
    const int result = set4(routes, subnet, bits, remote);
    const bool has_failed = failing == 0;
    failing = 0;
    EXPECT(result, has_failed ? -ENOMEM : 0);
    if (!has_failed) break;
    EXPECT(weft_routes_count(routes), count);
    EXPECT(find4(routes, subnet), before);
    EXPECT(has_remote4(routes, remote), had_remote);
  }
  EXPECT(find4(routes, subnet), remote);
}

static void test_without_memory(void) {
  struct weft_routes *routes = weft_routes_new(0);
  for (uint32_t i = 0; i < 40; i++) set_at_last(routes, i << 8, 24, i + 1);
  set_at_last(routes, 0x0a000000, 8, 1);
  set_at_last(routes, 0x0a000000, 8, 99);
  /* Removal works all the same: the level stays, empty, and can be used again. */
  failing = 1;
  EXPECT(remove4(routes, 0x0a000000, 8), 0);
  EXPECT(failing, 0);
  EXPECT(find4(routes, 0x0a000000), 0);
  EXPECT(has_remote4(routes, 99), false);
  set_at_last(routes, 0x0a000000, 8, 5);
  weft_routes_free(routes);
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

/* Counters and path MTU survive a change of the route and reset with its removal. */
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

/*
 * What a reader found stays as it was until it says that it holds nothing. Freed too early, the
 * sanitizer detects.
 */
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

int main(void) {
  test_without_memory();
  test_longest_wins();
  test_refusals();
  test_too_many_lengths();
  test_peer_stays();
  test_reader_holds();
  test_remotes();
}
