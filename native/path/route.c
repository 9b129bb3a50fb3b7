/*
 * Owns which peer has an inner address: longest-prefix lookup for readers that never lock, updates by one writer, and
 * when removed memory may be freed. Knows no socket and no packet.
 *
 * Each prefix length in use is a level: a hash table of the routes with that length. The levels of a family, longest
 * first, are one immutable array behind one atomic pointer. In a table every entry keeps its slot until the table is
 * given up: entries come and go by one store to one slot, so a reader that probes meanwhile misses nothing else.
 *
 * When memory is freed (quiescent-state reclamation): the writer takes the last pointer to it away, then raises the
 * epoch to E. A reader says which epoch it saw when it last held no route (0: it is not reading). Once all readers say
 * E or 0, none can have the memory:
 *
 *   - one that says E read the epoch after the writer raised it (acquire, release), so what it reads now comes after
 *     the pointer was taken away; and what it read before comes before it said E (release), so before the free.
 *   - for one that says 0 the question is whether it is just entering, unseen. It stores its epoch and then does a
 *     read-modify-write on the epoch; the writer takes the pointer away, does its read-modify-write, and then reads what
 *     readers say. The two are ordered: reader first, and the writer sees that it entered; writer first, and the reader
 *     sees that the pointer is gone. No fence is needed, and thread sanitizers can follow.
 */
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64, MIN_CAPACITY_BITS = 4, FAMILIES = 2 };

/* First in all memory that readers can see. */
struct shared {
  struct shared *next; /* in the list of what is to be freed */
  uint64_t epoch;      /* free once all readers have seen it */
};

/* An address as it lies in memory, masked; IPv4 has the first 4 bytes, the others are 0. */
struct key {
  uint64_t words[2];
};

/* Entry of a table. */
struct node {
  struct shared shared;
  struct key key;
};

struct table {
  struct shared shared;
  unsigned capacity_bits;
  size_t live, used; /* the writer's: entries; entries and tombstones, at most half of the slots */
  _Atomic(struct node *) slots[];
};

struct level {
  struct key mask;
  struct table *table;
  unsigned prefix_bits;
};

struct levels {
  struct shared shared;
  unsigned count;
  struct level list[];
};

struct peer_node {
  struct shared shared;
  struct weft_peer peer;
};

/* In two cache lines, as the worker needs nearly all of it. */
struct route_node {
  struct node node;
  struct weft_route route;
};

struct remote_node {
  struct node node;
  size_t routes; /* the writer's: how many have this address */
};

struct reader {
  _Alignas(CACHE_LINE) _Atomic uint64_t seen;
};

struct weft_routes {
  /* IPv4, IPv6. NULL: none yet. */
  _Atomic(struct levels *) levels[FAMILIES];
  _Atomic(struct table *) remotes[FAMILIES];
  _Alignas(CACHE_LINE) _Atomic uint64_t epoch;
  /* The writer's. */
  unsigned readers;
  size_t count;
  struct shared *removed, **removed_end; /* oldest first */
  struct reader reader[WEFT_MAX_READERS];
};

/* Stands where an entry was, so that probing goes on. */
static struct node tombstone;

/* --- Keys --- */

static struct key key_of(bool is_ipv6, const void *address) {
  struct key key = {{0, 0}};
  if (is_ipv6) memcpy(key.words, address, 16);
  else memcpy(key.words, address, 4);
  return key;
}

static struct key mask_of(unsigned prefix_bits) {
  uint8_t bytes[16] = {0};
  memset(bytes, 0xff, prefix_bits / 8);
  if (prefix_bits % 8) bytes[prefix_bits / 8] = (uint8_t)(0xff00 >> prefix_bits % 8);
  return key_of(true, bytes);
}

static inline struct key masked(struct key key, struct key mask) {
  return (struct key){{key.words[0] & mask.words[0], key.words[1] & mask.words[1]}};
}

static inline bool same(struct key a, struct key b) {
  return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1])) == 0;
}

