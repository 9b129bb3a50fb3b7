/*
 * Longest-prefix lookup for lock-free readers, updates by one writer.
 *
 * Each prefix length in use is a level: a hash table of the routes with that length. The levels of
 * a family, longest first, are one immutable array behind one atomic pointer. reclaim.h frees
 * removed memory.
 */
#include "route.h"

#include <errno.h>
#include <stdlib.h>

#include "remotes.h"
#include "table.h"

enum { FAMILIES = 2 };

struct level {
  struct weft_key mask;
  struct weft_table *table;
  unsigned prefix_bits;
};

struct levels {
  struct weft_shared shared;
  unsigned count;
  struct level list[];
};

struct peer_node {
  struct weft_shared shared;
  struct weft_peer peer;
};

/* Two cache lines, of which a worker reads nearly all. */
struct route_node {
  struct weft_node node;
  struct weft_route route;
};

struct weft_routes {
  _Atomic(struct levels *) levels[FAMILIES]; /* IPv4, IPv6; NULL: none yet */
  struct weft_remotes remotes;
  struct weft_reclaimer reclaimer;
  size_t count; /* of the writer */
};

/* --- Levels --- */

static struct levels *levels_of(const struct weft_routes *routes, bool is_ipv6) {
  return atomic_load_explicit(&routes->levels[is_ipv6], memory_order_relaxed);
}

static struct weft_table *level_table(const struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits) {
  const struct levels *levels = levels_of(routes, is_ipv6);
  for (unsigned i = 0; levels && i < levels->count; i++)
    if (levels->list[i].prefix_bits == prefix_bits) return levels->list[i].table;
  return NULL;
}

/*
 * Publishes a new array of levels with `table` (NULL: none) for a prefix length, longest first. 0
 * or negative errno.
 */
static int publish_level(struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits, struct weft_table *table) {
  struct levels *old = levels_of(routes, is_ipv6);
  const unsigned old_count = old ? old->count : 0;
  struct levels *new = weft_shared_new(sizeof(*new) + (old_count + 1) * sizeof(struct level));
  if (!new) return -ENOMEM;
  unsigned i = 0;
  for (; i < old_count && old->list[i].prefix_bits > prefix_bits; i++) new->list[new->count++] = old->list[i];
  if (table) new->list[new->count++] = (struct level){weft_mask_of(prefix_bits), table, prefix_bits};
  for (; i < old_count; i++)
    if (old->list[i].prefix_bits != prefix_bits) new->list[new->count++] = old->list[i];
  if (new->count > WEFT_MAX_PREFIX_LENGTHS) {
    free(new);
    return -ENOSPC;
  }
  atomic_store_explicit(&routes->levels[is_ipv6], new, memory_order_release);
  if (old) weft_retire(&routes->reclaimer, &old->shared);
  return 0;
}

/* Makes room for one more route of that length. 0 or negative errno. */
static int reserve_level(struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits, struct weft_table **room) {
  struct weft_table *old = level_table(routes, is_ipv6, prefix_bits);
  *room = old;
  if (old && weft_table_has_room(old)) return 0;
  *room = weft_table_copy(old);
  if (!*room) return -ENOMEM;
  const int result = publish_level(routes, is_ipv6, prefix_bits, *room);
  if (result < 0) free(*room);
  else if (old) weft_retire(&routes->reclaimer, &old->shared);
  return result;
}

/* --- Updates --- */

/* Checks family, length and host bits. */
static bool subnet_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits, struct weft_key *key) {
  if (family != 4 && family != 6) return false;
  if (prefix_bits > (family == 4 ? 32 : 128)) return false;
  *key = weft_key_of(family == 6, subnet);
  return weft_key_equals(*key, weft_key_masked(*key, weft_mask_of(prefix_bits)));
}

static struct peer_node *peer_node_of(const struct weft_route *route) {
  return (struct peer_node *)(void *)((char *)route->peer - offsetof(struct peer_node, peer));
}

