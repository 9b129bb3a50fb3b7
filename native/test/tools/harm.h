/*
 * What `impair` does to one datagram: seeded random harm in one direction, and the count of it.
 * Sends nothing.
 */
#ifndef WEFT_TOOLS_HARM_H
#define WEFT_TOOLS_HARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outer.h"

/* Rates are 0..1 of the datagrams to the port. */
struct harm_settings {
  double truncate, corrupt, corrupt_head, congest, low_ttl;
  double head_bytes; /* length of the encapsulation header: what corrupt_head changes and corrupt does not */
  int break_checksum;
};

struct harm_counters {
  uint64_t truncated, corrupted, headCorrupted, congested, ttlLowered;
};

/* Returns the new length of the frame that `outer` is parsed from. */
size_t harm_apply(const struct harm_settings *settings, uint64_t *random, struct harm_counters *counters,
                  struct outer *outer, const uint8_t *frame, size_t length);

#endif
