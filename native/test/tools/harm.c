/* Harm to one datagram. */
#include "harm.h"

#include "random.h"

/*
 * Changes one byte. A sum over it changes by less than 2^16 and not by zero, so each Internet
 * checksum that covers it detects the change.
 */
static bool corrupt_byte(uint64_t *random, struct outer *outer, size_t from, size_t to) {
  if (to > outer->payload_bytes) to = outer->payload_bytes;
  if (from >= to) return false;
  uint8_t *at = outer->payload + from + random_below(random, to - from);
  *at = (uint8_t)(*at ^ (1 + random_below(random, 255)));
  return true;
}

static void harm_headers(const struct harm_settings *settings, uint64_t *random, struct harm_counters *counters,
                         struct outer *outer) {
  if (random_chance(random, settings->congest)) {
    outer_mark_congestion(outer);
    counters->congested++;
  }
  if (random_chance(random, settings->low_ttl)) {
    outer_set_ttl(outer, 1);
    counters->ttlLowered++;
  }
}

size_t harm_apply(const struct harm_settings *settings, uint64_t *random, struct harm_counters *counters,
                  struct outer *outer, const uint8_t *frame, size_t length) {
  const size_t head = (size_t)settings->head_bytes;
  bool is_changed = false;
  if (random_chance(random, settings->truncate) && outer->payload_bytes > 0) {
    length = outer_cut(outer, frame, (size_t)random_below(random, outer->payload_bytes));
    counters->truncated++;
    is_changed = true;
  }
  if (random_chance(random, settings->corrupt) && corrupt_byte(random, outer, head, SIZE_MAX)) {
    counters->corrupted++;
    is_changed = true;
  }
  if (random_chance(random, settings->corrupt_head) && corrupt_byte(random, outer, 0, head)) {
    counters->headCorrupted++;
    is_changed = true;
  }
  harm_headers(settings, random, counters, outer);
  if (is_changed && settings->break_checksum) outer_break_checksum(outer);
  else if (is_changed) outer_fix_checksum(outer);
  return length;
}
