/*
 * The kernel's share of the packet path (native/bpf/kernel/overlay.bpf.c): loads the program, attaches it to the TUN device and the
 * underlay interface, keeps its routes. An IPv4 packet that is simple then never comes to a worker. All of it belongs to
 * descriptors (bpf(2), TCX links of Linux 6.6), so nothing is left when the last process that has them ends, however it ends.
 * A link that is handed on keeps the program at work, with the routes that it had, until the heir attaches its own.
 *
 * One thread calls all functions. Whoever has no bpf path has NULL, which every function but weft_bpf_path_open takes.
 */
#ifndef WEFT_BPF_PATH_H
#define WEFT_BPF_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/kernel/shared.h"
#include "packet/encap.h"
#include "route/route.h"

struct weft_bpf_path;

enum { WEFT_REASON_BYTES = 160 };

enum weft_bpf_hook { WEFT_BPF_TX, WEFT_BPF_RX, WEFT_BPF_HOOKS };

struct weft_bpf_path_settings {
  const char *tun; /* name of the TUN device */
  const struct weft_encap *encap;
  const struct weft_encap_settings *encap_settings;
  const union weft_endpoint *local; /* packets of peers come in by the interface that has this address */
  bool inherits_dscp;
};

/* Loads; NULL with the reason, for people, in `reason` (WEFT_REASON_BYTES). Moves nothing before weft_bpf_path_attach. */
struct weft_bpf_path *weft_bpf_path_open(const struct weft_bpf_path_settings *settings, char *reason);
void weft_bpf_path_close(struct weft_bpf_path *bpf);

/* Takes over the link of an earlier process before anything was attached, to close it in the end. */
void weft_bpf_path_adopt_link(struct weft_bpf_path *bpf, enum weft_bpf_hook which, int link_fd);
/* For a successor; -1: there is none. */
int weft_bpf_path_link_fd(const struct weft_bpf_path *bpf, enum weft_bpf_hook which);
/* Whether links are others than when this was asked last. */
bool weft_bpf_path_consume_change(struct weft_bpf_path *bpf);

/*
 * Attaches to both devices, or again to one that came anew; to be called whenever interfaces changed. Without them the
 * workers do all. Returns whether it is at work; if not, the reason is in `reason`.
 */
bool weft_bpf_path_attach(struct weft_bpf_path *bpf, char *reason);

/* The same routes as the workers have; those that it cannot have (IPv6) go by the workers. Set again to no other effect, one learns the MTU anew. */
void weft_bpf_path_set_route(struct weft_bpf_path *bpf, const struct weft_route *route);
void weft_bpf_path_remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits);

/* What it has moved: in all, and of one route. Zero for none. */
struct weft_bpf_counts weft_bpf_path_totals(const struct weft_bpf_path *bpf);
struct weft_bpf_counts weft_bpf_path_route_counts(const struct weft_bpf_path *bpf, const struct weft_route *route);

#endif
