/*
 * What the traffic generators have in common: the clock, sockets, and giving up. For benchmarks only: a failed call ends
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

static inline struct sockaddr_in parse_endpoint(const char *address, const char *port) {
  struct sockaddr_in endpoint = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  errno = EINVAL;
  if (inet_pton(AF_INET, address, &endpoint.sin_addr) != 1) give_up(address);
  return endpoint;
}

static inline int open_udp(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) give_up("socket");
  return fd;
}

/* A socket that takes datagrams for every address of the host. */
static inline int open_bound_udp(const char *port) {
  const int fd = open_udp();
  const struct sockaddr_in any = parse_endpoint("0.0.0.0", port);
  if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0) give_up("bind");
  return fd;
}

static inline void set_receive_timeout(int fd, unsigned ms) {
  const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) give_up("SO_RCVTIMEO");
}

#endif
