/*
 * The BPF fast path (native/bpf/kernel/overlay.bpf.c): loads the programs, attaches them to the TUN
 * device and the underlay interface, and maintains their routes. The kernel then forwards plain
 * packets without a worker. Programs, maps and links live as long as their descriptors
 * (bpf(2), TCX links of Linux 6.6), so the end of the last process that holds them removes all. A
 * handed-over link keeps its program and that program's routes until the next process attaches its
 * own. Older kernels have filters instead (filter.h): weft_bpf_path_close removes them, and after a
 * crash they forward on until another process replaces them, or let all pass once the TUN device is
 * gone.
 *
 * One thread calls all functions. All but weft_bpf_path_open accept NULL, which stands for a path
 * without BPF.
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

enum weft_bpf_hook { WEFT_BPF_TX, WEFT_BPF_RX, WEFT_BPF_DECAP, WEFT_BPF_HOOKS };

struct weft_bpf_path_settings {
  const char *tun; /* name of the TUN device */
  const struct weft_encap *encap;
  const struct weft_encap_settings *encap_settings;
  const union weft_endpoint *local; /* the interface with this address receives the packets of peers */
  bool inherits_dscp;
  bool avoids_links; /* attach by filters (filter.h) also where the kernel has TCX */
  bool use_decap;    /* receive TCP through the decapsulating device (decap.h) where the kernel has VXLAN */
  bool use_join;     /* receive TCP through the joining pair (join.h) from peers that send no super-packets */
};

/*
 * Loads the programs. On failure returns NULL and stores a message in `reason` (WEFT_REASON_BYTES).
 * Forwards nothing before weft_bpf_path_attach.
 */
struct weft_bpf_path *weft_bpf_path_open(const struct weft_bpf_path_settings *settings, char *reason);
void weft_bpf_path_close(struct weft_bpf_path *bpf);

/* Takes ownership of a link of an earlier process, before the first attach. */
void weft_bpf_path_adopt_link(struct weft_bpf_path *bpf, enum weft_bpf_hook which, int link_fd);
/* The TUN device has this name now. */
void weft_bpf_path_rename(struct weft_bpf_path *bpf, const char *tun);
/* The link to hand over; -1: none. */
int weft_bpf_path_link_fd(const struct weft_bpf_path *bpf, enum weft_bpf_hook which);
/* Whether links changed since the last call. */
bool weft_bpf_path_consume_change(struct weft_bpf_path *bpf);

/*
 * Attaches to both devices, or reattaches to a re-created one. Call it when interfaces change.
 * Returns whether the fast path is enabled; otherwise stores the reason in `reason`.
 */
bool weft_bpf_path_attach(struct weft_bpf_path *bpf, char *reason);

/*
 * Mirrors the routes of the workers, with the path MTUs of their peers. Only
 * weft_bpf_path_update_mtu may be called by workers: it changes the MTU of a route that is there.
 */
void weft_bpf_path_set_route(struct weft_bpf_path *bpf, const struct weft_route *route);
void weft_bpf_path_update_mtu(struct weft_bpf_path *bpf, const struct weft_route *route);
void weft_bpf_path_remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits);

/* Name of the decapsulating device in use; empty: none. */
const char *weft_bpf_path_decap_name(const struct weft_bpf_path *bpf);

/* Name of the receiving end of the joining pair in use; empty: none. */
const char *weft_bpf_path_join_name(const struct weft_bpf_path *bpf);

/* Counters of the fast path: of all routes, and of one. Zero without BPF. */
struct weft_bpf_counts weft_bpf_path_totals(const struct weft_bpf_path *bpf);
struct weft_bpf_counts weft_bpf_path_route_counts(const struct weft_bpf_path *bpf, const struct weft_route *route);

#endif
