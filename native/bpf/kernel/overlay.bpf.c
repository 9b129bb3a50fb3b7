/*
 * The BPF fast path: encapsulates and decapsulates plain packets in the kernel, without a copy to
 * userspace. Other packets pass to the workers, which implement all rules: packets without a route,
 * with options, too large, with an expired TTL, from a wrong sender, with congestion marks. The
 * programs reject nothing and send no ICMP errors.
 *
 *   tx   egress of the TUN device: header before the packet, then out by the route to the peer
 *   rx   ingress of the underlay interface: header away, then into the TUN device; TCP with a VXLAN
 *        header to the decapsulating device (bpf/decap.h)
 *   in   ingress of the decapsulating device: into the TUN device
 *
 * IPv4 in IPv4 only. Licensed under Apache-2.0 or GPL-2.0-only. build.sh compiles it into
 * program.h.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared.h"

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* Kernel helpers (bpf-helpers(7)). */
static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const skb_load)(const void *skb, __u32 offset, void *to, __u32 bytes) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const skb_pull)(struct __sk_buff *skb, __u32 bytes) = (void *)BPF_FUNC_skb_pull_data;
static long (*const adjust_room)(struct __sk_buff *skb, __s32 bytes, __u32 mode,
                                 __u64 flags) = (void *)BPF_FUNC_skb_adjust_room;
static long (*const change_head)(struct __sk_buff *skb, __u32 bytes, __u64 flags) = (void *)BPF_FUNC_skb_change_head;
static long (*const fib_lookup)(void *skb, struct bpf_fib_lookup *query, int bytes,
                                __u32 flags) = (void *)BPF_FUNC_fib_lookup;
static long (*const skb_store)(struct __sk_buff *skb, __u32 offset, const void *from, __u32 bytes,
                               __u64 flags) = (void *)BPF_FUNC_skb_store_bytes;
static struct bpf_sock *(*const lookup_udp)(void *skb, struct bpf_sock_tuple *tuple, __u32 bytes, __u64 netns,
                                            __u64 flags) = (void *)BPF_FUNC_sk_lookup_udp;
static long (*const assign)(struct __sk_buff *skb, void *socket, __u64 flags) = (void *)BPF_FUNC_sk_assign;
static long (*const release)(void *socket) = (void *)BPF_FUNC_sk_release;
static long (*const check_mtu)(void *skb, __u32 index, __u32 *mtu, __s32 difference,
                               __u64 flags) = (void *)BPF_FUNC_check_mtu;
static long (*const redirect)(__u32 index, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*const redirect_neigh)(__u32 index, struct bpf_redir_neigh *hop, int bytes,
                                    __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

/* The loader replaces this constant with the descriptor of the map. */
#define MAP(number)                                                                                                    \
  ({                                                                                                                   \
    void *map_;                                                                                                        \
    asm volatile("%0 = %1 ll" : "=r"(map_) : "i"(((__u64)WEFT_MAP_MARK << 32) | (number)));                            \
    map_;                                                                                                              \
  })

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "program.h is for little-endian machines"
#endif
#define htons(value) __builtin_bswap16((__u16)(value))
#define ntohs(value) __builtin_bswap16(value)

enum {
  ENODEV = 19,
  NEXT = -1, /* TCX_NEXT, TC_ACT_UNSPEC: pass to the workers */
  DROP = 2,  /* TCX_DROP, TC_ACT_SHOT: out of memory only */
  FAMILY_IPV4 = 2,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
  TYPE_IPV4 = 0x0800,
  PACKET_HOST = 0,
  DONT_FRAGMENT = 0x4000,
  TTL = 64, /* the default of sockets */
  ECN_MASK = 3,
  ECN_ECT1 = 1,
  ECN_ECT0 = 2,
  ECN_CE = 3,
  VXLAN_FLAGS = 0x08, /* in the first byte: the VNI is valid */
  IPV4_BYTES = 20,
  UDP_BYTES = 8,
  ETHERNET_BYTES = 14,
  VXLAN_BYTES = 8,
};

struct ethernet {
  __u8 destination[6], source[6];
  __be16 type;
} __attribute__((packed));

struct ipv4 {
  __u8 version_ihl, tos;
  __be16 total;
  __be16 id, fragment;
  __u8 ttl, protocol;
  __u16 checksum;
  __be32 source, destination;
} __attribute__((packed));

struct udp {
  __be16 source, destination, length, checksum;
} __attribute__((packed));

struct vxlan {
  __u8 flags, reserved[3];
  __be32 vni;
  struct ethernet frame;
} __attribute__((packed));

struct outer {
  struct ipv4 ip;
  struct udp udp;
} __attribute__((packed));

_Static_assert(sizeof(struct outer) == IPV4_BYTES + UDP_BYTES, "overhead of encapsulation udp");
_Static_assert(sizeof(struct vxlan) == VXLAN_BYTES + ETHERNET_BYTES, "overhead of VXLAN beside that");

INLINE const struct weft_bpf_config *read_config(void) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  return config && config->is_enabled ? config : NULL;
}

