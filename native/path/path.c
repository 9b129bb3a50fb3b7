/* Opens and closes a device: descriptors, offloads, workers. tx.c and rx.c move packets. */
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/decap.h"
#include "bpf/join.h"
#include "packet/wire.h"
#include "probe/host-mtu.h"
#include "tun.h"
#include "worker.h"

/* Descriptors of an earlier process; -1 once a worker has one. */
struct handover {
  struct weft_path_fd fds[WEFT_MAX_PATH_FDS];
  unsigned count;
};

static int take_adopted(struct handover *adopted, enum weft_path_fd_kind kind, unsigned index) {
  for (unsigned at = 0; at < adopted->count; at++) {
    struct weft_path_fd *entry = &adopted->fds[at];
    if (entry->fd < 0 || entry->kind != kind || entry->index != index) continue;
    const int fd = entry->fd;
    entry->fd = -1;
    return fd;
  }
  return -1;
}

static void close_unused(struct handover *adopted) {
  for (unsigned at = 0; at < adopted->count; at++)
    if (adopted->fds[at].fd >= 0) close(adopted->fds[at].fd);
}

static bool has_workers(const struct weft_path *path) {
  return path->workers[0] != NULL;
}

static int open_tun(struct weft_path *path, struct handover *adopted, unsigned index) {
  const int fd = take_adopted(adopted, WEFT_FD_TUN, index);
  if (fd >= 0 && weft_tun_check(fd, path->settings.name) == 0) return fd;
  if (fd >= 0) close(fd);
  return weft_tun_open(path->settings.name, !has_workers(path));
}

static int open_socket(struct weft_path *path, struct handover *adopted, unsigned index) {
  const int fd = take_adopted(adopted, WEFT_FD_UDP, index);
  if (fd >= 0 && weft_udp_adopt(fd, &path->settings.local) == 0) return fd;
  if (fd >= 0) close(fd);
  return weft_udp_open(&path->settings.local, path->settings.workers > 1);
}

/*
 * sockets[0] comes from open_socket, the others have ephemeral ports. Returns 0, or negative errno
 * and closes all.
 */
static int open_sockets(struct weft_path *path, struct handover *adopted, unsigned index, int *sockets) {
  union weft_endpoint any_port = path->settings.local;
  any_port.v4.sin_port = 0; /* the same offset in both families */
  for (unsigned at = 0; at <= path->settings.source_ports; at++) {
    sockets[at] = at == 0 ? open_socket(path, adopted, index) : weft_udp_open(&any_port, false);
    if (sockets[at] >= 0) continue;
    const int error = sockets[at];
    while (at-- > 0) close(sockets[at]);
    return error;
  }
  return 0;
}

static void probe_offloads(struct weft_path *path, int tun_fd, const int *sockets) {
  struct weft_tun_offloads tun;
  struct weft_socket_offloads udp = {0};
  if (weft_tun_probe_offloads(tun_fd, &tun) < 0) tun = (struct weft_tun_offloads){false, false};
  for (unsigned at = 0; at <= path->settings.source_ports; at++) weft_udp_probe_offloads(sockets[at], &udp);
  atomic_store(&path->offloads.tso, tun.tso);
  atomic_store(&path->offloads.uso, tun.uso);
  atomic_store(&path->offloads.gso, udp.gso);
  atomic_store(&path->offloads.gro, udp.gro);
}

static int add_worker(struct weft_path *path, struct handover *adopted, unsigned index, const char **failed_call) {
  int sockets[1 + WEFT_MAX_SOURCE_PORTS];
  *failed_call = "open /dev/net/tun";
  const int tun_fd = open_tun(path, adopted, index);
  if (tun_fd < 0) return tun_fd;
  *failed_call = "bind";
  const int error = open_sockets(path, adopted, index, sockets);
  if (error < 0) {
    close(tun_fd);
    return error;
  }
  probe_offloads(path, tun_fd, sockets);
  *failed_call = "mmap";
  path->workers[index] = weft_worker_new(path, index, tun_fd, sockets);
  if (path->workers[index]) return 0;
  for (unsigned at = 0; at <= path->settings.source_ports; at++) close(sockets[at]);
  close(tun_fd);
  return -ENOMEM;
}

