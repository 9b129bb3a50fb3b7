/*
 * Reference counts of underlay addresses by routes. Readers check membership, one writer counts.
 * Each family has a table of its own, which separates an IPv4 address from its IPv4-mapped IPv6
 * address. Only route.c includes it.
 */
#ifndef WEFT_REMOTES_H
#define WEFT_REMOTES_H

#include <errno.h>

#include "route.h"
#include "table.h"

struct weft_remotes {
  _Atomic(struct weft_table *) tables[2]; /* IPv4, IPv6; NULL: none yet */
};

struct weft_remote {
  struct weft_node node;
  size_t routes; /* of the writer */
};

static inline bool weft_remote_is_ipv6(const union weft_endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET6;
}

static inline bool weft_remote_has_family(const union weft_endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET || weft_remote_is_ipv6(endpoint);
}

static inline struct weft_key weft_remote_key(const union weft_endpoint *endpoint) {
  if (weft_remote_is_ipv6(endpoint)) return weft_key_of(true, &endpoint->v6.sin6_addr);
  return weft_key_of(false, &endpoint->v4.sin_addr);
}

static inline bool weft_remotes_has(const struct weft_remotes *remotes, const union weft_endpoint *endpoint) {
  if (!weft_remote_has_family(endpoint)) return false;
  const struct weft_table *table =
      atomic_load_explicit(&remotes->tables[weft_remote_is_ipv6(endpoint)], memory_order_acquire);
  size_t slot;
  return table && weft_table_find(table, weft_remote_key(endpoint), &slot);
}

/* --- Writer --- */

/* Adds an address to `old` (NULL: none), or to a copy if it is full. NULL: out of memory. */
static inline struct weft_table *weft_remotes_add(struct weft_table *old, struct weft_key key) {
  struct weft_remote *remote = weft_shared_new(sizeof(*remote));
  if (!remote) return NULL;
  struct weft_table *table = old && weft_table_has_room(old) ? old : weft_table_copy(old);
  if (!table) {
    free(remote);
    return NULL;
  }
  remote->node.key = key;
  remote->routes = 1;
  weft_table_insert(table, &remote->node);
  return table;
}

/* Adds a reference to an IPv4 or IPv6 address. 0 or -ENOMEM. */
static inline int weft_remotes_ref(struct weft_remotes *remotes, struct weft_reclaimer *reclaimer,
                                   const union weft_endpoint *endpoint) {
  const struct weft_key key = weft_remote_key(endpoint);
  _Atomic(struct weft_table *) *place = &remotes->tables[weft_remote_is_ipv6(endpoint)];
  struct weft_table *old = atomic_load_explicit(place, memory_order_relaxed);
  size_t slot;
  struct weft_remote *remote = old ? (struct weft_remote *)weft_table_find(old, key, &slot) : NULL;
  if (remote) {
    remote->routes++;
    return 0;
  }
  struct weft_table *table = weft_remotes_add(old, key);
  if (!table) return -ENOMEM;
  if (table == old) return 0;
  atomic_store_explicit(place, table, memory_order_release);
  if (old) weft_retire(reclaimer, &old->shared);
  return 0;
}

/* Drops a reference. */
static inline void weft_remotes_unref(struct weft_remotes *remotes, struct weft_reclaimer *reclaimer,
                                      const union weft_endpoint *endpoint) {
  struct weft_table *table =
      atomic_load_explicit(&remotes->tables[weft_remote_is_ipv6(endpoint)], memory_order_relaxed);
  size_t slot;
  struct weft_remote *remote = (struct weft_remote *)weft_table_find(table, weft_remote_key(endpoint), &slot);
  if (--remote->routes > 0) return;
  weft_table_remove(table, slot);
  weft_retire(reclaimer, &remote->node.shared);
}

static inline void weft_remote_free(void *context, struct weft_node *node) {
  (void)context;
  free(node);
}

/* Frees all. No reader may be active. */
static inline void weft_remotes_end(struct weft_remotes *remotes) {
  for (unsigned i = 0; i < 2; i++) {
    struct weft_table *table = atomic_load_explicit(&remotes->tables[i], memory_order_relaxed);
    if (table) weft_table_each(table, weft_remote_free, NULL);
    free(table);
  }
}

#endif
