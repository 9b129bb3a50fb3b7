/*
 * Seeded numbers that are fast and the same on every machine: SplitMix64 (Steele, Lea, Flood 2014).
 */
#ifndef WEFT_TOOLS_RANDOM_H
#define WEFT_TOOLS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Spreads a number over 64 bits; a bijection. */
static inline uint64_t random_mix(uint64_t value) {
  value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

static inline uint64_t random_next(uint64_t *state) {
  return random_mix(*state += RANDOM_STEP);
}

/* Below `bound`, which is at least 1 and far below 2^64. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound) {
  return random_next(state) % bound;
}

/* True with probability `rate`, 0..1. */
static inline bool random_chance(uint64_t *state, double rate) {
  return rate > 0 && (double)(random_next(state) >> 11) * 0x1p-53 < rate;
}

#endif
