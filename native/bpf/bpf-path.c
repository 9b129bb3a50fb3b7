/* Loads and feeds the BPF programs. After an error the workers forward all packets. */
#include "bpf-path.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bpf/kernel/program.h"
#include "decap.h"
#include "hook.h"
#include "join.h"
#include "maps.h"
#include "syscall.h"
#include "underlay.h"

struct weft_bpf_path {
  char tun[IF_NAMESIZE];
  struct weft_bpf_maps maps;
  struct weft_hook hooks[WEFT_BPF_HOOKS];
  union weft_endpoint local;
  bool is_over6; /* the underlay is IPv6 */
  struct weft_decap decap;
  struct weft_join join;
  bool use_decap, use_join;
  bool has_removed_old_devices, has_removed_old_filters;
  int old_decap_fd;   /* link of the earlier process, until its program no longer forwards; -1: none */
  bool links_changed; /* since the last consume_change */
};

/* --- Programs --- */

static int load_programs(struct weft_bpf_path *bpf) {
  int *tx = &bpf->hooks[WEFT_BPF_TX].program_fd, *rx = &bpf->hooks[WEFT_BPF_RX].program_fd;
  *tx = bpf->is_over6 ? weft_bpf_prog_load(weft_bpf_tx6, sizeof(weft_bpf_tx6), bpf->maps.fds)
                      : weft_bpf_prog_load(weft_bpf_tx, sizeof(weft_bpf_tx), bpf->maps.fds);
  if (*tx < 0) return *tx;
  *rx = bpf->is_over6 ? weft_bpf_prog_load(weft_bpf_rx6, sizeof(weft_bpf_rx6), bpf->maps.fds)
                      : weft_bpf_prog_load(weft_bpf_rx, sizeof(weft_bpf_rx), bpf->maps.fds);
  if (*rx < 0) return *rx;
  int *in = &bpf->hooks[WEFT_BPF_DECAP].program_fd;
  *in = weft_bpf_prog_load(weft_bpf_in, sizeof(weft_bpf_in), bpf->maps.fds);
  return *in < 0 ? *in : 0;
}

/* --- Routes and counts --- */

void weft_bpf_path_set_route(struct weft_bpf_path *bpf, const struct weft_route *route) {
  if (bpf) weft_bpf_maps_set_route(&bpf->maps, route);
}

void weft_bpf_path_update_mtu(struct weft_bpf_path *bpf, const struct weft_route *route) {
  if (bpf) weft_bpf_maps_update_mtu(&bpf->maps, route);
}

void weft_bpf_path_remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits) {
  if (bpf) weft_bpf_maps_remove_route(&bpf->maps, family, subnet, prefix_bits);
}

struct weft_bpf_counts weft_bpf_path_totals(const struct weft_bpf_path *bpf) {
  return bpf ? weft_bpf_maps_totals(&bpf->maps) : (struct weft_bpf_counts){0};
}

struct weft_bpf_counts weft_bpf_path_route_counts(const struct weft_bpf_path *bpf, const struct weft_route *route) {
  return bpf ? weft_bpf_maps_route_counts(&bpf->maps, route) : (struct weft_bpf_counts){0};
}

const char *weft_bpf_path_decap_name(const struct weft_bpf_path *bpf) {
  return bpf && bpf->maps.config.has_decap ? bpf->decap.name : "";
}

const char *weft_bpf_path_join_name(const struct weft_bpf_path *bpf) {
  return bpf && bpf->maps.config.join_index != 0 ? bpf->join.receiver : "";
}

/* --- Life --- */

