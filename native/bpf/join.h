/*
 * The joining pair: a veth pair whose receiving end has GRO, which joins the segments of TCP
 * streams for the BPF fast path. The program at the underlay interface removes the outer headers of
 * a single packet and sends it into the pair. The packet skips the IP layer and the UDP socket that
 * lead to the decapsulating device (decap.h). Super-packets take that device, as a veth leaves
 * their marks.
 *
 * Each CPU has a queue of its own, up to WEFT_JOIN_QUEUES. The program of the receiving end is a
 * filter (filter.h), so pair and filter outlive the process: the next one removes the pair, as does
 * weft_join_remove_stale once the TUN device is gone.
 */
#ifndef WEFT_JOIN_H
#define WEFT_JOIN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum { WEFT_JOIN_QUEUES = 32 };

struct weft_join {
  char receiver[IF_NAMESIZE], sender[IF_NAMESIZE];  /* names of the ends */
  unsigned tun_index, receiver_index, sender_index; /* index 0: no pair */
  bool is_unavailable; /* the kernel lacks a part: another attempt would change interfaces again */
};

/*
 * Creates the pair unless it exists, is up and has the program, with this address of the receiving
 * end. Returns 0, or negative errno without a pair.
 */
int weft_join_open(struct weft_join *join, unsigned tun_index, const uint8_t *mac, int program_fd);

/* Whether there are pairs of an earlier process for this TUN device beside `kept` (NULL: none). */
bool weft_join_has_others(const struct weft_join *kept, unsigned tun_index);
void weft_join_remove_others(const struct weft_join *kept, unsigned tun_index);
/* Removes the pairs of TUN devices that are gone. */
void weft_join_remove_stale(void);

#endif
