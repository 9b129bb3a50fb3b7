/* Outer headers of either underlay for the BPF programs. Part of overlay.bpf.c. */
#ifndef WEFT_BPF_OUTER_H
#define WEFT_BPF_OUTER_H

#include "ipv4.h"
#include "ipv6.h"

INLINE __u32 outer_bytes(bool is_over6) {
  return is_over6 ? sizeof(struct outer6) : sizeof(struct outer);
}

INLINE __u32 overhead_of(const struct weft_bpf_config *config, bool is_over6) {
  return outer_bytes(is_over6) + (config->is_vxlan ? sizeof(struct vxlan) : 0);
}

INLINE void write_vxlan(struct vxlan *vxlan, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                        __be16 type) {
  *vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->vni, .frame = {.type = type}};
  __builtin_memcpy(vxlan->frame.destination, route->mac, 6);
  __builtin_memcpy(vxlan->frame.source, config->mac, 6);
}

INLINE bool is_own_frame(const struct weft_bpf_config *config, const struct vxlan *vxlan, __be16 type) {
  if (!(vxlan->flags & VXLAN_FLAGS) || (vxlan->vni ^ config->vni) & __builtin_bswap32(0xffffff00)) return false;
  if (vxlan->frame.type != type) return false;
  return *(const __u32 *)vxlan->frame.destination == *(const __u32 *)config->mac &&
         *(const __u16 *)(vxlan->frame.destination + 4) == *(const __u16 *)(config->mac + 4);
}

INLINE bool is_from_peer(const void *outer, const struct weft_bpf_route *route, bool is_over6) {
  return is_over6 ? is_same_address6(((const struct outer6 *)outer)->ip.source, route->remote6)
                  : ((const struct outer *)outer)->ip.source == route->remote;
}

/* Whether the outer headers are those of a datagram for the port of this host. */
INLINE bool has_tunnel_headers(const struct weft_bpf_config *config, const void *outer, __u32 length, bool is_over6) {
  return is_over6 ? is_tunnel_packet6(config, outer, length) : is_tunnel_packet(config, outer, length);
}

#endif