/* Without the BPF fast path the workers forward everything, so errors only set the reason. */
static void load_bpf(struct weft_path *path, struct handover *adopted) {
  const struct weft_path_settings *settings = &path->settings;
  const struct weft_bpf_path_settings bpf = {.tun = settings->name,
                                             .encap = settings->encap,
                                             .encap_settings = &settings->encap_settings,
                                             .local = &settings->local,
                                             .inherits_dscp = settings->inherits_dscp,
                                             .avoids_links = settings->avoids_bpf_links,
                                             .use_decap = true,
                                             .use_join = true};
  snprintf(path->bpf_disabled_reason, sizeof(path->bpf_disabled_reason), "it is turned off");
  if (!settings->use_bpf) return;
  /* ICMP errors about its packets must reach the socket that sends to the same peers. */
  if (settings->source_ports > 0)
    snprintf(path->bpf_disabled_reason, sizeof(path->bpf_disabled_reason), "flows have source ports of their own");
  else path->bpf = weft_bpf_path_open(&bpf, path->bpf_disabled_reason);
  if (!path->bpf) return;
  snprintf(path->bpf_disabled_reason, sizeof(path->bpf_disabled_reason), "workers wait to be started");
  for (enum weft_bpf_hook which = 0; which < WEFT_BPF_HOOKS; which++)
    weft_bpf_path_adopt_link(path->bpf, which, take_adopted(adopted, WEFT_FD_LINK, which));
}

static void open_bpf(struct weft_path *path, struct handover *adopted) {
  load_bpf(path, adopted);
  if (path->bpf) return;
  const unsigned tun_index = if_nametoindex(path->settings.name);
  weft_decap_remove_others(NULL, tun_index); /* of an earlier process */
  weft_join_remove_others(NULL, tun_index);
}

/* Passes a route on with the MTU of this host's route to the peer. */
static void refresh_route(void *context, const struct weft_route *route) {
  struct weft_path *path = context;
  const uint32_t mtu = weft_host_mtu(path->host_mtu_fd, &route->remote);
  atomic_store_explicit(&route->peer->host_mtu, mtu, memory_order_relaxed);
  weft_bpf_path_set_route(path->bpf, route);
}

bool weft_path_refresh(struct weft_path *path) {
  if (!path->workers[0]->is_started) return false;
  weft_routes_each(path->routes, refresh_route, path);
  if (!path->bpf) return false;
  path->is_bpf_active = weft_bpf_path_attach(path->bpf, path->bpf_disabled_reason);
  return weft_bpf_path_consume_change(path->bpf);
}

int weft_path_start(struct weft_path *path) {
  int error = 0;
  if (path->workers[path->settings.workers - 1]->is_started) return 0;
  for (unsigned index = 0; index < path->settings.workers && error == 0; index++)
    if (!path->workers[index]->is_started) error = weft_worker_start(path->workers[index]);
  return error == 0 ? weft_path_refresh(path) : error;
}

static int start_workers(struct weft_path *path, struct handover *adopted, const char **failed_call) {
  int error = 0;
  for (unsigned index = 0; index < path->settings.workers && error == 0; index++)
    error = add_worker(path, adopted, index, failed_call);
  if (error == 0) open_bpf(path, adopted);
  if (error < 0 || path->settings.start_paused) return error;
  *failed_call = "pthread_create";
  const int started = weft_path_start(path);
  return started < 0 ? started : 0;
}

static unsigned overhead_of(const struct weft_path_settings *settings) {
  const unsigned ip_bytes = settings->local.any.sa_family == AF_INET ? WEFT_IPV4_BYTES : WEFT_IPV6_BYTES;
  return ip_bytes + WEFT_UDP_BYTES + settings->encap->header_bytes;
}

static struct weft_path *make_path(const struct weft_path_settings *settings) {
  struct weft_path *path = calloc(1, sizeof(*path));
  if (!path) return NULL;
  path->settings = *settings;
  path->overhead = overhead_of(settings);
  path->host_mtu_fd = weft_host_mtu_open();
  atomic_store(&path->mtu, WEFT_MAX_PACKET); /* until weft_path_configure */
  path->routes = weft_routes_new(settings->workers);
  if (!path->routes) {
    if (path->host_mtu_fd >= 0) close(path->host_mtu_fd);
    free(path);
    return NULL;
  }
  pthread_mutex_init(&path->config_lock, NULL);
  return path;
}

