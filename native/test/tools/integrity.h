/* What the parts of `integrity` share: what is to be sent, and sockets. */
#ifndef WEFT_TOOLS_INTEGRITY_H
#define WEFT_TOOLS_INTEGRITY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Both ends need the same bytes, count, seed, smallest, largest, segments and both. */
struct settings {
  union address address;
  double seed;
  double bytes;             /* TCP: length of the stream per direction */
  double count;             /* UDP: datagrams */
  double smallest, largest; /* UDP: bytes of payload */
  double segments;          /* UDP: datagrams of one size that one send carries (UDP_SEGMENT) */
  double pps;               /* UDP: datagrams a second at most; 0: as fast as it goes */
  double idle_ms;           /* how long nothing may come before it counts as over */
  int both, cubic, gro;
};

/*
 * All run to the end, print JSON and return the exit code: 0 if every byte that came is right (TCP:
 * and all came).
 */
int tcp_listen(const struct settings *settings);
int tcp_connect(const struct settings *settings);
int udp_receive(const struct settings *settings);
int udp_send(const struct settings *settings);

/* Ends the process if `text` is no address. */
union address address_read(const char *text, unsigned port);
socklen_t address_bytes(const union address *address);
/*
 * A socket with large buffers, bound to `address` if `is_bound`, else connected to it. Ends the
 * process if it cannot.
 */
int socket_open(int type, const union address *address, bool is_bound);
/* Reports to the parent process that the other end can begin. */
void say_ready(void);
double now_seconds(void);

#endif
