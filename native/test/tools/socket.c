/* Sockets and addresses of `integrity`. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "integrity.h"
#include "options.h"

enum { BUFFER_BYTES = 64 << 20 };

union address address_read(const char *text, unsigned port) {
  union address address = {0};
  const in_port_t net_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = net_port;
  } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = net_port;
  } else {
    refuse(text, "is no address");
  }
  return address;
}

socklen_t address_bytes(const union address *address) {
  return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

int socket_open(int type, const union address *address, bool is_bound) {
  const int fd = socket(address->any.sa_family, type | SOCK_CLOEXEC, 0);
  const int on = 1, bytes = BUFFER_BYTES;
  if (fd < 0) fail("socket");
  if (type == SOCK_STREAM) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  /* TCP sizes its buffers itself. */
  if (type == SOCK_DGRAM && is_bound) (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
  if (is_bound && bind(fd, &address->any, address_bytes(address)) < 0) fail("bind");
  if (!is_bound && connect(fd, &address->any, address_bytes(address)) < 0) fail("connect");
  return fd;
}

void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