/* Multiply-shift; the words are folded first, as a product's high bits know nothing of the factor's low ones' order. */
static inline size_t home_of(const struct table *table, struct key key) {
  const uint64_t mixed = (key.words[0] ^ key.words[0] >> 32) * 0x9e3779b97f4a7c15 +
                         (key.words[1] ^ key.words[1] >> 29) * 0xd1b54a32d192ed03;
  return (size_t)(mixed >> (64 - table->capacity_bits));
}

/* --- Memory --- */

/* Zeroed and in cache lines of its own, so that counters of two peers never share one. */
static void *allocate(size_t bytes) {
  const size_t rounded = (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
  void *memory = aligned_alloc(CACHE_LINE, rounded);
  return memory ? memset(memory, 0, rounded) : NULL;
}

/* No new reader can find it; frees it once the present ones are past. Cannot fail. */
static void retire(struct weft_routes *routes, struct shared *memory) {
  memory->next = NULL;
  memory->epoch = atomic_load_explicit(&routes->epoch, memory_order_relaxed) + 1;
  *routes->removed_end = memory;
  routes->removed_end = &memory->next;
}

static uint64_t oldest_seen(const struct weft_routes *routes) {
  uint64_t oldest = UINT64_MAX;
  for (unsigned i = 0; i < routes->readers; i++) {
    const uint64_t seen = atomic_load_explicit(&routes->reader[i].seen, memory_order_acquire);
    if (seen != 0 && seen < oldest) oldest = seen;
  }
  return oldest;
}

static void free_until(struct weft_routes *routes, uint64_t epoch) {
  while (routes->removed && routes->removed->epoch <= epoch) {
    struct shared *memory = routes->removed;
    routes->removed = memory->next;
    free(memory);
  }
  if (!routes->removed) routes->removed_end = &routes->removed;
}

void weft_routes_reclaim(struct weft_routes *routes) {
  if (!routes->removed) return;
  /* Also when nothing came since the last time: a raise too many does no harm. */
  atomic_fetch_add_explicit(&routes->epoch, 1, memory_order_acq_rel);
  free_until(routes, oldest_seen(routes));
}

/* --- Tables --- */

static struct table *table_new(unsigned capacity_bits) {
  struct table *table = allocate(sizeof(struct table) + (sizeof(table->slots[0]) << capacity_bits));
  if (table) table->capacity_bits = capacity_bits;
  return table;
}

static inline size_t last_slot(const struct table *table) {
  return ((size_t)1 << table->capacity_bits) - 1;
}

/* The slot where `key` is, or NULL. Half of the slots at least are NULL, so probing ends. */
static inline struct node *table_find(const struct table *table, struct key key, size_t *slot) {
  for (size_t i = home_of(table, key);; i = (i + 1) & last_slot(table)) {
    struct node *node = atomic_load_explicit(&table->slots[i], memory_order_acquire);
    if (node != NULL && (node == &tombstone || !same(node->key, key))) continue;
    *slot = i;
    return node;
  }
}

static void table_put(struct table *table, size_t slot, struct node *node) {
  atomic_store_explicit(&table->slots[slot], node, memory_order_release);
}

/* Adds an entry whose key is not there yet. */
static void table_insert(struct table *table, struct node *node) {
  size_t i = home_of(table, node->key);
  struct node *there;
  while ((there = atomic_load_explicit(&table->slots[i], memory_order_relaxed)) != NULL && there != &tombstone)
    i = (i + 1) & last_slot(table);
  table->live++;
  if (!there) table->used++;
  table_put(table, i, node);
}

static void table_remove(struct table *table, size_t slot) {
  table_put(table, slot, &tombstone);
  table->live--;
}

static bool table_has_room(const struct table *table) {
  return table->used < (size_t)1 << (table->capacity_bits - 1);
}

static void table_each(const struct table *table, void (*visit)(void *context, struct node *node), void *context) {
  for (size_t i = 0; i <= last_slot(table); i++) {
    struct node *node = atomic_load_explicit(&table->slots[i], memory_order_relaxed);
    if (node != NULL && node != &tombstone) visit(context, node);
  }
}

static void insert_into(void *context, struct node *node) {
  table_insert(context, node);
}

/*
 * A table with the entries of `old` (may be NULL), without its tombstones, at most a quarter full after one more: every
 * quarter of its slots pays for one copy, however entries come and go. NULL without memory.
 */
static struct table *table_copy(const struct table *old) {
  unsigned capacity_bits = MIN_CAPACITY_BITS;
  while (old && (size_t)1 << capacity_bits < 4 * (old->live + 1)) capacity_bits++;
  struct table *table = table_new(capacity_bits);
  if (table && old) table_each(old, insert_into, table);
  return table;
}

/* --- Levels --- */

static struct levels *levels_of(const struct weft_routes *routes, bool is_ipv6) {
  return atomic_load_explicit(&routes->levels[is_ipv6], memory_order_relaxed);
}

static struct table *level_table(const struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits) {
  const struct levels *levels = levels_of(routes, is_ipv6);
  for (unsigned i = 0; levels && i < levels->count; i++)
    if (levels->list[i].prefix_bits == prefix_bits) return levels->list[i].table;
  return NULL;
}

/* Makes `table` (NULL: none) that of a prefix length: a new array, longest first, in place of the old. 0 or -errno. */
static int publish_level(struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits, struct table *table) {
  struct levels *old = levels_of(routes, is_ipv6);
  const unsigned old_count = old ? old->count : 0;
  struct levels *new = allocate(sizeof(*new) + (old_count + 1) * sizeof(struct level));
  if (!new) return -ENOMEM;
  unsigned i = 0;
  for (; i < old_count && old->list[i].prefix_bits > prefix_bits; i++) new->list[new->count++] = old->list[i];
  if (table) new->list[new->count++] = (struct level){mask_of(prefix_bits), table, prefix_bits};
  for (; i < old_count; i++)
    if (old->list[i].prefix_bits != prefix_bits) new->list[new->count++] = old->list[i];
  if (new->count > WEFT_MAX_PREFIX_LENGTHS) return free(new), -ENOSPC;
  atomic_store_explicit(&routes->levels[is_ipv6], new, memory_order_release);
  if (old) retire(routes, &old->shared);
  return 0;
}

/* Makes room for one more route of that length. 0 or -errno. */
static int reserve_level(struct weft_routes *routes, bool is_ipv6, unsigned prefix_bits, struct table **room) {
  struct table *old = level_table(routes, is_ipv6, prefix_bits);
  *room = old;
  if (old && table_has_room(old)) return 0;
  *room = table_copy(old);
  if (!*room) return -ENOMEM;
  const int result = publish_level(routes, is_ipv6, prefix_bits, *room);
  if (result < 0) free(*room);
  else if (old) retire(routes, &old->shared);
  return result;
}

/* --- Underlay addresses --- */

/* Whether it has a family, and which key. */
static bool remote_key(const union weft_endpoint *remote, struct key *key) {
  const bool is_ipv6 = remote->any.sa_family == AF_INET6;
  if (!is_ipv6 && remote->any.sa_family != AF_INET) return false;
  *key = key_of(is_ipv6, is_ipv6 ? (const void *)&remote->v6.sin6_addr : &remote->v4.sin_addr);
  return true;
}

/* Counts one route more for an address. 0 or -errno. */
static int hold_remote(struct weft_routes *routes, bool is_ipv6, struct key key) {
  struct table *old = atomic_load_explicit(&routes->remotes[is_ipv6], memory_order_relaxed);
  size_t slot;
  struct node *node = old ? table_find(old, key, &slot) : NULL;
  if (node) return ((struct remote_node *)node)->routes++, 0;
  struct remote_node *remote = allocate(sizeof(*remote));
  struct table *table = old && table_has_room(old) ? old : table_copy(old);
  if (!remote || !table) {
    if (table != old) free(table);
    return free(remote), -ENOMEM;
  }
  remote->node.key = key;
  remote->routes = 1;
  table_insert(table, &remote->node);
  if (table == old) return 0;
  atomic_store_explicit(&routes->remotes[is_ipv6], table, memory_order_release);
  if (old) retire(routes, &old->shared);
  return 0;
}

static void release_remote(struct weft_routes *routes, const union weft_endpoint *endpoint) {
  struct key key;
  if (!remote_key(endpoint, &key)) return;
  struct table *table =
      atomic_load_explicit(&routes->remotes[endpoint->any.sa_family == AF_INET6], memory_order_relaxed);
  size_t slot;
  struct remote_node *remote = (struct remote_node *)table_find(table, key, &slot);
  if (--remote->routes > 0) return;
  table_remove(table, slot);
  retire(routes, &remote->node.shared);
}

/* --- Updates --- */

/* Checks family, length and host bits. */
static bool subnet_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits, struct key *key) {
  if (family != 4 && family != 6) return false;
  if (prefix_bits > (family == 4 ? 32 : 128)) return false;
  *key = key_of(family == 6, subnet);
  return same(*key, masked(*key, mask_of(prefix_bits)));
}

