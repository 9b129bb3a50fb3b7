/* Through the joining pair (bpf/join.h). Part of overlay.bpf.c. */
#ifndef WEFT_BPF_JOIN_H
#define WEFT_BPF_JOIN_H

#include "inner.h"
#include "outer.h"

/*
 * Whether TCP of this peer takes the pair. From its first super-packet on all takes the
 * decapsulating device, so that no flow has packets in two queues.
 */
INLINE bool takes_pair(const struct __sk_buff *skb, const struct weft_bpf_config *config,
                       struct weft_bpf_route *route) {
  if (skb->gso_size != 0 && !route->sends_super) route->sends_super = 1;
  return config->join_index != 0 && !route->sends_super;
}

/* To the packet without outer headers, which the filter of the receiving end knows by its frame. */
INLINE int send_to_pair(struct __sk_buff *skb, const struct weft_bpf_config *config, const struct inner *inner) {
  struct ethernet frame = {.type = ether_type(inner)};
  __builtin_memcpy(frame.destination, config->frame_mac, 6);
  __builtin_memcpy(frame.source, config->frame_source, 6);
  if (skb_store(skb, 0, &frame, sizeof(frame), 0) < 0) return DROP;
  skb->queue_mapping = (__u16)(current_cpu() + 1); /* as if received by that queue: no hash of the flow */
  return (int)redirect(config->join_index, 0);
}

#endif
