/*
 * What the program in the kernel and its loader (bpf/bpf-path.c) both know: maps, keys and values. All addresses, ports and the
 * VXLAN header word are in network order, all else in that of the host.
 */
#ifndef WEFT_BPF_SHARED_H
#define WEFT_BPF_SHARED_H

#include <linux/types.h>

enum {
  /* Prefix lengths in use at once; with more of them the userspace path does all. */
  WEFT_BPF_PREFIX_LENGTHS = 4,
  WEFT_BPF_MAX_ROUTES = 65536,
  /* So many are in the first table, whose buckets (16 bytes each) are few enough for a processor's cache; the rest in a second. */
  WEFT_BPF_MAIN_ROUTES = 16384,
};

/* Maps, in the order in which the loader makes them; the program names one by WEFT_MAP_MARK in the upper half of a constant. */
enum weft_bpf_map { WEFT_MAP_CONFIG, WEFT_MAP_ROUTES, WEFT_MAP_OVERFLOW, WEFT_MAP_TOTALS, WEFT_MAP_COUNT };
#define WEFT_MAP_MARK 0x77656674u

/* The one element of WEFT_MAP_CONFIG, an array. */
struct weft_bpf_config {
  __u32 is_enabled;
  __u32 tun_index;
  __be32 local;
  __be16 port;
  __u8 is_vxlan;
  __u8 inherits_dscp;
  __be32 vni; /* as in the header: 24 bits, then 8 reserved */
  __u8 mac[6];
  __u8 has_overflow; /* than the first table */
  __u8 lengths;      /* how many of the following are in use */
  struct {
    __u32 bits;
    __be32 mask;
  } length[WEFT_BPF_PREFIX_LENGTHS]; /* longest first */
};

/* WEFT_MAP_ROUTES and WEFT_MAP_OVERFLOW, hash tables: the peer that has a subnet, in one of them. */
struct weft_bpf_key {
  __u32 bits;
  __be32 subnet;
};

/* Added to by any CPU. Packets as they are on the wire, bytes those of inner packets. */
struct weft_bpf_counts {
  __u64 tx_packets, tx_bytes, rx_packets, rx_bytes;
};

struct weft_bpf_route {
  __be32 remote;
  __be16 port;
  __u8 mac[6];
  __u32 mtu; /* of the host's route to it; what routers on the way have said the program finds by itself */
  struct weft_bpf_counts counts;
};

/* WEFT_MAP_TOTALS, an array a CPU of one struct weft_bpf_counts. */

#endif
