/*
 * The Internet checksum (RFC 1071). Sums are kept unfolded, over 16-bit words in the byte order of memory, so that no
 * word is ever swapped: a folded sum is stored with memcpy.
 */
#ifndef WEFT_CHECKSUM_H
#define WEFT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds `length` bytes at any alignment to `sum`. Only the last piece of a packet may have an odd length. */
uint64_t weft_sum(uint64_t sum, const uint8_t *data, size_t length);

/* Folds to 16 bits, not complemented. */
static inline uint16_t weft_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

/* Stores the complement of `sum`, as a checksum field wants it. */
static inline void weft_store_checksum(uint8_t *field, uint64_t sum) {
  const uint16_t value = (uint16_t)~weft_fold(sum);
  memcpy(field, &value, sizeof(value));
}

/*
 * Corrects an IPv4 header checksum after the 16-bit word at an even offset went from `before` to `after`, both in the
 * byte order of memory (RFC 1624 eqn. 3).
 */
void weft_update_checksum(uint8_t *field, uint16_t before, uint16_t after);

#endif
