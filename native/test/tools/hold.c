/* Frames that are held back. */
#include "hold.h"

#include <stdlib.h>
#include <string.h>

#include "options.h"

/* Slots of frames just taken are not used again while the batch that they go out with is sent. */
enum { RESERVED = MAX_HELD / 2 };

void hold_init(struct hold *hold) {
  *hold = (struct hold){.frames = calloc(MAX_HELD, sizeof(struct held_frame))};
  if (hold->frames == NULL) fail("memory");
}

bool hold_add(struct hold *hold, const uint8_t *frame, size_t length, uint64_t release_at) {
  if (hold->count == MAX_HELD - RESERVED) return false;
  struct held_frame *held = &hold->frames[(hold->first + hold->count++) % MAX_HELD];
  held->release_at = release_at;
  held->length = length;
  memcpy(held->bytes, frame, length);
  return true;
}

struct held_frame *hold_take(struct hold *hold, uint64_t now) {
  if (hold->count == 0 || hold->frames[hold->first].release_at > now) return NULL;
  struct held_frame *held = &hold->frames[hold->first];
  hold->first = (hold->first + 1) % MAX_HELD;
  hold->count--;
  return held;
}
