/*
 * MTU that this host's own configuration sets on the route to a peer. The MTUs that the kernel
 * learns from ICMP are left out: any host can forge them.
 */
#ifndef WEFT_HOST_MTU_H
#define WEFT_HOST_MTU_H

#include <stdint.h>

#include "route/route.h"

/* Opens a netlink socket for weft_host_mtu. Returns the descriptor or negative errno. */
int weft_host_mtu_open(void);

/*
 * The MTU (RTAX_MTU, `ip route ... mtu`) of the route to `remote`. 0: the route has none, and the
 * MTU of its interface applies.
 */
uint32_t weft_host_mtu(int fd, const union weft_endpoint *remote);

#endif
