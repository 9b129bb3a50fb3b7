/*
 * Queues and offloads of the TUN device. The reconciler sets its MTU, addresses and state over
 * netlink.
 */
#ifndef WEFT_TUN_H
#define WEFT_TUN_H

#include <stdbool.h>

struct weft_tun_offloads {
  bool tso; /* TCP super-packets, IPv4 and IPv6 */
  bool uso; /* UDP super-packets, IPv4 and IPv6 */
};

/*
 * Opens one more queue of device `name`. `is_first` creates the device; EBUSY: it exists. The queue
 * is non-blocking, with virtio headers in host byte order. Returns the descriptor or negative
 * errno.
 */
int weft_tun_open(const char *name, bool is_first);

/*
 * Returns 0 if `fd` is a queue of device `name` with the flags of weft_tun_open, else negative
 * errno.
 */
int weft_tun_check(int fd, const char *name);

/*
 * Requests all offloads, then fewer until the kernel accepts (TUNSETOFFLOAD). Stores the accepted
 * ones. Returns 0 or negative errno.
 */
int weft_tun_probe_offloads(int fd, struct weft_tun_offloads *offloads);

#endif
