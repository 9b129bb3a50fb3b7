/*
 * When memory that readers without locks may still hold is freed: quiescent-state reclamation for one writer. Knows
 * nothing of what the memory is for. For route.c alone, hence no .c file.
 *
 * The writer takes the last pointer to the memory away, then raises the epoch to E. A reader says which epoch it saw
 * when it last held nothing (0: it is not reading). Once all readers say E or 0, none can have the memory:
 *
 *   - one that says E has read the epoch that the writer raised (acquire, release): what it reads from then on comes
 *     after the pointer was taken away. What it read before comes before it said E (release, acquire), so before the
 *     free.
 *   - for one that says 0 the question is whether it is just entering, unseen. It says its epoch and then does a
 *     read-modify-write on the epoch; the writer takes the pointer away, does its read-modify-write, and then looks
 *     what readers say. These two are ordered. Reader first: the writer sees that it entered. Writer first: the reader
 *     sees that the pointer is gone. So no fence is needed, and a thread sanitizer can follow.
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

/* First in all memory that readers can see. */
struct weft_shared {
  struct weft_shared *next; /* in the list of what is to be freed */
  uint64_t epoch;           /* to be freed when all readers have seen it */
};

struct weft_reader {
  _Alignas(WEFT_CACHE_LINE) _Atomic uint64_t seen;
};

struct weft_reclaimer {
  _Alignas(WEFT_CACHE_LINE) _Atomic uint64_t epoch;
  struct weft_reader *reader;
  unsigned readers;
  struct weft_shared *removed, **removed_end; /* the writer's; oldest first */
};

/* Zeroed and in cache lines of its own, so that counters of two peers never share one. To be freed with free. */
static inline void *weft_shared_new(size_t bytes) {
  const size_t rounded = (bytes + WEFT_CACHE_LINE - 1) & ~(size_t)(WEFT_CACHE_LINE - 1);
  void *memory = aligned_alloc(WEFT_CACHE_LINE, rounded);
  return memory ? memset(memory, 0, rounded) : NULL;
}

/* False without memory. */
static inline bool weft_reclaimer_init(struct weft_reclaimer *reclaimer, unsigned readers) {
  reclaimer->reader = weft_shared_new((readers + 1) * sizeof(struct weft_reader));
  reclaimer->readers = readers;
  reclaimer->removed = NULL;
  reclaimer->removed_end = &reclaimer->removed;
  atomic_init(&reclaimer->epoch, 1);
  return reclaimer->reader != NULL;
}

/* --- Writer --- */

/* To be called when no new reader can find `memory`; frees it once the present ones are past. Cannot fail. */
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

/* Frees what no reader can have. */
static inline void weft_reclaim(struct weft_reclaimer *reclaimer) {
  if (!reclaimer->removed) return;
  /* Even if nothing was retired since the last time: once too often does no harm. */
  atomic_fetch_add_explicit(&reclaimer->epoch, 1, memory_order_acq_rel);
  weft_free_until(reclaimer, weft_oldest_seen(reclaimer));
}

/* Frees everything. No reader may be left. */
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
  /* Nothing was removed: leaves the cache line clean. */
  if (atomic_load_explicit(&reclaimer->reader[reader].seen, memory_order_relaxed) == epoch) return;
  atomic_store_explicit(&reclaimer->reader[reader].seen, epoch, memory_order_release);
}

static inline void weft_reader_leave(struct weft_reclaimer *reclaimer, unsigned reader) {
  atomic_store_explicit(&reclaimer->reader[reader].seen, 0, memory_order_release);
}

#endif
