/*
 * One program of the kernel's share and where it is attached. A link of an earlier process goes on with that one's program and
 * routes until this one's take their place.
 *
 *   none ──attach──► own ──interface gone──► none          every attach begins by looking
 *   adopted ──attach──► own, the same link with another program
 */
#ifndef WEFT_HOOK_H
#define WEFT_HOOK_H

#include <stdbool.h>

struct weft_hook {
  int program_fd, link_fd; /* -1: none */
  unsigned type;           /* attach type of bpf(2) */
  bool is_adopted;         /* the link leads to the program of an earlier process */
};

/* Linux 6.6; headers may be older. */
enum { WEFT_HOOK_INGRESS = 46, WEFT_HOOK_EGRESS = 47 };

/* Takes the link of an earlier process, which it owns from now on; -1: there is none. */
void weft_hook_adopt(struct weft_hook *hook, int link_fd);
/* Leads packets of this interface (0: none) to the program. 1 if the link is another one now, 0, or negative errno without a link. */
int weft_hook_attach(struct weft_hook *hook, unsigned index);
void weft_hook_close(struct weft_hook *hook);

#endif
