/*
 * The encapsulation between UDP header and inner packet, in two formats:
 *
 *   udp    nothing: the datagram is the inner packet, as flannel's udp backend sends it
 *   vxlan  VXLAN header and Ethernet header (RFC 7348 §5), as the kernel's vxlan device sends it
 */
#ifndef WEFT_ENCAP_H
#define WEFT_ENCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

enum { WEFT_MAX_ENCAP_HEADER = 22 };

/* Settings of this host. */
struct weft_encap_settings {
  uint32_t vni;
  uint8_t mac[6]; /* own VTEP MAC */
};

struct weft_encap {
  const char *name;
  /* Bytes of the header. */
  unsigned header_bytes;
  /* The sender decrements the TTL, as a routing hop. VXLAN is a link and does not. */
  bool decrements_ttl;
  /* Writes the header to a peer with VTEP MAC `mac`, with EtherType IPv4. */
  void (*make_header)(uint8_t *header, const struct weft_encap_settings *settings, const uint8_t *mac);
  /*
   * Checks the header of a datagram of `length` bytes. Returns the first of HEADER (also without an
   * inner packet), VNI, MAC, NOT_IP (also for encapsulation udp with an unknown version).
   */
  enum weft_drop_reason (*check)(const uint8_t *datagram, size_t length, const struct weft_encap_settings *settings);
};

extern const struct weft_encap weft_encap_udp;
extern const struct weft_encap weft_encap_vxlan;

/*
 * Copies the header of a route before the inner packet at `inner`, which has header_bytes of
 * headroom.
 */
void weft_encap_push(const struct weft_encap *encap, uint8_t *inner, const uint8_t *header, unsigned family);

#endif