/* A copy of `route` with the peer of `old`, or a new peer if that is NULL. NULL: out of memory. */
static struct route_node *route_node_new(const struct weft_route *route, struct weft_key key,
                                         const struct route_node *old) {
  struct route_node *new = weft_shared_new(sizeof(*new));
  struct peer_node *peer = old ? peer_node_of(&old->route) : weft_shared_new(sizeof(*peer));
  if (!new || !peer) {
    if (!old) free(peer);
    free(new);
    return NULL;
  }
  new->node.key = key;
  new->route = *route;
  memcpy(new->route.subnet, key.parts, sizeof(new->route.subnet));
  new->route.peer = &peer->peer;
  return new;
}

/* Inserts a route with a referenced underlay address into the table of its length. */
static int add(struct weft_routes *routes, struct route_node *new) {
  struct weft_table *table;
  const int result = reserve_level(routes, new->route.family == 6, new->route.prefix_bits, &table);
  if (result < 0) return result;
  weft_table_insert(table, &new->node);
  routes->count++;
  return 0;
}

static void replace(struct weft_routes *routes, size_t slot, struct route_node *old, struct route_node *new) {
  weft_table_replace(level_table(routes, old->route.family == 6, old->route.prefix_bits), slot, &new->node);
  weft_remotes_unref(&routes->remotes, &routes->reclaimer, &old->route.remote);
  weft_retire(&routes->reclaimer, &old->node.shared);
}

/* Replaces `old` with `new`, or adds it if `old` is NULL. 0, or negative errno without a change. */
static int put(struct weft_routes *routes, size_t slot, struct route_node *old, struct route_node *new) {
  /* Referenced before readers see the route. */
  int result = weft_remotes_ref(&routes->remotes, &routes->reclaimer, &new->route.remote);
  if (result < 0) return result;
  if (old) replace(routes, slot, old, new);
  else result = add(routes, new);
  if (result < 0) weft_remotes_unref(&routes->remotes, &routes->reclaimer, &new->route.remote);
  return result;
}

/* The route of a subnet and its slot in the table of its length, or NULL. */
static struct route_node *route_of(const struct weft_routes *routes, unsigned family, unsigned prefix_bits,
                                   struct weft_key key, size_t *slot) {
  const struct weft_table *table = level_table(routes, family == 6, prefix_bits);
  return table ? (struct route_node *)weft_table_find(table, key, slot) : NULL;
}

int weft_routes_set(struct weft_routes *routes, const struct weft_route *route) {
  struct weft_key key;
  size_t slot = 0;
  if (!subnet_key(route->family, route->subnet, route->prefix_bits, &key)) return -EINVAL;
  if (!weft_remote_has_family(&route->remote)) return -EINVAL;
  struct route_node *old = route_of(routes, route->family, route->prefix_bits, key, &slot);
  struct route_node *new = route_node_new(route, key, old);
  if (!new) return -ENOMEM;
  const int result = put(routes, slot, old, new);
  if (result < 0) {
    if (!old) free(peer_node_of(&new->route));
    free(new);
  }
  weft_routes_reclaim(routes);
  return result;
}

int weft_routes_remove(struct weft_routes *routes, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_key key;
  size_t slot;
  if (!subnet_key(family, subnet, prefix_bits, &key)) return -EINVAL;
  struct weft_table *table = level_table(routes, family == 6, prefix_bits);
  struct route_node *old = table ? (struct route_node *)weft_table_find(table, key, &slot) : NULL;
  if (!old) return -ESRCH;
  weft_table_remove(table, slot);
  routes->count--;
  weft_remotes_unref(&routes->remotes, &routes->reclaimer, &old->route.remote);
  weft_retire(&routes->reclaimer, &peer_node_of(&old->route)->shared);
  weft_retire(&routes->reclaimer, &old->node.shared);
  /* Out of memory the empty level stays and costs lookups a probe. */
  if (table->live == 0 && publish_level(routes, family == 6, prefix_bits, NULL) == 0)
    weft_retire(&routes->reclaimer, &table->shared);
  weft_routes_reclaim(routes);
  return 0;
}

const struct weft_route *weft_routes_get(const struct weft_routes *routes, unsigned family, const uint8_t *subnet,
                                         unsigned prefix_bits) {
  struct weft_key key;
  size_t slot;
  if (!subnet_key(family, subnet, prefix_bits, &key)) return NULL;
  const struct route_node *node = route_of(routes, family, prefix_bits, key, &slot);
  return node ? &node->route : NULL;
}

void weft_routes_reclaim(struct weft_routes *routes) {
  weft_reclaim(&routes->reclaimer);
}

