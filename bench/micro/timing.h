/*
 * Times of a function called again and again, in nanoseconds and, where the processor has a
 * counter, in its ticks.
 */
#ifndef WEFT_BENCH_TIMING_H
#define WEFT_BENCH_TIMING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Does some work and returns how many packets (or lookups) that was. */
typedef size_t (*operation)(void);

enum { SLICES = 5, SLICE_NS = 2000000 };

/* Keeps the compiler from eliminating work on `bytes`. */
static inline void use(const void *bytes) {
  __asm__ volatile("" : : "r"(bytes) : "memory");
}

static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Ticks of the time stamp counter, which has a constant rate, unlike the core clock. 0: none. */
static inline uint64_t now_ticks(void) {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

struct timing {
  double ns, ticks; /* a packet */
};

static int by_ns(const void *a, const void *b) {
  const double left = ((const struct timing *)a)->ns, right = ((const struct timing *)b)->ns;
  return (left > right) - (left < right);
}

static inline struct timing time_slice(operation run) {
  const uint64_t start_ns = now_ns(), start_ticks = now_ticks();
  uint64_t elapsed_ns = 0, packets = 0;
  while (elapsed_ns < SLICE_NS) {
    packets += run();
    elapsed_ns = now_ns() - start_ns;
  }
  const uint64_t ticks = now_ticks() - start_ticks;
  return (struct timing){(double)elapsed_ns / (double)packets, (double)ticks / (double)packets};
}

/* Prints the median of the slices as a line of JSON. It ignores slices with preemption. */
static inline void report(const char *name, size_t size, const char *subject, operation run) {
  struct timing slices[SLICES];
  run(); /* what it touches is in the caches then */
  for (unsigned i = 0; i < SLICES; i++) slices[i] = time_slice(run);
  qsort(slices, SLICES, sizeof(*slices), by_ns);
  printf("{\"name\":\"%s\",\"size\":%zu,\"subject\":\"%s\",\"ns\":%.3f,\"ticks\":%.2f}\n", name, size, subject,
         slices[SLICES / 2].ns, slices[SLICES / 2].ticks);
}

#endif