/* Longest prefix first, as in weft_routes_find. */
INLINE struct weft_bpf_route *find_route(const struct weft_bpf_config *config, __be32 address) {
#pragma unroll
  for (int at = 0; at < WEFT_BPF_PREFIX_LENGTHS; at++) {
    if (at >= config->lengths) return NULL;
    const struct weft_bpf_key key = {config->length[at].bits, address & config->length[at].mask};
    struct weft_bpf_route *route = map_lookup(MAP(WEFT_MAP_ROUTES), &key);
    if (!route && config->has_overflow) route = map_lookup(MAP(WEFT_MAP_OVERFLOW), &key);
    if (route) return route;
  }
  return NULL;
}

/* Bytes of the IP and transport headers that each segment of a super-packet has. */
INLINE __u32 header_bytes(struct __sk_buff *skb, __u32 offset, __u8 protocol) {
  __u8 data_offset = 0;
  if (protocol == PROTOCOL_UDP) return IPV4_BYTES + UDP_BYTES;
  if (protocol != PROTOCOL_TCP || skb_load(skb, offset + IPV4_BYTES + 12, &data_offset, 1) < 0) return 0;
  return IPV4_BYTES + (__u32)(data_offset >> 4) * 4;
}

/* The size of a packet or super-packet on the wire. */
struct amount {
  __u32 packets, bytes, longest;
};

/* Zero packets: a super-packet of an unknown type. */
INLINE struct amount measure(struct __sk_buff *skb, __u32 offset, __u8 protocol, __u32 total) {
  const __u32 payload = skb->gso_size;
  if (payload == 0) return (struct amount){1, total, total};
  const __u32 header = header_bytes(skb, offset, protocol);
  if (header == 0 || total <= header) return (struct amount){0, 0, 0};
  const __u32 packets = (total - header + payload - 1) / payload;
  return (struct amount){packets, total + (packets - 1) * header, header + payload};
}

INLINE void count_tx(struct weft_bpf_counts *counts, const struct amount *amount) {
  __sync_fetch_and_add(&counts->tx_packets, amount->packets);
  __sync_fetch_and_add(&counts->tx_bytes, amount->bytes);
}

INLINE void count_rx(struct weft_bpf_counts *counts, const struct amount *amount) {
  __sync_fetch_and_add(&counts->rx_packets, amount->packets);
  __sync_fetch_and_add(&counts->rx_bytes, amount->bytes);
}

/* --- To the underlay --- */

/*
 * RFC 1071, of a header without options: the checksum if the field is 0, or 0 if the field is
 * right.
 */
INLINE __u16 header_checksum(const struct ipv4 *ip) {
  const __u16 *units = (const __u16 *)ip;
  __u32 sum = 0;
#pragma unroll
  for (int at = 0; at < IPV4_BYTES / 2; at++) sum += units[at];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). TTL above 0. */
INLINE void decrement_ttl(struct ipv4 *ip) {
  const __u32 sum = (__u32)(__u16)~ip->checksum + (__u16)~htons(0x0100);
  ip->checksum = (__u16) ~(sum + (sum >> 16));
  ip->ttl--;
}

INLINE void write_outer(struct outer *outer, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                        __u32 total, __u8 tos) {
  outer->ip = (struct ipv4){.version_ihl = 0x45,
                            .tos = tos,
                            .total = htons(total),
                            .fragment = htons(DONT_FRAGMENT),
                            .ttl = TTL,
                            .protocol = PROTOCOL_UDP,
                            .source = config->local,
                            .destination = route->remote};
  outer->ip.checksum = header_checksum(&outer->ip);
  outer->udp = (struct udp){.source = config->port, .destination = route->port, .length = htons(total - IPV4_BYTES)};
}

