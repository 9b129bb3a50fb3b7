/*
 * Programs as filters of the clsact qdisc (tc-bpf(8)), for kernels without TCX (before Linux 6.6).
 * Unlike a TCX link, a filter outlives its process: each is named "weft" and has the index of its
 * TUN device as handle, so that another process replaces it in one step, and one without its TUN
 * device is recognized.
 */
#ifndef WEFT_FILTER_H
#define WEFT_FILTER_H

#include <stdbool.h>
#include <stdint.h>

/* A place for one program. */
struct weft_filter {
  unsigned index; /* interface */
  bool is_egress;
  unsigned tun_index;
};

/*
 * Attaches the program, in place of an earlier one of the same TUN device. A clsact qdisc is
 * created if the interface has none, and stays. Returns 0, or negative errno.
 */
int weft_filter_set(const struct weft_filter *filter, int program_fd);
/* Whether the filter is there with this program (its number, as bpf(2) has it). */
bool weft_filter_has(const struct weft_filter *filter, uint32_t program_id);
/* Absence is success. */
void weft_filter_remove(const struct weft_filter *filter);
/* Removes, from all interfaces, filters whose TUN device is gone. */
void weft_filter_remove_stale(void);
/* Number of filters of any weft on all interfaces; with `removes`, they are removed. */
unsigned weft_filter_find_all(bool removes);

#endif