/* Locally administered unicast. */
static void choose_mac(uint8_t *mac) {
  if (getrandom(mac, 6, 0) < 0) return;
  mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

static void fill_config(struct weft_bpf_path *bpf, const struct weft_bpf_path_settings *settings) {
  struct weft_bpf_config *config = &bpf->maps.config;
  if (bpf->is_over6) memcpy(config->local6, &settings->local->v6.sin6_addr, sizeof(config->local6));
  else config->local = settings->local->v4.sin_addr.s_addr;
  config->port = settings->local->v4.sin_port; /* the same offset in both families */
  config->is_vxlan = !settings->encap->decrements_ttl;
  config->inherits_dscp = settings->inherits_dscp;
  config->vni = htonl(settings->encap_settings->vni << 8);
  memcpy(config->mac, settings->encap_settings->mac, sizeof(config->mac));
}

static struct weft_bpf_path *make(const struct weft_bpf_path_settings *settings) {
  struct weft_bpf_path *bpf = calloc(1, sizeof(*bpf));
  if (!bpf) return NULL;
  for (enum weft_bpf_hook which = 0; which < WEFT_BPF_HOOKS; which++)
    bpf->hooks[which] = (struct weft_hook){.program_fd = -1,
                                           .link_fd = -1,
                                           .type = which == WEFT_BPF_TX ? WEFT_HOOK_EGRESS : WEFT_HOOK_INGRESS,
                                           .avoids_links = settings->avoids_links};
  bpf->old_decap_fd = -1;
  bpf->use_decap = settings->use_decap;
  bpf->use_join = settings->use_join;
  bpf->local = *settings->local;
  bpf->is_over6 = settings->local->any.sa_family == AF_INET6;
  snprintf(bpf->tun, sizeof(bpf->tun), "%s", settings->tun);
  fill_config(bpf, settings);
  choose_mac(bpf->maps.config.frame_mac);
  choose_mac(bpf->maps.config.frame_source); /* which no other host knows */
  return bpf;
}

static void set_reason(char *reason, const char *what, int error) {
  const char *remedy = error == -EPERM ? "; it takes CAP_BPF and CAP_NET_ADMIN outside of user namespaces" : "";
  snprintf(reason, WEFT_REASON_BYTES, "%s: %s%s", what, strerror(-error), remedy);
}

struct weft_bpf_path *weft_bpf_path_open(const struct weft_bpf_path_settings *settings, char *reason) {
  struct weft_bpf_path *bpf = make(settings);
  int error = bpf ? weft_bpf_maps_open(&bpf->maps, bpf->is_over6) : -ENOMEM;
  if (error == 0) error = load_programs(bpf);
  if (error == 0) return bpf;
  set_reason(reason, "the kernel does not load the program", error);
  weft_bpf_path_close(bpf);
  return NULL;
}

void weft_bpf_path_adopt_link(struct weft_bpf_path *bpf, enum weft_bpf_hook which, int link_fd) {
  if (which == WEFT_BPF_DECAP) bpf->old_decap_fd = link_fd;
  else weft_hook_adopt(&bpf->hooks[which], link_fd);
}

void weft_bpf_path_rename(struct weft_bpf_path *bpf, const char *tun) {
  if (bpf) snprintf(bpf->tun, sizeof(bpf->tun), "%s", tun);
}

int weft_bpf_path_link_fd(const struct weft_bpf_path *bpf, enum weft_bpf_hook which) {
  if (bpf && which == WEFT_BPF_DECAP && bpf->old_decap_fd >= 0) return bpf->old_decap_fd;
  return bpf ? bpf->hooks[which].link_fd : -1;
}

static void close_fd(int fd) {
  if (fd >= 0) close(fd);
}

/* Returns 0, or negative errno and the reason. */
static int attach(struct weft_bpf_path *bpf, enum weft_bpf_hook which, unsigned index, const char *failure,
                  char *reason) {
  struct weft_hook *hook = &bpf->hooks[which];
  const bool had_link = hook->link_fd >= 0;
  const int result = weft_hook_attach(hook, index, bpf->maps.config.tun_index);
  if (result > 0 || (result < 0 && had_link)) bpf->links_changed = true;
  if (result >= 0) return 0;
  set_reason(reason, failure, result);
  return result;
}

/* Without the devices the program delivers TCP itself. */
static void attach_devices(struct weft_bpf_path *bpf) {
  struct weft_bpf_config *config = &bpf->maps.config;
  struct weft_decap *decap = &bpf->decap;
  struct weft_join *join = &bpf->join;
  char reason[WEFT_REASON_BYTES];
  config->has_decap = bpf->use_decap &&
                      weft_decap_open(decap, config->tun_index, config->frame_mac, bpf->is_over6) == 0 &&
                      attach(bpf, WEFT_BPF_DECAP, decap->index, "decapsulating device", reason) == 0;
  config->decap_vni = decap->vni;
  config->decap_port = decap->port;
  const int in = bpf->hooks[WEFT_BPF_DECAP].program_fd;
  const bool has_join = bpf->use_join && weft_join_open(join, config->tun_index, config->frame_mac, in) == 0;
  config->join_index = has_join ? join->sender_index : 0;
}

/* Once no program of an earlier process uses its devices, and queued packets have left them. */
static void remove_old_devices(struct weft_bpf_path *bpf) {
  const struct timespec packets_pass = {.tv_nsec = 1000000};
  const unsigned tun_index = bpf->maps.config.tun_index;
  if (bpf->has_removed_old_devices) return;
  bpf->has_removed_old_devices = true;
  if (bpf->old_decap_fd >= 0 || weft_join_has_others(&bpf->join, tun_index)) nanosleep(&packets_pass, NULL);
  weft_decap_remove_others(bpf->maps.config.has_decap ? &bpf->decap : NULL, tun_index);
  weft_join_remove_others(&bpf->join, tun_index);
  weft_join_remove_stale();
  close_fd(bpf->old_decap_fd);
  bpf->old_decap_fd = -1;
}

/* Of processes that died. */
static void remove_old_filters(struct weft_bpf_path *bpf) {
  if (bpf->hooks[WEFT_BPF_RX].filter.index != 0 && !bpf->has_removed_old_filters) weft_filter_remove_stale();
  bpf->has_removed_old_filters = true;
}

static void publish(struct weft_bpf_path *bpf) {
  const struct weft_hook *tx = &bpf->hooks[WEFT_BPF_TX], *rx = &bpf->hooks[WEFT_BPF_RX];
  bpf->maps.is_attached = weft_hook_is_attached(tx) && weft_hook_is_attached(rx);
  bpf->maps.config.outlives_process = rx->filter.index != 0;
  weft_bpf_maps_publish(&bpf->maps);
}

bool weft_bpf_path_attach(struct weft_bpf_path *bpf, char *reason) {
  if (!bpf) return false;
  bpf->maps.config.tun_index = if_nametoindex(bpf->tun);
  const unsigned underlay = weft_underlay_index(&bpf->local);
  attach_devices(bpf);
  publish(bpf); /* that program forwards as soon as the one of the underlay interface does */
  int error = attach(bpf, WEFT_BPF_RX, underlay, "no Ethernet interface with the underlay address", reason);
  const int tx_error = attach(bpf, WEFT_BPF_TX, bpf->maps.config.tun_index,
                              "the kernel does not attach the program to the TUN device", reason);
  if (error == 0) remove_old_devices(bpf);
  if (error == 0) remove_old_filters(bpf);
  if (error == 0) error = tx_error;
  publish(bpf);
  if (bpf->maps.error < 0) set_reason(reason, "its table of routes failed", bpf->maps.error);
  else if (error == 0 && !bpf->maps.config.is_enabled)
    snprintf(reason, WEFT_REASON_BYTES, "subnets have more than %d lengths", WEFT_BPF_PREFIX_LENGTHS);
  return bpf->maps.config.is_enabled;
}

bool weft_bpf_path_consume_change(struct weft_bpf_path *bpf) {
  const bool has_changed = bpf && bpf->links_changed;
  if (has_changed) bpf->links_changed = false;
  return has_changed;
}

void weft_bpf_path_close(struct weft_bpf_path *bpf) {
  if (!bpf) return;
  for (unsigned which = 0; which < WEFT_BPF_HOOKS; which++) weft_hook_close(&bpf->hooks[which]);
  close_fd(bpf->old_decap_fd);
  weft_bpf_maps_close(&bpf->maps);
  free(bpf);
}
