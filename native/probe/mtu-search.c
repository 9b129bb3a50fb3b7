#include "mtu-search.h"

enum {
  ROUNDS = 3,   /* RFC 8899 §5.1.2, MAX_PROBES */
  FRACTIONS = 6 /* sizes between the smallest hint and the largest size */
};

static const uint64_t ROUND_NS = 250ull * 1000 * 1000;

static void insert(struct weft_mtu_search *search, uint16_t size) {
  unsigned at = 0;
  while (at < search->count && search->sizes[at] < size) at++;
  if (search->count == WEFT_MTU_SIZES || (at < search->count && search->sizes[at] == size)) return;
  for (unsigned last = search->count++; last > at; last--) search->sizes[last] = search->sizes[last - 1];
  search->sizes[at] = size;
}

void weft_mtu_search_begin(struct weft_mtu_search *search, uint16_t largest, const uint16_t *hints,
                           unsigned hint_count) {
  uint16_t smallest = largest;
  *search = (struct weft_mtu_search){0};
  insert(search, WEFT_MTU_CONTROL_BYTES);
  insert(search, largest);
  for (unsigned at = 0; at < hint_count; at++) {
    if (hints[at] <= WEFT_MTU_CONTROL_BYTES || hints[at] >= largest) continue;
    insert(search, hints[at]);
    if (hints[at] < smallest) smallest = hints[at];
  }
  for (unsigned part = 1; part < FRACTIONS; part++)
    insert(search, (uint16_t)(smallest + (unsigned)(largest - smallest) * part / FRACTIONS));
  search->answered = search->count;
}

bool weft_mtu_search_next(struct weft_mtu_search *search, uint64_t now_ns) {
  if (search->round == ROUNDS || (search->round > 0 && now_ns < search->due_ns)) return false;
  search->round++;
  search->due_ns = now_ns + search->round * ROUND_NS;
  return true;
}

unsigned weft_mtu_search_first(const struct weft_mtu_search *search) {
  return search->answered == search->count ? 0 : search->answered + 1;
}

void weft_mtu_search_answer(struct weft_mtu_search *search, unsigned index) {
  if (index >= search->count) return;
  if (search->answered == search->count || index > search->answered) search->answered = index;
}

bool weft_mtu_search_is_done(const struct weft_mtu_search *search, uint64_t now_ns) {
  return weft_mtu_search_is_whole(search) || (search->round == ROUNDS && now_ns >= search->due_ns);
}

uint16_t weft_mtu_search_best(const struct weft_mtu_search *search) {
  return search->answered == search->count ? 0 : search->sizes[search->answered];
}
