/*
 * Expectations of the C tests. One that fails prints place, expression and values, and ends the
 * program with exit code 1; a test program that comes to its end has succeeded and prints nothing.
 */
#ifndef WEFT_EXPECT_H
#define WEFT_EXPECT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void expect_integers(const char *place, const char *expression, long long actual, long long expected) {
  if (actual == expected) return;
  fprintf(stderr, "%s: %s is %lld (0x%llx), expected %lld (0x%llx)\n", place, expression, actual,
          (unsigned long long)actual, expected, (unsigned long long)expected);
  exit(1);
}

static inline void expect_bytes(const char *place, const char *expression, const void *actual, const void *expected,
                                size_t length) {
  const uint8_t *a = actual, *b = expected;
  for (size_t i = 0; i < length; i++) {
    if (a[i] == b[i]) continue;
    fprintf(stderr, "%s: %s differs at byte %zu of %zu: 0x%02x, expected 0x%02x\n", place, expression, i, length, a[i],
            b[i]);
    exit(1);
  }
}

#define EXPECT_STRING_(x) #x
#define EXPECT_STRING(x) EXPECT_STRING_(x)
#define EXPECT_PLACE __FILE__ ":" EXPECT_STRING(__LINE__)

/* Integers of any type, or booleans. */
#define EXPECT(actual, expected) expect_integers(EXPECT_PLACE, #actual, (long long)(actual), (long long)(expected))
#define EXPECT_BYTES(actual, expected, length) expect_bytes(EXPECT_PLACE, #actual, actual, expected, length)

#endif
