/*
 * The counters of a worker. C counts by enumerator, TypeScript reads by name. A counter has 64
 * bits, one writer, and any number of readers (relaxed atomics). "tx" is from the TUN device to the
 * underlay, "rx" from the underlay to the TUN device. Bytes are those of inner packets.
 *
 * Each packet that is not forwarded is counted under exactly one drop reason.
 */
#ifndef WEFT_COUNTERS_H
#define WEFT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define WEFT_TRAFFIC_COUNTERS(X)                                                                                       \
  X(TX_PACKETS, txPackets) /* inner packets sent, segments counted singly */                                           \
  X(TX_BYTES, txBytes)                                                                                                 \
  X(TX_READS, txReads)     /* packets and super-packets read from the TUN device */                                    \
  X(TX_SENDS, txSends)     /* messages sent, one per run */                                                            \
  X(RX_PACKETS, rxPackets) /* inner packets delivered, segments counted singly */                                      \
  X(RX_BYTES, rxBytes)                                                                                                 \
  X(RX_RECEIVES, rxReceives)         /* messages received, datagrams merged by UDP_GRO count as one */                 \
  X(RX_WRITES, rxWrites)             /* packets and super-packets written to the TUN device */                         \
  X(BPF_TX_PACKETS, kernelTxPackets) /* the part of txPackets that the BPF fast path sent */                           \
  X(BPF_RX_PACKETS, kernelRxPackets)                                                                                   \
  X(DECAP_PACKETS, kernelDecapPackets) /* the part of kernelRxPackets that a device decapsulated or joined */          \
  X(ICMP_SENT, icmpSent)                                                                                               \
  X(ICMP_LIMITED, icmpLimited) /* ICMP errors suppressed by the rate limit */                                          \
  X(FRAGMENTED, fragmented)    /* IPv4 packets fragmented for a smaller path MTU */                                    \
  X(WAKEUPS, wakeups)                                                                                                  \
  X(OFFLOADS_DROPPED, offloadsDropped) /* offloads turned off at run time */

#define WEFT_DROP_COUNTERS(X)                                                                                          \
  X(DROP_TX_MALFORMED, dropTxMalformed)                                                                                \
  X(DROP_TX_NO_ROUTE, dropTxNoRoute)                                                                                   \
  X(DROP_TX_MULTICAST, dropTxMulticast) /* no peer has such a destination */                                           \
  X(DROP_TX_TTL, dropTxTtl)                                                                                            \
  X(DROP_TX_TOO_BIG, dropTxTooBig)                                                                                     \
  X(DROP_TX_BUFFER_FULL, dropTxBufferFull)                                                                             \
  X(DROP_TX_REFUSED, dropTxRefused) /* the kernel rejected the message */                                              \
  X(DROP_RX_TRUNCATED, dropRxTruncated)                                                                                \
  X(DROP_RX_HEADER, dropRxHeader) /* encapsulation header short or with wrong flags */                                 \
  X(DROP_RX_VNI, dropRxVni)                                                                                            \
  X(DROP_RX_MAC, dropRxMac)      /* inner destination MAC is not the own VTEP MAC */                                   \
  X(DROP_RX_NOT_IP, dropRxNotIp) /* not IP (ARP), or EtherType and IP version disagree */                              \
  X(DROP_RX_MALFORMED, dropRxMalformed)                                                                                \
  X(DROP_RX_SENDER, dropRxSender)   /* outer source is not the address of a peer */                                    \
  X(DROP_RX_SOURCE, dropRxSource)   /* inner source is outside the subnet of the peer that sent it */                  \
  X(DROP_RX_ECN, dropRxEcn)         /* outer CE, inner not ECN-capable (RFC 6040) */                                   \
  X(DROP_RX_REFUSED, dropRxRefused) /* the TUN device rejected the packet */

/* In the order of their indexes. */
#define WEFT_COUNTERS(X) WEFT_TRAFFIC_COUNTERS(X) WEFT_DROP_COUNTERS(X)

#define WEFT_COUNTER_ENUM(symbol, name) WEFT_##symbol,

enum weft_counter { WEFT_TRAFFIC_COUNTERS(WEFT_COUNTER_ENUM) WEFT_TRAFFIC_COUNTER_COUNT };

/* Why a packet is dropped. The value is the index of the reason's counter; 0: it is not dropped. */
enum weft_drop_reason {
  WEFT_NOT_DROPPED = 0,
  WEFT_LAST_TRAFFIC_COUNTER = WEFT_TRAFFIC_COUNTER_COUNT - 1,
  WEFT_DROP_COUNTERS(WEFT_COUNTER_ENUM) WEFT_COUNTER_COUNT
};

#undef WEFT_COUNTER_ENUM

typedef _Atomic uint64_t weft_count;

/*
 * Adds to the counter of an enum weft_counter or an enum weft_drop_reason. One thread writes them.
 */
static inline void weft_count_add(weft_count *counters, unsigned which, uint64_t amount) {
  const uint64_t value = atomic_load_explicit(&counters[which], memory_order_relaxed);
  atomic_store_explicit(&counters[which], value + amount, memory_order_relaxed);
}

#endif