static struct peer_node *peer_node_of(const struct weft_route *route) {
  return (struct peer_node *)(void *)((char *)route->peer - offsetof(struct peer_node, peer));
}

/* A copy of `route` with the peer of `old`, or a new one if that is NULL. NULL without memory. */
static struct route_node *route_node_new(const struct weft_route *route, struct key key, const struct route_node *old) {
  struct route_node *new = allocate(sizeof(*new));
  if (!new) return NULL;
  new->node.key = key;
  new->route = *route;
  memset(new->route.subnet, 0, sizeof(new->route.subnet));
  memcpy(new->route.subnet, key.words, sizeof(key.words));
  if (old) return new->route.peer = old->route.peer, new;
  struct peer_node *peer = allocate(sizeof(*peer));
  if (!peer) return free(new), NULL;
  new->route.peer = &peer->peer;
  return new;
}

/* Puts a route whose underlay address is counted into the table of its length. */
static int add(struct weft_routes *routes, struct route_node *new) {
  struct table *table;
  const int result = reserve_level(routes, new->route.family == 6, new->route.prefix_bits, &table);
  if (result < 0) return result;
  table_insert(table, &new->node);
  routes->count++;
  return 0;
}

static void replace(struct weft_routes *routes, struct table *table, size_t slot, struct route_node *old,
                    struct route_node *new) {
  table_put(table, slot, &new->node);
  release_remote(routes, &old->route.remote);
  retire(routes, &old->node.shared);
}

