/*
 * Maps, keys and values that the BPF programs share with their loader (maps.c). Addresses,
 * ports and the VXLAN header word are in network order, other fields in host order.
 */
#ifndef WEFT_BPF_SHARED_H
#define WEFT_BPF_SHARED_H

#include <linux/types.h>

enum {
  /* Prefix lengths in use at once. With more, the workers forward all packets. */
  WEFT_BPF_PREFIX_LENGTHS = 4,
  WEFT_BPF_MAX_ROUTES = 65536,
  /*
   * Capacity of the first table, whose buckets (16 bytes each) fit a CPU cache. Further routes are
   * in the overflow table.
   */
  WEFT_BPF_MAIN_ROUTES = 16384,
  /*
   * Capacity for subnets of the family that the underlay does not have. weft has none on a device,
   * so their table costs little.
   */
  WEFT_BPF_OTHER_ROUTES = 1024,
};

/*
 * Maps in the order of their creation. A program names one by a constant with WEFT_MAP_MARK in the
 * upper half.
 */
enum weft_bpf_map {
  WEFT_MAP_CONFIG,
  WEFT_MAP_ROUTES,
  WEFT_MAP_OVERFLOW,
  WEFT_MAP_ROUTES6,
  WEFT_MAP_OVERFLOW6,
  WEFT_MAP_TOTALS,
  WEFT_MAP_COUNT
};
#define WEFT_MAP_MARK 0x77656674u

/* The only element of WEFT_MAP_CONFIG, an array. */
struct weft_bpf_config {
  __u32 is_enabled;
  __u32 tun_index;
  __u32 join_index; /* sending end of the joining pair (bpf/join.h); 0: none */
  __be32 local;
  __be16 port;
  __u8 is_vxlan;
  __u8 inherits_dscp;
  __be32 vni; /* as in the header: 24 bits, then 8 reserved */
  __u8 mac[6];
  __u8 has_overflow; /* WEFT_MAP_OVERFLOW is in use */
  __u8 lengths;      /* used elements of `length` */
  struct {
    __u32 bits;
    __be32 mask;
  } length[WEFT_BPF_PREFIX_LENGTHS]; /* longest first */
  /* What frames for the program `in` have. The source is a secret: it drops others. */
  __u8 frame_mac[6], frame_source[6];
  /* The decapsulating device (bpf/decap.h), and the port of its socket. */
  __be32 decap_vni; /* as `vni` */
  __be16 decap_port;
  __u8 has_decap;
  __u8 outlives_process; /* the program may find its TUN device gone */
  /* IPv6, as the fields of IPv4 above. `local6` only with an IPv6 underlay. */
  __u8 has_overflow6, lengths6;
  __be32 local6[4];
  struct {
    __u32 bits;
    __be32 mask[4];
  } length6[WEFT_BPF_PREFIX_LENGTHS];
};

/*
 * Keys of WEFT_MAP_ROUTES and WEFT_MAP_OVERFLOW, hash tables, and of those for IPv6. A subnet is in
 * one of the two of its family.
 */
struct weft_bpf_key {
  __u32 bits;
  __be32 subnet;
};

struct weft_bpf_key6 {
  __u32 bits;
  __be32 subnet[4];
};

/*
 * All CPUs add to them. Packets are counted as on the wire, bytes as of inner packets.
 * decap_packets: the part of rx_packets that the decapsulating device or the joining pair took.
 */
struct weft_bpf_counts {
  __u64 tx_packets, tx_bytes, rx_packets, rx_bytes, decap_packets;
};

struct weft_bpf_route {
  __be32 remote; /* over IPv4 */
  __be16 port;
  __u8 mac[6];
  __u32 needs_workers; /* packets to it need segments or checksums, which workers make */
  __u32 mtu;           /* path MTU by the host's route and by probes; that of the interface applies beside it */
  __u32 sends_super;   /* written by the program: a TCP super-packet has come from it */
  struct weft_bpf_counts counts;
  __be32 remote6[4]; /* over IPv6; last, so that IPv4 reads no more cache lines */
};

/* WEFT_MAP_TOTALS is a per-CPU array of one struct weft_bpf_counts. */

#endif