INLINE void write_vxlan(struct vxlan *vxlan, const struct weft_bpf_config *config, const struct weft_bpf_route *route) {
  *vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->vni, .frame = {.type = htons(TYPE_IPV4)}};
  __builtin_memcpy(vxlan->frame.destination, route->mac, 6);
  __builtin_memcpy(vxlan->frame.source, config->mac, 6);
}

/* Makes room for the outer headers and writes them. Returns 0, DROP, or NEXT without a change. */
INLINE int encapsulate(struct __sk_buff *skb, const struct weft_bpf_config *config, const struct weft_bpf_route *route,
                       __u32 total, __u8 tos) {
  const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  const bool is_vxlan = config->is_vxlan;
  const __u64 vxlan_flags = flags | BPF_F_ADJ_ROOM_ENCAP_L2(ETHERNET_BYTES) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
  const __u32 overhead = sizeof(struct outer) + (is_vxlan ? sizeof(struct vxlan) : 0);
  if (adjust_room(skb, (__s32)overhead, BPF_ADJ_ROOM_MAC, is_vxlan ? vxlan_flags : flags) < 0) return NEXT;
  void *data = (void *)(long)skb->data;
  void *end = (void *)(long)skb->data_end;
  /* decrement_ttl needs the inner IP header that follows. */
  if (data + sizeof(struct outer) + sizeof(struct ipv4) > end) return DROP;
  write_outer(data, config, route, total + overhead, tos);
  if (!is_vxlan) {
    decrement_ttl(data + sizeof(struct outer)); /* encapsulation udp is a routing hop */
    return 0;
  }
  if (data + sizeof(struct outer) + sizeof(struct vxlan) > end) return DROP;
  write_vxlan(data + sizeof(struct outer), config, route);
  return 0;
}

/*
 * Finds the next hop to the peer in the host's FIB. False if a packet of `longest` bytes does not
 * fit or the next hop has no resolved neighbour: the workers then send it, as a packet queued for
 * resolution would leave by the route of the TUN device.
 */
INLINE bool find_next_hop(struct __sk_buff *skb, const struct weft_bpf_config *config,
                          const struct weft_bpf_route *route, __u32 longest, __u8 tos, struct bpf_fib_lookup *hop) {
  const __u32 overhead = sizeof(struct outer) + (config->is_vxlan ? sizeof(struct vxlan) : 0);
  if (longest + overhead > route->mtu) return false;
  hop->family = FAMILY_IPV4;
  hop->l4_protocol = PROTOCOL_UDP;
  hop->sport = config->port;
  hop->dport = route->port;
  hop->ifindex = skb->ifindex;
  hop->tos = tos;
  hop->ipv4_src = config->local;
  hop->ipv4_dst = route->remote;
  /* The next hop of an IPv4 route can be IPv6 (RFC 8950). */
  if (fib_lookup(skb, hop, sizeof(*hop), 0) != BPF_FIB_LKUP_RET_SUCCESS || hop->family != FAMILY_IPV4) return false;
  /*
   * Without tot_len the result has the MTU of the interface (Linux 5.12), else a path MTU that any
   * host can forge by ICMP.
   */
  return longest + overhead <= hop->mtu_result;
}

SECTION("tx") int weft_bpf_tx(struct __sk_buff *skb) {
  const struct weft_bpf_config *config = read_config();
  const struct ipv4 *ip = (void *)(long)skb->data;
  if (!config || (void *)(ip + 1) > (void *)(long)skb->data_end) return NEXT;
  const __u32 total = ntohs(ip->total);
  /* Without options, and with room for the outer headers in a 64 KiB datagram. */
  if (ip->version_ihl != 0x45 || total != skb->len || total > 65535 - sizeof(struct outer) - sizeof(struct vxlan))
    return NEXT;
  if (!config->is_vxlan && ip->ttl <= 1) return NEXT;
  const __u8 tos = config->inherits_dscp ? ip->tos : ip->tos & ECN_MASK;
  struct weft_bpf_route *route = find_route(config, ip->destination);
  if (!route || route->needs_segments) return NEXT;
  const struct amount amount = measure(skb, 0, ip->protocol, total);
  struct bpf_fib_lookup hop = {};
  if (amount.packets == 0 || !find_next_hop(skb, config, route, amount.longest, tos, &hop)) return NEXT;
  const int action = encapsulate(skb, config, route, total, tos);
  if (action != 0) return action;
  /* redirect_neigh removes an Ethernet header, which packets of a TUN device lack. */
  if (change_head(skb, ETHERNET_BYTES, 0) < 0) return DROP;
  count_tx(&route->counts, &amount);
  const __u32 first = 0;
  struct weft_bpf_counts *totals = map_lookup(MAP(WEFT_MAP_TOTALS), &first);
  if (totals) count_tx(totals, &amount);
  struct bpf_redir_neigh neighbour = {}; /* zeroed to its last byte: otherwise loading needs CAP_PERFMON */
  neighbour.nh_family = FAMILY_IPV4;
  neighbour.ipv4_nh = hop.ipv4_dst;
  return (int)redirect_neigh(hop.ifindex, &neighbour, sizeof(neighbour), 0);
}

