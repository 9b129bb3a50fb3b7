/*
 * Quiescent-state reclamation of memory that lock-free readers can hold, for one writer. Only
 * route.c includes it.
 *
 * The writer removes the last pointer to the memory, then raises the epoch to E. Each reader
 * publishes the epoch that it saw when it last held no pointer (0: it is not reading). Once all
 * readers publish E or 0, none holds the memory:
 *
 *   - A reader at E has read the raised epoch (acquire, release): its later reads follow the
 *     removal of the pointer. Its earlier reads precede its publication of E (release, acquire),
 *     so they precede the free.
 *   - A reader at 0 can be entering. It publishes its epoch, then does a read-modify-write on the
 *     epoch. The writer removes the pointer, does its own read-modify-write, then reads what
 *     readers publish. The two operations are ordered. Reader first: the writer sees that it
 *     entered. Writer first: the reader sees that the pointer is gone. No fence is needed, and
 *     ThreadSanitizer can verify it.
 */
#ifndef WEFT_RECLAIM_H
#define WEFT_RECLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WEFT_CACHE_LINE = 64 };

/* The head of all memory that readers can see. */
struct weft_shared {
  struct weft_shared *next; /* in the list of retired memory */
  uint64_t epoch;           /* freed when all readers have seen it */
};

struct weft_reader {
  _Alignas(WEFT_CACHE_LINE) _Atomic uint64_t seen;
};

struct weft_reclaimer {
  _Alignas(WEFT_CACHE_LINE) _Atomic uint64_t epoch;
  struct weft_reader *reader;
  unsigned readers;
  struct weft_shared *removed, **removed_end; /* of the writer; oldest first */
};

/*
 * Allocates zeroed memory in separate cache lines, so that counters of two peers share none.
 * Release it with free.
 */
static inline void *weft_shared_new(size_t bytes) {
  const size_t rounded = (bytes + WEFT_CACHE_LINE - 1) & ~(size_t)(WEFT_CACHE_LINE - 1);
  void *memory = aligned_alloc(WEFT_CACHE_LINE, rounded);
  return memory ? memset(memory, 0, rounded) : NULL;
}

/* False: out of memory. */
static inline bool weft_reclaimer_init(struct weft_reclaimer *reclaimer, unsigned readers) {
  reclaimer->reader = weft_shared_new((readers + 1) * sizeof(struct weft_reader));
  reclaimer->readers = readers;
  reclaimer->removed = NULL;
  reclaimer->removed_end = &reclaimer->removed;
  atomic_init(&reclaimer->epoch, 1);
  return reclaimer->reader != NULL;
}

/* --- Writer --- */

/*
 * Retires `memory`, which no new reader can find. It is freed once the present readers are done.
 * Cannot fail.
 */
static inline void weft_retire(struct weft_reclaimer *reclaimer, struct weft_shared *memory) {
  memory->next = NULL;
  memory->epoch = atomic_load_explicit(&reclaimer->epoch, memory_order_relaxed) + 1;
  *reclaimer->removed_end = memory;
  reclaimer->removed_end = &memory->next;
}

static inline uint64_t weft_oldest_seen(const struct weft_reclaimer *reclaimer) {
  uint64_t oldest = UINT64_MAX;
  for (unsigned i = 0; i < reclaimer->readers; i++) {
    const uint64_t seen = atomic_load_explicit(&reclaimer->reader[i].seen, memory_order_acquire);
    if (seen != 0 && seen < oldest) oldest = seen;
  }
  return oldest;
}

static inline void weft_free_until(struct weft_reclaimer *reclaimer, uint64_t epoch) {
  while (reclaimer->removed && reclaimer->removed->epoch <= epoch) {
    struct weft_shared *memory = reclaimer->removed;
    reclaimer->removed = memory->next;
    free(memory);
  }
  if (!reclaimer->removed) reclaimer->removed_end = &reclaimer->removed;
}

/* Frees retired memory that no reader holds. */
static inline void weft_reclaim(struct weft_reclaimer *reclaimer) {
  if (!reclaimer->removed) return;
  /* A raise without newly retired memory is harmless. */
  atomic_fetch_add_explicit(&reclaimer->epoch, 1, memory_order_acq_rel);
  weft_free_until(reclaimer, weft_oldest_seen(reclaimer));
}

/* Frees everything. No reader may be active. */
static inline void weft_reclaimer_end(struct weft_reclaimer *reclaimer) {
  weft_free_until(reclaimer, UINT64_MAX);
  free(reclaimer->reader);
}

/* --- Readers --- */

static inline void weft_reader_enter(struct weft_reclaimer *reclaimer, unsigned reader) {
  const uint64_t epoch = atomic_load_explicit(&reclaimer->epoch, memory_order_acquire);
  atomic_store_explicit(&reclaimer->reader[reader].seen, epoch, memory_order_release);
  atomic_fetch_add_explicit(&reclaimer->epoch, 0, memory_order_acq_rel);
}

static inline void weft_reader_quiescent(struct weft_reclaimer *reclaimer, unsigned reader) {
  const uint64_t epoch = atomic_load_explicit(&reclaimer->epoch, memory_order_acquire);
  /* Avoids a write to a shared cache line. */
  if (atomic_load_explicit(&reclaimer->reader[reader].seen, memory_order_relaxed) == epoch) return;
  atomic_store_explicit(&reclaimer->reader[reader].seen, epoch, memory_order_release);
}

static inline void weft_reader_leave(struct weft_reclaimer *reclaimer, unsigned reader) {
  atomic_store_explicit(&reclaimer->reader[reader].seen, 0, memory_order_release);
}

#endif
