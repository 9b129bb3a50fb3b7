/*
 * Every counter of a worker, once: C counts by enumerator, TypeScript reads by name. Values are 64-bit, written by one
 * worker alone (relaxed atomics) and read by anyone. Each packet that is not passed on is counted under exactly one
 * reason. "tx" is from the TUN device to the underlay, "rx" the other way; bytes are those of inner packets.
 */
#ifndef WEFT_COUNTERS_H
#define WEFT_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define WEFT_COUNTERS(X)                                                                  \
  X(TX_PACKETS, txPackets)             /* inner packets sent, segments counted one by one */ \
  X(TX_BYTES, txBytes)                                                                    \
  X(TX_READS, txReads)                 /* packets and super-packets read from the TUN device */ \
  X(TX_SENDS, txSends)                 /* messages given to the socket, a run each */     \
  X(RX_PACKETS, rxPackets)             /* inner packets delivered, segments counted one by one */ \
  X(RX_BYTES, rxBytes)                                                                    \
  X(RX_RECEIVES, rxReceives)           /* datagrams and coalesced datagrams received */   \
  X(RX_WRITES, rxWrites)               /* packets and super-packets written to the TUN device */ \
  X(BPF_TX_PACKETS, kernelTxPackets) /* of txPackets, those that the kernel moved by itself */ \
  X(BPF_RX_PACKETS, kernelRxPackets)                                                   \
  X(ICMP_SENT, icmpSent)                                                                  \
  X(ICMP_LIMITED, icmpLimited)         /* errors owed but not sent, for their rate */     \
  X(FRAGMENTED, fragmented)            /* IPv4 packets cut for a peer with a smaller path MTU */ \
  X(WAKEUPS, wakeups)                                                                     \
  X(OFFLOADS_DROPPED, offloadsDropped) /* offloads given up at run time */                \
  X(DROP_TX_MALFORMED, dropTxMalformed)                                                   \
  X(DROP_TX_NO_ROUTE, dropTxNoRoute)                                                      \
  X(DROP_TX_TTL, dropTxTtl)                                                               \
  X(DROP_TX_TOO_BIG, dropTxTooBig)                                                        \
  X(DROP_TX_BUFFER_FULL, dropTxBufferFull)                                                \
  X(DROP_TX_REFUSED, dropTxRefused)    /* the kernel refused to send it */                \
  X(DROP_RX_TRUNCATED, dropRxTruncated)                                                   \
  X(DROP_RX_HEADER, dropRxHeader)      /* encapsulation header short or with wrong flags */ \
  X(DROP_RX_VNI, dropRxVni)                                                               \
  X(DROP_RX_MAC, dropRxMac)            /* inner frame for another station */              \
  X(DROP_RX_NOT_IP, dropRxNotIp)       /* ARP and the like, or EtherType and IP version disagree */ \
  X(DROP_RX_MALFORMED, dropRxMalformed)                                                   \
  X(DROP_RX_SENDER, dropRxSender)      /* outer source is no peer's address */            \
  X(DROP_RX_SOURCE, dropRxSource)      /* inner source is not in the subnet of the peer that sent it */ \
  X(DROP_RX_ECN, dropRxEcn)            /* congestion marked outside, not ECN-capable inside (RFC 6040) */ \
  X(DROP_RX_REFUSED, dropRxRefused)    /* the TUN device did not take it */

enum weft_counter {
#define WEFT_COUNTER_ENUM(symbol, name) WEFT_##symbol,
  WEFT_COUNTERS(WEFT_COUNTER_ENUM)
#undef WEFT_COUNTER_ENUM
      WEFT_COUNTER_COUNT
};

typedef _Atomic uint64_t weft_count;

/* Adds to a counter that no other thread writes. */
static inline void weft_count_add(weft_count *counters, enum weft_counter which, uint64_t amount) {
  const uint64_t value = atomic_load_explicit(&counters[which], memory_order_relaxed);
  atomic_store_explicit(&counters[which], value + amount, memory_order_relaxed);
}

#endif