/* --- From the underlay --- */

/* RFC 6040, figure 4: whether the inner ECN field stays unchanged. */
INLINE bool keeps_ecn(__u8 inner, __u8 outer) {
  inner &= ECN_MASK;
  outer &= ECN_MASK;
  return inner == ECN_CE || (outer != ECN_CE && !(inner == ECN_ECT0 && outer == ECN_ECT1));
}

INLINE bool is_tunnel_packet(const struct weft_bpf_config *config, const struct outer *outer, __u32 length) {
  return outer->ip.version_ihl == 0x45 && outer->ip.protocol == PROTOCOL_UDP &&
         outer->ip.destination == config->local && outer->udp.destination == config->port &&
         (outer->ip.fragment & ~htons(DONT_FRAGMENT)) == 0 && ntohs(outer->ip.total) == length &&
         ntohs(outer->udp.length) == length - IPV4_BYTES && header_checksum(&outer->ip) == 0;
}

INLINE bool is_own_frame(const struct weft_bpf_config *config, const struct vxlan *vxlan) {
  if (!(vxlan->flags & VXLAN_FLAGS) || (vxlan->vni ^ config->vni) & __builtin_bswap32(0xffffff00)) return false;
  if (vxlan->frame.type != htons(TYPE_IPV4)) return false;
  return *(const __u32 *)vxlan->frame.destination == *(const __u32 *)config->mac &&
         *(const __u16 *)(vxlan->frame.destination + 4) == *(const __u16 *)(config->mac + 4);
}

/* --- Through the decapsulating device --- */

struct decap_headers {
  struct outer outer;
  struct vxlan vxlan;
} __attribute__((packed));

/* The outer headers for the device. The port stays: the host's firewall sees the packet. */
INLINE void write_decap(struct decap_headers *headers, const struct weft_bpf_config *config, __u32 total) {
  headers->outer.ip.total = htons(total + sizeof(*headers));
  headers->outer.ip.checksum = 0;
  headers->outer.ip.checksum = header_checksum(&headers->outer.ip);
  headers->outer.udp.length = htons(total + sizeof(*headers) - IPV4_BYTES);
  headers->outer.udp.checksum = 0;
  headers->vxlan = (struct vxlan){.flags = VXLAN_FLAGS, .vni = config->decap_vni, .frame = {.type = htons(TYPE_IPV4)}};
  __builtin_memcpy(headers->vxlan.frame.destination, config->decap_mac, 6);
  __builtin_memcpy(headers->vxlan.frame.source, config->decap_source, 6);
}

INLINE struct bpf_sock *find_decap_socket(struct __sk_buff *skb, const struct weft_bpf_config *config) {
  struct bpf_sock_tuple tuple = {};
  tuple.ipv4.daddr = config->local;
  tuple.ipv4.dport = config->decap_port;
  return lookup_udp(skb, &tuple, sizeof(tuple.ipv4), (__u64)BPF_F_CURRENT_NETNS, 0);
}

