/*
 * The kernel's share of the packet path (native/bpf/kernel/overlay.bpf.c): loads the program, attaches it to the TUN device and the
 * underlay interface, keeps its routes. An IPv4 packet that is simple then never comes to a worker. All of it belongs to
 * descriptors (bpf(2), TCX links of Linux 6.6), so nothing is left when the last process that has them ends, however it ends.
 * A link that is handed on keeps the program at work, with the routes that it had, until the heir attaches its own.
 *
 * One thread calls all functions. Whoever has no fast path has NULL, which every function but weft_fast_open takes.
 */
#ifndef WEFT_FAST_H
#define WEFT_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/kernel/shared.h"
#include "packet/encap.h"
#include "route/route.h"

struct weft_fast;

enum { WEFT_REASON_BYTES = 160 };

enum weft_fast_hook { WEFT_FAST_TX, WEFT_FAST_RX, WEFT_FAST_HOOKS };

struct weft_fast_settings {
  const char *tun; /* name of the TUN device */
  const struct weft_encap *encap;
  const struct weft_encap_settings *encap_settings;
  const union weft_endpoint *local; /* packets of peers come in by the interface that has this address */
  bool inherits_dscp;
};

/* Loads; NULL with the reason, for people, in `reason` (WEFT_REASON_BYTES). Moves nothing before weft_fast_attach. */
struct weft_fast *weft_fast_open(const struct weft_fast_settings *settings, char *reason);
void weft_fast_close(struct weft_fast *fast);

/* Takes over the link of an earlier process before anything was attached, to close it in the end. */
void weft_fast_inherit(struct weft_fast *fast, enum weft_fast_hook which, int link_fd);
/* For a successor; -1: there is none. */
int weft_fast_link(const struct weft_fast *fast, enum weft_fast_hook which);
/* Whether links are others than when this was asked last. */
bool weft_fast_take_change(struct weft_fast *fast);

/*
 * Attaches to both devices, or again to one that came anew; to be called whenever interfaces changed. Without them the
 * workers do all. Returns whether it is at work; if not, the reason is in `reason`.
 */
bool weft_fast_attach(struct weft_fast *fast, char *reason);

/* The same routes as the workers have; those that it cannot have (IPv6) go by the workers. Set again to no other effect, one learns the MTU anew. */
void weft_fast_set_route(struct weft_fast *fast, const struct weft_route *route);
void weft_fast_remove_route(struct weft_fast *fast, unsigned family, const uint8_t *subnet, unsigned prefix_bits);

/* What it has moved: in all, and of one route. Zero for none. */
struct weft_fast_counts weft_fast_totals(const struct weft_fast *fast);
struct weft_fast_counts weft_fast_count_route(const struct weft_fast *fast, const struct weft_route *route);

#endif
