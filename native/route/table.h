/*
 * Hash table from addresses to entries, for one writer and lock-free readers. Open addressing: an
 * entry keeps its slot for the lifetime of the table, and each update is one store to one slot, so
 * a concurrent reader misses no other entry. Does not own the entries. Only route.c includes it.
 */
#ifndef WEFT_TABLE_H
#define WEFT_TABLE_H

#include "reclaim.h"

enum { WEFT_MIN_CAPACITY_BITS = 4 };

/* A masked address in memory byte order. IPv4 uses the first 4 bytes, the others are 0. */
struct weft_key {
  uint64_t parts[2];
};

/* The head of an entry. Only `shared` changes after publication. */
struct weft_node {
  struct weft_shared shared;
  struct weft_key key;
};

struct weft_table {
  struct weft_shared shared;
  unsigned capacity_bits;
  size_t live, used; /* of the writer: entries; entries and tombstones, at most half of the slots */
  _Atomic(struct weft_node *) slots[];
};

/* Marks a removed entry: probing continues. */
static struct weft_node weft_tombstone;

static inline struct weft_key weft_key_of(bool is_ipv6, const void *address) {
  struct weft_key key = {{0, 0}};
  if (is_ipv6) memcpy(key.parts, address, 16);
  else memcpy(key.parts, address, 4);
  return key;
}

/* Mask of the first `prefix_bits` of 128. */
static inline struct weft_key weft_mask_of(unsigned prefix_bits) {
  uint8_t bytes[16] = {0};
  memset(bytes, 0xff, prefix_bits / 8);
  if (prefix_bits % 8) bytes[prefix_bits / 8] = (uint8_t)(0xff00 >> prefix_bits % 8);
  return weft_key_of(true, bytes);
}

static inline struct weft_key weft_key_masked(struct weft_key key, struct weft_key mask) {
  return (struct weft_key){{key.parts[0] & mask.parts[0], key.parts[1] & mask.parts[1]}};
}

static inline bool weft_key_equals(struct weft_key a, struct weft_key b) {
  return ((a.parts[0] ^ b.parts[0]) | (a.parts[1] ^ b.parts[1])) == 0;
}

static inline size_t weft_last_slot(const struct weft_table *table) {
  return ((size_t)1 << table->capacity_bits) - 1;
}

/*
 * The first slot to probe for `key`. Two rounds of multiply-shift: one round makes adjacent subnets
 * collide at some table sizes.
 */
static inline size_t weft_home_slot(const struct weft_table *table, struct weft_key key) {
  uint64_t mixed = key.parts[0] * 0x9e3779b97f4a7c15 + key.parts[1] * 0xd1b54a32d192ed03;
  mixed = (mixed ^ mixed >> 32) * 0x9fb21c651e98df25;
  return (size_t)(mixed >> (64 - table->capacity_bits));
}

/*
 * The entry of `key` and its slot, or NULL. At least half of the slots are empty, which bounds
 * probing.
 */
static inline struct weft_node *weft_table_find(const struct weft_table *table, struct weft_key key, size_t *slot) {
  for (size_t i = weft_home_slot(table, key);; i = (i + 1) & weft_last_slot(table)) {
    struct weft_node *node = atomic_load_explicit(&table->slots[i], memory_order_acquire);
    if (node != NULL && (node == &weft_tombstone || !weft_key_equals(node->key, key))) continue;
    *slot = i;
    return node;
  }
}

/* --- Writer --- */

/* Replaces the entry in a slot. */
static inline void weft_table_replace(struct weft_table *table, size_t slot, struct weft_node *node) {
  atomic_store_explicit(&table->slots[slot], node, memory_order_release);
}

static inline bool weft_table_has_room(const struct weft_table *table) {
  return table->used < (size_t)1 << (table->capacity_bits - 1);
}

/* Adds an entry with a new key. The table must have room. */
static inline void weft_table_insert(struct weft_table *table, struct weft_node *node) {
  size_t i = weft_home_slot(table, node->key);
  struct weft_node *there;
  while ((there = atomic_load_explicit(&table->slots[i], memory_order_relaxed)) != NULL && there != &weft_tombstone)
    i = (i + 1) & weft_last_slot(table);
  table->live++;
  if (!there) table->used++;
  weft_table_replace(table, i, node);
}

static inline void weft_table_remove(struct weft_table *table, size_t slot) {
  weft_table_replace(table, slot, &weft_tombstone);
  table->live--;
}

static inline void weft_table_each(const struct weft_table *table, void (*visit)(void *context, struct weft_node *node),
                                   void *context) {
  for (size_t i = 0; i <= weft_last_slot(table); i++) {
    struct weft_node *node = atomic_load_explicit(&table->slots[i], memory_order_relaxed);
    if (node != NULL && node != &weft_tombstone) visit(context, node);
  }
}

static inline void weft_insert_into(void *table, struct weft_node *node) {
  weft_table_insert(table, node);
}

/*
 * A table with the entries of `old` (NULL: none) and without its tombstones. It is at most a
 * quarter full after one more insert, so a quarter of its slots amortizes the next copy. NULL: out
 * of memory.
 */
static inline struct weft_table *weft_table_copy(const struct weft_table *old) {
  unsigned capacity_bits = WEFT_MIN_CAPACITY_BITS;
  while (old && (size_t)1 << capacity_bits < 4 * (old->live + 1)) capacity_bits++;
  struct weft_table *table = weft_shared_new(sizeof(*table) + (sizeof(table->slots[0]) << capacity_bits));
  if (!table) return NULL;
  table->capacity_bits = capacity_bits;
  if (old) weft_table_each(old, weft_insert_into, table);
  return table;
}

#endif
