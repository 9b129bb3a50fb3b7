/*
 * One BPF program and what attaches it to an interface: a TCX link, or before Linux 6.6 a filter
 * (filter.h). An adopted link keeps the program and the routes of the earlier process until attach
 * replaces them.
 *
 *   none ──attach──► own ──interface gone──► none          attach checks the interface first
 *   adopted ──attach──► own, the same link with another program
 */
#ifndef WEFT_HOOK_H
#define WEFT_HOOK_H

#include <stdbool.h>

#include "filter.h"

struct weft_hook {
  int program_fd, link_fd;   /* -1: none */
  unsigned type;             /* attach type of bpf(2) */
  bool is_adopted;           /* the link still has the program of the earlier process */
  bool avoids_links;         /* attach by a filter where links would do, too */
  struct weft_filter filter; /* index 0: none */
};

/* Linux 6.6; missing from older headers */
enum { WEFT_HOOK_INGRESS = 46, WEFT_HOOK_EGRESS = 47 };

/* Takes ownership of the link of an earlier process; -1: none. */
void weft_hook_adopt(struct weft_hook *hook, int link_fd);
/*
 * Attaches the program to this interface (0: none) for the TUN device. Returns 1 if the link
 * changed, 0, or negative errno if it is not attached.
 */
int weft_hook_attach(struct weft_hook *hook, unsigned index, unsigned tun_index);
bool weft_hook_is_attached(const struct weft_hook *hook);
void weft_hook_close(struct weft_hook *hook);

#endif