/* Makes room for the headers, writes them and assigns the packet. Takes over the socket. */
INLINE int send_to_decap(struct __sk_buff *skb, const struct decap_headers *headers, __s32 room,
                         struct bpf_sock *socket) {
  int action = DROP;
  if (room != 0 && adjust_room(skb, room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0) action = NEXT;
  else if (skb_store(skb, ETHERNET_BYTES, headers, sizeof(*headers), BPF_F_RECOMPUTE_CSUM) == 0 &&
           assign(skb, socket, 0) == 0)
    action = 0;
  release(socket);
  return action;
}

SECTION("in") int weft_bpf_in(struct __sk_buff *skb) {
  const __u32 first = 0;
  const struct weft_bpf_config *config = map_lookup(MAP(WEFT_MAP_CONFIG), &first);
  const struct ethernet *frame = (void *)(long)skb->data;
  if (!config || (void *)(frame + 1) > (void *)(long)skb->data_end || skb->pkt_type != PACKET_HOST) return DROP;
  if (*(const __u32 *)frame->source != *(const __u32 *)config->decap_source ||
      *(const __u16 *)(frame->source + 4) != *(const __u16 *)(config->decap_source + 4))
    return DROP;
  return (int)redirect(config->tun_index, BPF_F_INGRESS);
}

/* A filter stays when its process dies, and would take the packets of whatever receives next. */
INLINE bool has_tun(struct __sk_buff *skb, const struct weft_bpf_config *config) {
  __u32 mtu = 0;
  return !config->outlives_process || check_mtu(skb, config->tun_index, &mtu, 0, 0) != -ENODEV;
}

SECTION("rx") int weft_bpf_rx(struct __sk_buff *skb) {
  const __u32 length = skb->len - ETHERNET_BYTES;
  if (skb->protocol != htons(TYPE_IPV4) || skb->pkt_type != PACKET_HOST || skb->vlan_present) return NEXT;
  const struct weft_bpf_config *config = read_config();
  const struct outer *outer = (void *)(long)skb->data + ETHERNET_BYTES;
  if (!config || (void *)(outer + 1) > (void *)(long)skb->data_end || !is_tunnel_packet(config, outer, length) ||
      !has_tun(skb, config))
    return NEXT;
  const bool is_vxlan = config->is_vxlan;
  const __u32 overhead = sizeof(struct outer) + (is_vxlan ? sizeof(struct vxlan) : 0);
  if (length < overhead + IPV4_BYTES || skb_pull(skb, ETHERNET_BYTES + overhead + IPV4_BYTES) < 0) return NEXT;
  outer = (void *)(long)skb->data + ETHERNET_BYTES;
  const struct vxlan *vxlan = (const void *)(outer + 1);
  const struct ipv4 *inner = is_vxlan ? (const void *)(vxlan + 1) : (const void *)vxlan;
  if ((void *)(inner + 1) > (void *)(long)skb->data_end) return NEXT;
  if (is_vxlan && ((void *)(vxlan + 1) > (void *)(long)skb->data_end || !is_own_frame(config, vxlan))) return NEXT;
  /*
   * UDP GRO joins datagrams with checksums for the socket of a worker. A single one must not
   * overtake those.
   */
  if (outer->udp.checksum != 0) return NEXT;
  /* Linux keeps the tunnel mark of a UDP super-packet and drops it on segmentation (as of 6.18). */
  if (skb->gso_size != 0 && inner->protocol == PROTOCOL_UDP) return NEXT;
  if (inner->version_ihl != 0x45 || ntohs(inner->total) != length - overhead) return NEXT;
  if (!keeps_ecn(inner->tos, outer->ip.tos)) return NEXT;
  struct weft_bpf_route *route = find_route(config, inner->source);
  if (!route || route->remote != outer->ip.source) return NEXT;
  const struct amount amount = measure(skb, ETHERNET_BYTES + overhead, inner->protocol, length - overhead);
  if (amount.packets == 0) return NEXT;
  const __u32 total = length - overhead, first = 0;
  struct weft_bpf_counts *totals = map_lookup(MAP(WEFT_MAP_TOTALS), &first);
  struct bpf_sock *socket = NULL;
  /* All packets of a flow take the same queue. */
  if (config->has_decap && inner->protocol == PROTOCOL_TCP && total <= 65535 - sizeof(struct decap_headers))
    socket = find_decap_socket(skb, config);
  if (socket) {
    struct decap_headers headers = {.outer = *outer};
    write_decap(&headers, config, total);
    const int action = send_to_decap(skb, &headers, (__s32)(sizeof(headers) - overhead), socket);
    if (action != 0) return action;
    count_rx(&route->counts, &amount);
    if (totals) count_rx(totals, &amount);
    if (totals) totals->decap_packets += amount.packets;
    return NEXT;
  }
  if (adjust_room(skb, -(__s32)overhead, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0) return NEXT;
  count_rx(&route->counts, &amount);
  if (totals) count_rx(totals, &amount);
  return (int)redirect(config->tun_index, BPF_F_INGRESS);
}
