/*
 * Through the decapsulating device (bpf/decap.h): headers of a VXLAN device of the kernel, and its
 * socket. Part of overlay.bpf.c.
 */
#ifndef WEFT_BPF_DECAP_FRAME_H
#define WEFT_BPF_DECAP_FRAME_H

#include "inner.h"
#include "ipv4.h"
#include "outer.h"

struct decap_headers {
  struct outer outer;
  struct vxlan vxlan;
} HEADER;

struct decap_headers6 {
  struct outer6 outer;
  struct vxlan vxlan;
} HEADER;

INLINE void write_decap_frame(struct vxlan *vxlan, const struct weft_bpf_config *config, __be16 type) {
  *vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->decap_vni, .frame = {.type = type}};
  __builtin_memcpy(vxlan->frame.destination, config->frame_mac, 6);
  __builtin_memcpy(vxlan->frame.source, config->frame_source, 6);
}

/*
 * The outer headers for the device. The destination port stays: the host's firewall sees the
 * packet. The source port is 0, as the remote port of the device's socket: with NAT of any kind on
 * the host the kernel takes a socket away whose remote port is not the packet's source port
 * (nf_nat_ipv4_local_in, Linux 5.13), and the packet would come to the worker instead.
 */
INLINE void write_decap(struct decap_headers *headers, __u32 total) {
  headers->outer.ip.total = htons(total + sizeof(*headers));
  headers->outer.ip.checksum = 0;
  headers->outer.ip.checksum = header_checksum(&headers->outer.ip);
  headers->outer.udp.length = htons(total + sizeof(*headers) - IPV4_BYTES);
  headers->outer.udp.source = 0;
  headers->outer.udp.checksum = 0;
}

INLINE void write_decap6(struct decap_headers6 *headers, __u32 total) {
  headers->outer.ip.payload = htons(total + sizeof(*headers) - IPV6_BYTES);
  headers->outer.udp.length = headers->outer.ip.payload;
  headers->outer.udp.source = 0;
  headers->outer.udp.checksum = 0;
}

INLINE struct bpf_sock *find_decap_socket(struct __sk_buff *skb, const struct weft_bpf_config *config, bool is_over6) {
  struct bpf_sock_tuple tuple = {};
  if (is_over6) {
    __builtin_memcpy(tuple.ipv6.daddr, config->local6, sizeof(tuple.ipv6.daddr));
    tuple.ipv6.dport = config->decap_port;
    return lookup_udp(skb, &tuple, sizeof(tuple.ipv6), (__u64)BPF_F_CURRENT_NETNS, 0);
  }
  tuple.ipv4.daddr = config->local;
  tuple.ipv4.dport = config->decap_port;
  return lookup_udp(skb, &tuple, sizeof(tuple.ipv4), (__u64)BPF_F_CURRENT_NETNS, 0);
}

/* Makes room for the headers, writes them and assigns the packet. Takes over the socket. */
INLINE int send_to_decap(struct __sk_buff *skb, const void *headers, __u32 bytes, __s32 room, struct bpf_sock *socket) {
  int action = DROP;
  if (room != 0 && adjust_room(skb, room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0) action = NEXT;
  else if (skb_store(skb, ETHERNET_BYTES, headers, bytes, BPF_F_RECOMPUTE_CSUM) == 0 && assign(skb, socket, 0) == 0)
    action = 0;
  release(socket);
  return action;
}

INLINE int decapsulate_by_device(struct __sk_buff *skb, const struct weft_bpf_config *config, const struct outer *outer,
                                 const struct inner *inner, struct bpf_sock *socket) {
  struct decap_headers headers = {.outer = *outer};
  write_decap(&headers, inner->total);
  write_decap_frame(&headers.vxlan, config, ether_type(inner));
  return send_to_decap(skb, &headers, sizeof(headers), (__s32)(sizeof(headers) - overhead_of(config, false)), socket);
}

INLINE int decapsulate_by_device6(struct __sk_buff *skb, const struct weft_bpf_config *config,
                                  const struct outer6 *outer, const struct inner *inner, struct bpf_sock *socket) {
  struct decap_headers6 headers = {.outer = *outer};
  write_decap6(&headers, inner->total);
  write_decap_frame(&headers.vxlan, config, ether_type(inner));
  return send_to_decap(skb, &headers, sizeof(headers), (__s32)(sizeof(headers) - overhead_of(config, true)), socket);
}

#endif
