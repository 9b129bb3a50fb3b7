/*
 * One device of the packet path: a TUN device, its workers, the routes to its peers. Opened, changed and closed by one thread;
 * packets are moved by the workers alone.
 *
 *   TUN queue --tx--> parse, route, segment, encapsulate --> UDP socket        one thread a worker does both ways,
 *   TUN queue <--rx-- coalesce, check source, decapsulate <-- UDP socket       with a queue and a socket of its own
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
  bool use_bpf;      /* for what the kernel can do by itself (bpf-path.h) */
  bool start_paused; /* workers wait for weft_path_start, and packets in the queues meanwhile */
};

/* What can change while it runs. */
struct weft_path_config {
  uint32_t mtu; /* of the TUN device */
  bool has_ipv4, has_ipv6;
  uint8_t ipv4[4], ipv6[16]; /* where ICMP errors come from */
};

/* Offloads in use; each goes from true to false at most once, at the kernel's first refusal. */
struct weft_path_offloads {
  _Atomic bool tso, uso, gso, gro;
};

struct weft_worker;

struct weft_path {
  struct weft_path_settings settings;
  struct weft_routes *routes;
  struct weft_path_offloads offloads;
  pthread_mutex_t config_lock; /* taken by workers only to send an ICMP error */
  struct weft_path_config config;
  _Atomic uint32_t mtu; /* the same as config.mtu */
  unsigned overhead;    /* bytes before the inner packet, underlay IP header included */
  struct weft_worker *workers[WEFT_MAX_WORKERS];
  struct weft_bpf_path *bpf; /* NULL: none */
  bool is_bpf_active;        /* it is at work */
  char bpf_disabled_reason[WEFT_REASON_BYTES];
};

/* Sockets and TUN queues, one of each with the index of its worker; links of the kernel's share, by enum weft_bpf_hook. */
enum weft_path_fd_kind { WEFT_FD_UDP, WEFT_FD_TUN, WEFT_FD_LINK };
enum { WEFT_MAX_PATH_FDS = 2 * WEFT_MAX_WORKERS + 2 };

/* A descriptor of an earlier process, or of this one for a successor. */
struct weft_path_fd {
  enum weft_path_fd_kind kind;
  unsigned index;
  int fd;
};

/*
 * Makes the device, or takes it over through `adopted` descriptors: those that fit are used, all others closed. Returns 0
 * and the path, or negative errno with the name of the call that failed; then nothing is left.
 */
int weft_path_open(const struct weft_path_settings *settings, const struct weft_path_fd *adopted, unsigned count,
                   struct weft_path **path, const char **failed_call);
/*
 * Starts workers that wait. 0, 1 if descriptors for a successor are others now, or negative errno; to be called by whoever
 * opened the path.
 */
int weft_path_start(struct weft_path *path);
/* Ends the workers and closes all descriptors. */
void weft_path_close(struct weft_path *path);

void weft_path_configure(struct weft_path *path, const struct weft_path_config *config);
/* As weft_routes_set and weft_routes_remove, for workers and kernel alike. */
int weft_path_set_route(struct weft_path *path, const struct weft_route *route);
int weft_path_remove_route(struct weft_path *path, unsigned family, const uint8_t *subnet, unsigned prefix_bits);
/* Interfaces have changed, perhaps. Returns whether descriptors for a successor are others now. */
bool weft_path_refresh(struct weft_path *path);
/* Sums over all workers and the kernel's share, WEFT_COUNTER_COUNT of them, all of one moment. */
void weft_path_counts(const struct weft_path *path, uint64_t *counts);
/* Descriptors in use, at most `count`; returns how many. */
unsigned weft_path_fds(const struct weft_path *path, struct weft_path_fd *fds, unsigned count);

#endif
