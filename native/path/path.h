/*
 * One device of the packet path: a TUN device, its workers and the routes to its peers. One thread
 * opens, changes and closes it. Only workers move packets.
 *
 *   TUN queue ──tx──► parse, route, segment, encapsulate ──► UDP socket
 *   TUN queue ◄──rx── coalesce, check source, decapsulate ◄── UDP socket
 *
 * A worker is one thread with its own queue and socket. It serves both directions.
 */
#ifndef WEFT_PATH_H
#define WEFT_PATH_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/bpf-path.h"
#include "packet/counters.h"
#include "packet/encap.h"
#include "route/route.h"

enum { WEFT_MAX_WORKERS = 64, WEFT_MAX_SOURCE_PORTS = 64 };

struct weft_path_settings {
  char name[IF_NAMESIZE];
  const struct weft_encap *encap;
  struct weft_encap_settings encap_settings;
  union weft_endpoint local;
  unsigned workers;      /* 1..WEFT_MAX_WORKERS */
  unsigned source_ports; /* 0..WEFT_MAX_SOURCE_PORTS further sockets a worker to send from, chosen by flow */
  bool is_source_checked, inherits_dscp;
  bool use_bpf; /* attach the BPF fast path (bpf-path.h) */
  bool avoids_bpf_links;
  bool start_paused; /* workers start with weft_path_start; packets stay in the queues until then */
};

/* Configuration of a running device. */
struct weft_path_config {
  uint32_t mtu; /* of the TUN device */
  bool has_ipv4, has_ipv6;
  uint8_t ipv4[4], ipv6[16]; /* source addresses of ICMP errors */
};

/* Offloads in use. Each goes from true to false at most once, when the kernel rejects it. */
struct weft_path_offloads {
  _Atomic bool tso, uso, gso, gro;
};

struct weft_worker;

struct weft_path {
  struct weft_path_settings settings;
  struct weft_routes *routes;
  struct weft_path_offloads offloads;
  pthread_mutex_t config_lock; /* of config and settings.name; workers take it to send an ICMP error */
  struct weft_path_config config;
  _Atomic uint32_t mtu;              /* a copy of config.mtu */
  _Atomic uint32_t probe_identifier; /* of the echoes of a search (path-mtu.h); 0: no worker searches */
  int host_mtu_fd;                   /* for weft_host_mtu */
  unsigned overhead;                 /* bytes before the inner packet, with the underlay IP header */
  struct weft_worker *workers[WEFT_MAX_WORKERS];
  struct weft_bpf_path *bpf; /* NULL: not loaded */
  bool is_bpf_active;        /* attached and enabled */
  char bpf_disabled_reason[WEFT_REASON_BYTES];
};

/*
 * A socket and a TUN queue have the index of their worker, a BPF link that of its enum
 * weft_bpf_hook.
 */
enum weft_path_fd_kind { WEFT_FD_UDP, WEFT_FD_TUN, WEFT_FD_LINK };
enum { WEFT_MAX_PATH_FDS = 2 * WEFT_MAX_WORKERS + WEFT_BPF_HOOKS };

/* A descriptor handed over from one process to the next. */
struct weft_path_fd {
  enum weft_path_fd_kind kind;
  unsigned index;
  int fd;
};

/*
 * Creates the device, or takes it over through `adopted` descriptors: uses those that fit and
 * closes the others. Returns 0 and the path, or negative errno and the name of the failed call, and
 * leaves nothing behind.
 */
int weft_path_open(const struct weft_path_settings *settings, const struct weft_path_fd *adopted, unsigned count,
                   struct weft_path **path, const char **failed_call);
/*
 * Starts paused workers. Returns 0, 1 if the descriptors of weft_path_fds changed, or negative
 * errno. The thread that opened the path calls it.
 */
int weft_path_start(struct weft_path *path);
/* Stops the workers and closes all descriptors. */
void weft_path_close(struct weft_path *path);

/* The TUN device has this name now. */
void weft_path_rename(struct weft_path *path, const char *name);
void weft_path_configure(struct weft_path *path, const struct weft_path_config *config);
/* Like weft_routes_set and weft_routes_remove, for the workers and the BPF fast path. */
int weft_path_set_route(struct weft_path *path, const struct weft_route *route);
int weft_path_remove_route(struct weft_path *path, unsigned family, const uint8_t *subnet, unsigned prefix_bits);
/*
 * Reattaches the BPF fast path after interfaces changed. Returns whether the descriptors of
 * weft_path_fds changed.
 */
bool weft_path_refresh(struct weft_path *path);
/* WEFT_COUNTER_COUNT sums over all workers and the BPF fast path. */
void weft_path_counts(const struct weft_path *path, uint64_t *counts);
/* Stores at most `count` descriptors in use. Returns their number. */
unsigned weft_path_fds(const struct weft_path *path, struct weft_path_fd *fds, unsigned count);

#endif
