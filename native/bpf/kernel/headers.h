/* Kernel helpers and packet headers for the BPF programs. Part of overlay.bpf.c. */
#ifndef WEFT_BPF_HEADERS_H
#define WEFT_BPF_HEADERS_H

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
static __u32 (*const get_hash)(struct __sk_buff *skb) = (void *)BPF_FUNC_get_hash_recalc;
static long (*const fib_lookup)(void *skb, struct bpf_fib_lookup *query, int bytes,
                                __u32 flags) = (void *)BPF_FUNC_fib_lookup;
static long (*const skb_store)(struct __sk_buff *skb, __u32 offset, const void *from, __u32 bytes,
                               __u64 flags) = (void *)BPF_FUNC_skb_store_bytes;
static struct bpf_sock *(*const lookup_udp)(void *skb, struct bpf_sock_tuple *tuple, __u32 bytes, __u64 netns,
                                            __u64 flags) = (void *)BPF_FUNC_sk_lookup_udp;
static long (*const assign)(struct __sk_buff *skb, void *socket, __u64 flags) = (void *)BPF_FUNC_sk_assign;
static long (*const release)(void *socket) = (void *)BPF_FUNC_sk_release;
static __u32 (*const current_cpu)(void) = (void *)BPF_FUNC_get_smp_processor_id;
static long (*const check_mtu)(void *skb, __u32 index, __u32 *mtu, __s32 difference,
                               __u64 flags) = (void *)BPF_FUNC_check_mtu;
static long (*const redirect)(__u32 index, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*const redirect_neigh)(__u32 index, struct bpf_redir_neigh *hop, int bytes,
                                    __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

/* Flags of adjust_room: which IP version is left (Linux 6.3). Headers may be older. */
enum { LEAVES_IPV4 = 1 << 7, LEAVES_IPV6 = 1 << 8 };

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
#define ntohl(value) __builtin_bswap32(value)
#define htonl(value) __builtin_bswap32((__u32)(value))
#define htons(value) __builtin_bswap16((__u16)(value))
#define ntohs(value) __builtin_bswap16(value)

enum {
  ENODEV = 19,
  NEXT = -1, /* TCX_NEXT, TC_ACT_UNSPEC: pass to the workers */
  DROP = 2,  /* TCX_DROP, TC_ACT_SHOT: out of memory only */
  FAMILY_IPV4 = 2,
  FAMILY_IPV6 = 10,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
  TYPE_IPV4 = 0x0800,
  TYPE_IPV6 = 0x86dd,
  PACKET_HOST = 0,
  DONT_FRAGMENT = 0x4000,
  TTL = 64, /* the default of sockets */
  ECN_MASK = 3,
  ECN_ECT1 = 1,
  ECN_ECT0 = 2,
  ECN_CE = 3,
  VXLAN_FLAGS = 0x08, /* in the first byte: the VNI is valid */
  IPV4_BYTES = 20,
  IPV6_BYTES = 40,
  UDP_BYTES = 8,
  ETHERNET_BYTES = 14,
  VXLAN_BYTES = 8,
};

/*
 * Headers are at even addresses (NET_IP_ALIGN, and room is made by even numbers). Unless the
 * compiler knows, it loads and stores byte by byte.
 */
#define HEADER __attribute__((packed, aligned(2)))

struct ethernet {
  __u8 destination[6], source[6];
  __be16 type;
} HEADER;

struct ipv4 {
  __u8 version_ihl, tos;
  __be16 total;
  __be16 id, fragment;
  __u8 ttl, protocol;
  __u16 checksum;
  __be32 source, destination;
} HEADER;

struct ipv6 {
  __be32 version_class_label;
  __be16 payload;
  __u8 next, hop_limit;
  __be32 source[4], destination[4];
} HEADER;

struct udp {
  __be16 source, destination, length, checksum;
} HEADER;

struct vxlan {
  __u8 flags, reserved[3];
  __be32 vni;
  struct ethernet frame;
} HEADER;

struct outer {
  struct ipv4 ip;
  struct udp udp;
} HEADER;

struct outer6 {
  struct ipv6 ip;
  struct udp udp;
} HEADER;

_Static_assert(sizeof(struct outer) == IPV4_BYTES + UDP_BYTES, "overhead of encapsulation udp");
_Static_assert(sizeof(struct outer6) == IPV6_BYTES + UDP_BYTES, "the same over IPv6");
_Static_assert(sizeof(struct vxlan) == VXLAN_BYTES + ETHERNET_BYTES, "overhead of VXLAN beside that");

#endif