int weft_routes_set(struct weft_routes *routes, const struct weft_route *route) {
  struct key key, remote;
  if (!subnet_key(route->family, route->subnet, route->prefix_bits, &key)) return -EINVAL;
  if (!remote_key(&route->remote, &remote)) return -EINVAL;
  size_t slot = 0;
  struct table *table = level_table(routes, route->family == 6, route->prefix_bits);
  struct route_node *old = table ? (struct route_node *)table_find(table, key, &slot) : NULL;
  struct route_node *new = route_node_new(route, key, old);
  if (!new) return -ENOMEM;
  int result = hold_remote(routes, route->remote.any.sa_family == AF_INET6, remote);
  if (result == 0) {
    if (old) replace(routes, table, slot, old, new);
    else if ((result = add(routes, new)) < 0) release_remote(routes, &route->remote);
  }
  if (result < 0) {
    if (!old) free(peer_node_of(&new->route));
    free(new);
  }
  weft_routes_reclaim(routes);
  return result;
}

int weft_routes_remove(struct weft_routes *routes, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct key key;
  if (!subnet_key(family, subnet, prefix_bits, &key)) return -EINVAL;
  struct table *table = level_table(routes, family == 6, prefix_bits);
  size_t slot;
  struct route_node *old = table ? (struct route_node *)table_find(table, key, &slot) : NULL;
  if (!old) return -ESRCH;
  table_remove(table, slot);
  routes->count--;
  release_remote(routes, &old->route.remote);
  retire(routes, &peer_node_of(&old->route)->shared);
  retire(routes, &old->node.shared);
  /* Without memory the empty level stays, which costs lookups a probe. */
  if (table->live == 0 && publish_level(routes, family == 6, prefix_bits, NULL) == 0) retire(routes, &table->shared);
  weft_routes_reclaim(routes);
  return 0;
}

size_t weft_routes_count(const struct weft_routes *routes) {
  return routes->count;
}