int weft_path_open(const struct weft_path_settings *settings, const struct weft_path_fd *adopted, unsigned count,
                   struct weft_path **path, const char **failed_call) {
  struct handover handover = {.count = count};
  *failed_call = "malloc";
  if (count > sizeof(handover.fds) / sizeof(handover.fds[0])) return -E2BIG;
  if (count > 0) memcpy(handover.fds, adopted, count * sizeof(*adopted));
  *path = make_path(settings);
  const int error = *path ? start_workers(*path, &handover, failed_call) : -ENOMEM;
  close_unused(&handover);
  if (error == 0) return 0;
  if (*path) weft_path_close(*path);
  *path = NULL;
  return error;
}

void weft_path_close(struct weft_path *path) {
  for (unsigned index = 0; index < WEFT_MAX_WORKERS; index++)
    if (path->workers[index]) weft_worker_stop(path->workers[index]);
  weft_bpf_path_close(path->bpf); /* workers use it */
  for (unsigned index = 0; index < WEFT_MAX_WORKERS; index++)
    if (path->workers[index]) weft_worker_free(path->workers[index]);
  weft_join_remove_stale(); /* the TUN device is gone unless another process has it */
  if (path->host_mtu_fd >= 0) close(path->host_mtu_fd);
  weft_routes_free(path->routes);
  pthread_mutex_destroy(&path->config_lock);
  free(path);
}

void weft_path_rename(struct weft_path *path, const char *name) {
  pthread_mutex_lock(&path->config_lock);
  snprintf(path->settings.name, sizeof(path->settings.name), "%s", name);
  pthread_mutex_unlock(&path->config_lock);
  weft_bpf_path_rename(path->bpf, name);
}

void weft_path_configure(struct weft_path *path, const struct weft_path_config *config) {
  pthread_mutex_lock(&path->config_lock);
  path->config = *config;
  pthread_mutex_unlock(&path->config_lock);
  atomic_store(&path->mtu, config->mtu);
}

int weft_path_set_route(struct weft_path *path, const struct weft_route *route) {
  const struct weft_route *before = weft_routes_get(path->routes, route->family, route->subnet, route->prefix_bits);
  const bool has_moved = before && !weft_endpoint_same_address(&before->remote, &route->remote);
  const int error = weft_routes_set(path->routes, route);
  if (error < 0) return error;
  const struct weft_route *set = weft_routes_get(path->routes, route->family, route->subnet, route->prefix_bits);
  if (has_moved) atomic_store_explicit(&set->peer->probed_mtu, 0, memory_order_relaxed);
  refresh_route(path, set);
  return 0;
}

int weft_path_remove_route(struct weft_path *path, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  weft_bpf_path_remove_route(path->bpf, family, subnet, prefix_bits);
  return weft_routes_remove(path->routes, family, subnet, prefix_bits);
}

void weft_path_counts(const struct weft_path *path, uint64_t *counts) {
  const struct weft_bpf_counts totals = weft_bpf_path_totals(path->bpf);
  for (unsigned which = 0; which < WEFT_COUNTER_COUNT; which++) {
    counts[which] = 0;
    for (unsigned index = 0; index < path->settings.workers; index++)
      counts[which] += atomic_load_explicit(&path->workers[index]->counters[which], memory_order_relaxed);
  }
  counts[WEFT_BPF_TX_PACKETS] = totals.tx_packets;
  counts[WEFT_BPF_RX_PACKETS] = totals.rx_packets;
  counts[WEFT_DECAP_PACKETS] = totals.decap_packets;
  counts[WEFT_TX_PACKETS] += totals.tx_packets;
  counts[WEFT_TX_BYTES] += totals.tx_bytes;
  counts[WEFT_RX_PACKETS] += totals.rx_packets;
  counts[WEFT_RX_BYTES] += totals.rx_bytes;
}

unsigned weft_path_fds(const struct weft_path *path, struct weft_path_fd *fds, unsigned count) {
  unsigned used = 0;
  for (unsigned index = 0; index < path->settings.workers && used + 2 <= count; index++) {
    fds[used++] = (struct weft_path_fd){WEFT_FD_TUN, index, path->workers[index]->tun_fd};
    fds[used++] = (struct weft_path_fd){WEFT_FD_UDP, index, path->workers[index]->sockets[0]};
  }
  for (enum weft_bpf_hook which = 0; which < WEFT_BPF_HOOKS && used < count; which++) {
    const int link_fd = weft_bpf_path_link_fd(path->bpf, which);
    if (link_fd >= 0) fds[used++] = (struct weft_path_fd){WEFT_FD_LINK, which, link_fd};
  }
  return used;
}
