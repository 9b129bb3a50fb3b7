/* The Internet checksum of bytes. */
#include "checksum.h"

static uint64_t load64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

/* The last up to 31 bytes. An odd last byte is padded with zero (RFC 1071 §1). */
static uint64_t sum_rest(uint64_t sum, const uint8_t *data, size_t length) {
  for (; length >= 4; data += 4, length -= 4) {
    uint32_t value;
    memcpy(&value, data, sizeof(value));
    sum += value;
  }
  if (length >= 2) {
    uint16_t value;
    memcpy(&value, data, sizeof(value));
    sum += value;
    data += 2;
  }
  if (length & 1) {
    uint16_t value = 0;
    memcpy(&value, data, 1);
    sum += value;
  }
  return sum;
}

/*
 * Adds 64-bit words in two chains and counts the carries. 2^64 - 1 is a multiple of 2^16 - 1, so a
 * carry out of 64 bits is worth 1 (RFC 1071 §2). It is as fast as vectorized loops, without
 * compiler options.
 */
uint64_t weft_sum(uint64_t sum, const uint8_t *data, size_t length) {
  uint64_t a = 0, b = 0, carries_a = 0, carries_b = 0;
  for (; length >= 32; data += 32, length -= 32) {
    carries_a += __builtin_add_overflow(a, load64(data), &a);
    carries_b += __builtin_add_overflow(b, load64(data + 8), &b);
    carries_a += __builtin_add_overflow(a, load64(data + 16), &a);
    carries_b += __builtin_add_overflow(b, load64(data + 24), &b);
  }
  sum += (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + carries_a + carries_b;
  return sum_rest(sum, data, length);
}

void weft_update_checksum(uint8_t *field, uint16_t before, uint16_t after) {
  uint16_t checksum;
  memcpy(&checksum, field, sizeof(checksum));
  weft_store_checksum(field, (uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}