struct visitor {
  void (*visit)(void *context, const struct weft_route *route);
  void *context;
};

static void visit_route(void *context, struct node *node) {
  const struct visitor *visitor = context;
  visitor->visit(visitor->context, &((struct route_node *)node)->route);
}

void weft_routes_each(const struct weft_routes *routes, void (*visit)(void *context, const struct weft_route *route),
                      void *context) {
  struct visitor visitor = {visit, context};
  for (unsigned is_ipv6 = 0; is_ipv6 < FAMILIES; is_ipv6++) {
    const struct levels *levels = levels_of(routes, is_ipv6);
    for (unsigned i = 0; levels && i < levels->count; i++) table_each(levels->list[i].table, visit_route, &visitor);
  }
}

/* --- Readers --- */

const struct weft_route *weft_routes_find(const struct weft_routes *routes, unsigned family, const uint8_t *address) {
  const bool is_ipv6 = family == 6;
  const struct levels *levels = atomic_load_explicit(&routes->levels[is_ipv6], memory_order_acquire);
  const struct key key = key_of(is_ipv6, address);
  size_t slot;
  for (unsigned i = 0; levels && i < levels->count; i++) {
    const struct level *level = &levels->list[i];
    const struct node *node = table_find(level->table, masked(key, level->mask), &slot);
    if (node) return &((const struct route_node *)node)->route;
  }
  return NULL;
}

bool weft_routes_has_remote(const struct weft_routes *routes, const union weft_endpoint *remote) {
  struct key key;
  if (!remote_key(remote, &key)) return false;
  const struct table *table =
      atomic_load_explicit(&routes->remotes[remote->any.sa_family == AF_INET6], memory_order_acquire);
  size_t slot;
  return table && table_find(table, key, &slot);
}

void weft_routes_enter(struct weft_routes *routes, unsigned reader) {
  const uint64_t epoch = atomic_load_explicit(&routes->epoch, memory_order_acquire);
  atomic_store_explicit(&routes->reader[reader].seen, epoch, memory_order_release);
  /* See the top of the file. */
  atomic_fetch_add_explicit(&routes->epoch, 0, memory_order_acq_rel);
}

void weft_routes_quiescent(struct weft_routes *routes, unsigned reader) {
  const uint64_t epoch = atomic_load_explicit(&routes->epoch, memory_order_acquire);
  /* Nothing was removed: do not dirty the cache line. */
  if (atomic_load_explicit(&routes->reader[reader].seen, memory_order_relaxed) == epoch) return;
  atomic_store_explicit(&routes->reader[reader].seen, epoch, memory_order_release);
}

void weft_routes_leave(struct weft_routes *routes, unsigned reader) {
  atomic_store_explicit(&routes->reader[reader].seen, 0, memory_order_release);
}

/* --- Life --- */

struct weft_routes *weft_routes_new(unsigned readers) {
  if (readers > WEFT_MAX_READERS) return NULL;
  struct weft_routes *routes = allocate(sizeof(*routes));
  if (!routes) return NULL;
  atomic_init(&routes->epoch, 1);
  routes->readers = readers;
  routes->removed_end = &routes->removed;
  return routes;
}

static void free_route(void *context, struct node *node) {
  (void)context;
  free(peer_node_of(&((struct route_node *)node)->route));
  free(node);
}

static void free_node(void *context, struct node *node) {
  (void)context;
  free(node);
}

void weft_routes_free(struct weft_routes *routes) {
  if (!routes) return;
  free_until(routes, UINT64_MAX);
  for (unsigned is_ipv6 = 0; is_ipv6 < FAMILIES; is_ipv6++) {
    struct levels *levels = levels_of(routes, is_ipv6);
    for (unsigned i = 0; levels && i < levels->count; i++) {
      table_each(levels->list[i].table, free_route, NULL);
      free(levels->list[i].table);
    }
    free(levels);
    struct table *remotes = atomic_load_explicit(&routes->remotes[is_ipv6], memory_order_relaxed);
    if (remotes) table_each(remotes, free_node, NULL);
    free(remotes);
  }
  free(routes);
}
