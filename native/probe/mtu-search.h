/*
 * Search for the largest packet that a path takes, by echoes of several sizes (RFC 8899). Pure:
 * path-mtu.c sends and receives.
 *
 *   begin ──► round 1 ──► round 2 ──► round 3 ──► done
 *                └───────────┴───── the largest size is answered ──► done
 *
 * A round sends each size above the largest answered one. The smallest size is a control: without
 * an answer to it the peer answers no echoes, and the search says nothing about sizes.
 */
#ifndef WEFT_MTU_SEARCH_H
#define WEFT_MTU_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum { WEFT_MTU_SIZES = 14, WEFT_MTU_CONTROL_BYTES = 100 };

/* All sizes are of whole inner packets, in bytes. */
struct weft_mtu_search {
  uint16_t sizes[WEFT_MTU_SIZES]; /* ascending, the first is the control */
  unsigned count;
  unsigned answered; /* index of the largest answered size; `count`: none */
  unsigned round;    /* of those begun; 0: none */
  uint64_t due_ns;   /* end of the round (monotonic) */
};

/* Sizes between the control and `largest`; `hints` (`hint_count`, any order) are among them. */
void weft_mtu_search_begin(struct weft_mtu_search *search, uint16_t largest, const uint16_t *hints,
                           unsigned hint_count);

/* Begins the next round if the present one is over. False: nothing to send now. */
bool weft_mtu_search_next(struct weft_mtu_search *search, uint64_t now_ns);

/* The first size of the present round. The others follow it up to `count`. */
unsigned weft_mtu_search_first(const struct weft_mtu_search *search);

/* Records the answer to size `index`. */
void weft_mtu_search_answer(struct weft_mtu_search *search, unsigned index);

bool weft_mtu_search_is_done(const struct weft_mtu_search *search, uint64_t now_ns);

/* The largest answered size, or 0. */
uint16_t weft_mtu_search_best(const struct weft_mtu_search *search);

static inline bool weft_mtu_search_is_whole(const struct weft_mtu_search *search) {
  return search->answered == search->count - 1;
}

#endif
