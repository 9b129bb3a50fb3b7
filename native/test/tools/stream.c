/*
 * A stream of bytes in units of 64 bits. Unit i mixes seed and i, so any offset can be recomputed
 * without state.
 */
#include "stream.h"

#include <string.h>

#include "random.h"

enum { WORD_BYTES = 8, CHUNK_BYTES = 4096 };

static uint64_t word_at(uint64_t seed, uint64_t index) {
  return random_mix(seed + index * RANDOM_STEP);
}

void stream_fill(uint64_t seed, uint64_t offset, uint8_t *out, size_t length) {
  while (length > 0) {
    const uint64_t word = word_at(seed, offset / WORD_BYTES);
    const size_t skip = offset % WORD_BYTES;
    const size_t take = length < WORD_BYTES - skip ? length : WORD_BYTES - skip;
    if (take == WORD_BYTES) memcpy(out, &word, WORD_BYTES);
    else memcpy(out, (const uint8_t *)&word + skip, take);
    offset += take;
    out += take;
    length -= take;
  }
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length) {
  size_t i = 0;
  while (i < length && a[i] == b[i]) i++;
  return i;
}

size_t stream_compare(uint64_t seed, uint64_t offset, const uint8_t *data, size_t length) {
  uint8_t expected[CHUNK_BYTES];
  for (size_t done = 0; done < length;) {
    const size_t size = length - done < CHUNK_BYTES ? length - done : CHUNK_BYTES;
    stream_fill(seed, offset + done, expected, size);
    if (memcmp(expected, data + done, size) != 0) return done + first_difference(expected, data + done, size);
    done += size;
  }
  return length;
}
