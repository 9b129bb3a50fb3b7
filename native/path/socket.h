/* The UDP sockets of the underlay: opening, options, offloads, and what the kernel learned of path MTUs. */
#ifndef WEFT_SOCKET_H
#define WEFT_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "route/route.h"

struct weft_socket_offloads {
  bool gso; /* UDP_SEGMENT */
  bool gro; /* UDP_GRO */
};

/* Room for what a received datagram may carry (segment size, TOS) or a sent one (the same). */
enum { WEFT_CONTROL_BYTES = 2 * CMSG_SPACE(sizeof(int)) };

/*
 * Opens a socket bound to `local`; with `is_shared` several can have one port (SO_REUSEPORT). Non-blocking; never
 * fragments, so that a path MTU is learned (ICMP errors come through the error queue). Descriptor or negative errno.
 */
int weft_udp_open(const union weft_endpoint *local, bool is_shared);

/* 0 if `fd` is a UDP socket bound to `local`, else negative errno. Sets the options of weft_udp_open. */
int weft_udp_adopt(int fd, const union weft_endpoint *local);

/* Turns UDP_GRO on and tries UDP_SEGMENT; says which the kernel knows. */
void weft_udp_probe_offloads(int fd, struct weft_socket_offloads *offloads);

/*
 * Takes one entry of the error queue (ip(7) IP_RECVERR). True if there was one; `mtu` is then the path MTU to `remote` if
 * the entry tells one, else 0.
 */
bool weft_udp_take_error(int fd, union weft_endpoint *remote, uint32_t *mtu);

/* Appends TOS and, if not 0, the segment size to `control` of a message to be sent; returns the length in use. */
size_t weft_udp_write_control(uint8_t *control, int family, uint8_t tos, uint16_t segment_bytes);

/* Reads what weft_udp_write_control's counterpart got: segment size (0: a single datagram) and TOS. */
void weft_udp_read_control(struct msghdr *message, uint16_t *segment_bytes, uint8_t *tos);

static inline socklen_t weft_endpoint_bytes(const union weft_endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET ? sizeof(endpoint->v4) : sizeof(endpoint->v6);
}

#endif