size_t weft_routes_count(const struct weft_routes *routes) {
  return routes->count;
}

struct visitor {
  void (*visit)(void *context, const struct weft_route *route);
  void *context;
};

static void visit_route(void *context, struct weft_node *node) {
  const struct visitor *visitor = context;
  visitor->visit(visitor->context, &((struct route_node *)node)->route);
}

void weft_routes_each(const struct weft_routes *routes, void (*visit)(void *context, const struct weft_route *route),
                      void *context) {
  struct visitor visitor = {visit, context};
  for (unsigned is_ipv6 = 0; is_ipv6 < FAMILIES; is_ipv6++) {
    const struct levels *levels = levels_of(routes, is_ipv6);
    for (unsigned i = 0; levels && i < levels->count; i++)
      weft_table_each(levels->list[i].table, visit_route, &visitor);
  }
}

/* --- Readers --- */

const struct weft_route *weft_routes_find(const struct weft_routes *routes, unsigned family, const uint8_t *address) {
  const bool is_ipv6 = family == 6;
  const struct levels *levels = atomic_load_explicit(&routes->levels[is_ipv6], memory_order_acquire);
  const struct weft_key key = weft_key_of(is_ipv6, address);
  size_t slot;
  for (unsigned i = 0; levels && i < levels->count; i++) {
    const struct level *level = &levels->list[i];
    const struct weft_node *node = weft_table_find(level->table, weft_key_masked(key, level->mask), &slot);
    if (node) return &((const struct route_node *)node)->route;
  }
  return NULL;
}

static const struct weft_route *find_remote_in(const struct weft_table *table, const union weft_endpoint *remote) {
  for (size_t slot = 0; slot <= weft_last_slot(table); slot++) {
    const struct weft_node *node = atomic_load_explicit(&table->slots[slot], memory_order_acquire);
    if (node == NULL || node == &weft_tombstone) continue;
    const struct weft_route *route = &((const struct route_node *)node)->route;
    if (weft_endpoint_same_address(&route->remote, remote)) return route;
  }
  return NULL;
}

const struct weft_route *weft_routes_find_remote(const struct weft_routes *routes, const union weft_endpoint *remote) {
  for (unsigned is_ipv6 = 0; is_ipv6 < FAMILIES; is_ipv6++) {
    const struct levels *levels = atomic_load_explicit(&routes->levels[is_ipv6], memory_order_acquire);
    for (unsigned i = 0; levels && i < levels->count; i++) {
      const struct weft_route *route = find_remote_in(levels->list[i].table, remote);
      if (route) return route;
    }
  }
  return NULL;
}

bool weft_routes_has_remote(const struct weft_routes *routes, const union weft_endpoint *remote) {
  return weft_remotes_has(&routes->remotes, remote);
}

void weft_routes_enter(struct weft_routes *routes, unsigned reader) {
  weft_reader_enter(&routes->reclaimer, reader);
}

void weft_routes_quiescent(struct weft_routes *routes, unsigned reader) {
  weft_reader_quiescent(&routes->reclaimer, reader);
}

void weft_routes_leave(struct weft_routes *routes, unsigned reader) {
  weft_reader_leave(&routes->reclaimer, reader);
}

/* --- Life --- */

struct weft_routes *weft_routes_new(unsigned readers) {
  if (readers > WEFT_MAX_READERS) return NULL;
  struct weft_routes *routes = weft_shared_new(sizeof(*routes));
  if (!routes || weft_reclaimer_init(&routes->reclaimer, readers)) return routes;
  free(routes);
  return NULL;
}

static void free_route(void *context, struct weft_node *node) {
  (void)context;
  free(peer_node_of(&((struct route_node *)node)->route));
  free(node);
}

void weft_routes_free(struct weft_routes *routes) {
  if (!routes) return;
  for (unsigned is_ipv6 = 0; is_ipv6 < FAMILIES; is_ipv6++) {
    struct levels *levels = levels_of(routes, is_ipv6);
    for (unsigned i = 0; levels && i < levels->count; i++) {
      weft_table_each(levels->list[i].table, free_route, NULL);
      free(levels->list[i].table);
    }
    free(levels);
  }
  weft_remotes_end(&routes->remotes);
  weft_reclaimer_end(&routes->reclaimer);
  free(routes);
}
