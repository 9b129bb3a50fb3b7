/*
 * The Internet checksum (RFC 1071). Sums stay unfolded, over 16-bit words in memory byte order. No
 * word is swapped: memcpy stores a folded sum.
 */
#ifndef WEFT_CHECKSUM_H
#define WEFT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Adds `length` bytes at any alignment to `sum`. Only the last piece of a packet may have an odd
 * length.
 */
uint64_t weft_sum(uint64_t sum, const uint8_t *data, size_t length);

/* Folds to 16 bits, not complemented. */
static inline uint16_t weft_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

/* Stores the complement of `sum` in a checksum field. */
static inline void weft_store_checksum(uint8_t *field, uint64_t sum) {
  const uint16_t value = (uint16_t)~weft_fold(sum);
  memcpy(field, &value, sizeof(value));
}

/*
 * Updates an IPv4 header checksum after a 16-bit word at an even offset changed from `before` to
 * `after`, both in memory byte order (RFC 1624 eqn. 3).
 */
void weft_update_checksum(uint8_t *field, uint16_t before, uint16_t after);

#endif
