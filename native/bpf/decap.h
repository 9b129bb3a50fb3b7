/*
 * The decapsulating device: a VXLAN device of the kernel that receives TCP for the BPF fast path.
 * The program at the underlay interface checks a packet, rewrites it to VXLAN and assigns it to the
 * device's socket. The device clears the tunnel's marks of a super-packet, which a bridge would
 * else segment in software, and joins consecutive segments (GRO). BPF can do neither (Linux 6.18).
 *
 * The TUN device is its lower device, so the kernel removes it with the last descriptor of that
 * (vxlan_handle_lowerdev_unregister). Each process makes its own: the one of the process before
 * stays until the program that uses it is replaced.
 */
#ifndef WEFT_DECAP_H
#define WEFT_DECAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_decap {
  char name[IF_NAMESIZE];
  unsigned tun_index, index; /* index 0: no device */
  uint32_t vni;              /* in network order, as in the header; random */
  uint16_t port;             /* in network order; any free one */
  bool is_unavailable;       /* the kernel has no VXLAN */
};

/*
 * Creates the device unless it exists, with this address, for an underlay of this family. Returns
 * 0, or negative errno without a device.
 */
int weft_decap_open(struct weft_decap *decap, unsigned tun_index, const uint8_t *mac, bool is_ipv6);
/* Removes the devices of this TUN device, but for `kept` (NULL: none). */
void weft_decap_remove_others(const struct weft_decap *kept, unsigned tun_index);

#endif
