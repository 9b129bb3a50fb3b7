/* The TUN device: opening queues, probing offloads. Its MTU, addresses and state are set by others, over netlink. */
#ifndef WEFT_TUN_H
#define WEFT_TUN_H

#include <stdbool.h>

struct weft_tun_offloads {
  bool tso; /* TCP super-packets, IPv4 and IPv6 */
  bool uso; /* UDP super-packets, IPv4 and IPv6 */
};

/*
 * Opens one more queue of device `name`, made if `is_first`: then nobody else may have it (EBUSY). Non-blocking, with virtio
 * headers in the byte order of this host. Returns the descriptor or negative errno.
 */
int weft_tun_open(const char *name, bool is_first);

/* 0 if `fd` is a queue of device `name` as weft_tun_open makes it, else negative errno. */
int weft_tun_check(int fd, const char *name);

/* Asks for all offloads, then for fewer until the kernel agrees (TUNSETOFFLOAD); says which. 0 or negative errno. */
int weft_tun_probe_offloads(int fd, struct weft_tun_offloads *offloads);

#endif
