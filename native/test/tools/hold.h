/* Frames that are held back until others have overtaken them, oldest first. Owns copies of them. */
#ifndef WEFT_TOOLS_HOLD_H
#define WEFT_TOOLS_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FRAME_BYTES = 10240, /* room for a frame of MTU 9000 with VLAN tags */
  MAX_HELD = 1024,
};

struct held_frame {
  uint64_t release_at; /* frame count at which it goes on */
  size_t length;
  uint8_t bytes[FRAME_BYTES];
};

struct hold {
  struct held_frame *frames; /* ring of MAX_HELD */
  unsigned first, count;
};

/* Ends the process without memory. */
void hold_init(struct hold *hold);
/* False if it is full. */
bool hold_add(struct hold *hold, const uint8_t *frame, size_t length, uint64_t release_at);
/*
 * The oldest frame if it is due at `now`, else NULL. Valid until MAX_HELD / 2 frames more were
 * added.
 */
struct held_frame *hold_take(struct hold *hold, uint64_t now);

#endif
