/*
 * What the traffic generators have in common: the clock, sockets of either family, percentiles, and giving up. For benchmarks only: a failed call ends
 * the program with its name on standard error.
 */
#ifndef WEFT_BENCH_TRAFFIC_H
#define WEFT_BENCH_TRAFFIC_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TRAFFIC_BATCH = 64, TRAFFIC_MAX_BYTES = 1472 };

static inline void give_up(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/* Monotonic time in nanoseconds. */
static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* An address and a port of IPv4 or IPv6. */
struct endpoint {
  union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
  };
  socklen_t length;
};

static inline struct endpoint parse_endpoint(const char *address, const char *port) {
  const in_port_t number = htons((uint16_t)atoi(port));
  struct endpoint endpoint = {.ipv4 = {.sin_family = AF_INET, .sin_port = number}, .length = sizeof(endpoint.ipv4)};
  if (inet_pton(AF_INET, address, &endpoint.ipv4.sin_addr) == 1) return endpoint;
  endpoint.ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = number};
  endpoint.length = sizeof(endpoint.ipv6);
  errno = EINVAL;
  if (inet_pton(AF_INET6, address, &endpoint.ipv6.sin6_addr) != 1) give_up(address);
  return endpoint;
}

/* `type`: SOCK_DGRAM or SOCK_STREAM, of the family of `endpoint`. */
static inline int open_socket(const struct endpoint *endpoint, int type) {
  const int fd = socket(endpoint->any.sa_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) give_up("socket");
  return fd;
}

/* A socket for every address of the host, IPv4 included (ipv6(7): IPV6_V6ONLY). */
static inline int open_bound(int type, const char *port) {
  const struct endpoint any = parse_endpoint("::", port);
  const int fd = open_socket(&any, type), off = 0, on = 1;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) give_up("IPV6_V6ONLY");
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) give_up("SO_REUSEADDR");
  if (bind(fd, &any.any, any.length) < 0) give_up("bind");
  return fd;
}

static inline int compare_samples(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static inline void sort_samples(uint64_t *samples, size_t count) {
  qsort(samples, count, sizeof(samples[0]), compare_samples);
}

/* -1 without samples. */
static inline double percentile_us(const uint64_t *sorted, size_t count, double part) {
  return count == 0 ? -1 : (double)sorted[(size_t)((double)(count - 1) * part)] / 1e3;
}

static inline void set_receive_timeout(int fd, unsigned ms) {
  const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) give_up("SO_RCVTIMEO");
}

#endif
