/* UDP sockets of the underlay: options, offloads, and the error queue. */
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

/* Space for the control messages of a datagram: segment size and TOS. */
enum { WEFT_CONTROL_BYTES = 2 * CMSG_SPACE(sizeof(int)) };

/*
 * Opens a non-blocking socket bound to `local`, with SO_REUSEPORT if `is_shared`. It sends with DF.
 * The path MTUs that the kernel learns do not bind it (IP_PMTUDISC_PROBE): ICMP errors, which any
 * host can forge, only arrive in the error queue. Over IPv6 it accepts datagrams without a checksum
 * (UDP_NO_CHECK6_RX). Returns the descriptor or negative errno.
 */
int weft_udp_open(const union weft_endpoint *local, bool is_shared);

/*
 * Sets the options of weft_udp_open on `fd`. Returns 0, or negative errno if it is no UDP socket
 * bound to `local`.
 */
int weft_udp_adopt(int fd, const union weft_endpoint *local);

/* Turns UDP_GRO on and probes UDP_SEGMENT. Stores which the kernel supports. */
void weft_udp_probe_offloads(int fd, struct weft_socket_offloads *offloads);

/* An entry of the error queue (ip(7) IP_RECVERR). */
struct weft_udp_error {
  union weft_endpoint remote; /* destination of the datagram */
  bool is_too_big;            /* EMSGSIZE */
  bool is_local;              /* of this host, not of an ICMP message */
  uint32_t mtu;               /* with is_too_big; 0: unknown */
};

/* Takes one entry of the error queue. False: it is empty. */
bool weft_udp_take_error(int fd, struct weft_udp_error *error);

/*
 * Writes TOS and segment size, unless 0, to the `control` buffer of a message. Returns the length
 * in use.
 */
size_t weft_udp_write_control(uint8_t *control, int family, uint8_t tos, uint16_t segment_bytes);

/* Reads segment size (0: a single datagram) and TOS of a received message. */
void weft_udp_read_control(struct msghdr *message, uint16_t *segment_bytes, uint8_t *tos);

static inline socklen_t weft_endpoint_bytes(const union weft_endpoint *endpoint) {
  return endpoint->any.sa_family == AF_INET ? sizeof(endpoint->v4) : sizeof(endpoint->v6);
}

#endif
