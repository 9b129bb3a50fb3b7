/* Loads and feeds the BPF programs. After an error the workers forward all packets. */
#include "bpf-path.h"

#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bpf/kernel/program.h"
#include "decap.h"
#include "hook.h"
#include "syscall.h"
#include "underlay.h"

enum { IPV4_BITS = 32 };

struct weft_bpf_path {
  char tun[IF_NAMESIZE];
  int maps[WEFT_MAP_COUNT];
  struct weft_hook hooks[WEFT_BPF_HOOKS];
  struct weft_bpf_config config;
  unsigned routes_of[IPV4_BITS + 1]; /* number of routes by prefix length */
  unsigned overflow_routes;          /* of these, in WEFT_MAP_OVERFLOW */
  pthread_mutex_t routes_lock;       /* workers change MTUs */
  struct weft_decap decap;
  bool use_decap;
  bool has_removed_old_decap, has_removed_old_filters;
  int old_decap_fd; /* link of the earlier process, until its program no longer forwards; -1: none */
  unsigned cpus;
  int error;          /* negative errno once its routes differ from those of the workers */
  bool links_changed; /* since the last consume_change */
};

/* --- Maps and programs --- */

static int make_table(unsigned entries) {
  return weft_bpf_map_create(BPF_MAP_TYPE_HASH, sizeof(struct weft_bpf_key), sizeof(struct weft_bpf_route), entries);
}

static int make_maps(struct weft_bpf_path *bpf) {
  int *maps = bpf->maps;
  maps[WEFT_MAP_CONFIG] = weft_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_config), 1);
  if (maps[WEFT_MAP_CONFIG] < 0) return maps[WEFT_MAP_CONFIG];
  maps[WEFT_MAP_ROUTES] = make_table(WEFT_BPF_MAIN_ROUTES);
  if (maps[WEFT_MAP_ROUTES] < 0) return maps[WEFT_MAP_ROUTES];
  maps[WEFT_MAP_OVERFLOW] = make_table(WEFT_BPF_MAX_ROUTES - WEFT_BPF_MAIN_ROUTES);
  if (maps[WEFT_MAP_OVERFLOW] < 0) return maps[WEFT_MAP_OVERFLOW];
  maps[WEFT_MAP_TOTALS] =
      weft_bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_counts), 1);
  return maps[WEFT_MAP_TOTALS] < 0 ? maps[WEFT_MAP_TOTALS] : 0;
}

static int load_programs(struct weft_bpf_path *bpf) {
  int *tx = &bpf->hooks[WEFT_BPF_TX].program_fd, *rx = &bpf->hooks[WEFT_BPF_RX].program_fd;
  *tx = weft_bpf_prog_load(weft_bpf_tx, sizeof(weft_bpf_tx), bpf->maps);
  if (*tx < 0) return *tx;
  *rx = weft_bpf_prog_load(weft_bpf_rx, sizeof(weft_bpf_rx), bpf->maps);
  if (*rx < 0) return *rx;
  int *in = &bpf->hooks[WEFT_BPF_DECAP].program_fd;
  *in = weft_bpf_prog_load(weft_bpf_in, sizeof(weft_bpf_in), bpf->maps);
  return *in < 0 ? *in : 0;
}

/* --- Routes --- */

static uint32_t mask_of(unsigned bits) {
  return bits == 0 ? 0 : htonl(~(uint32_t)0 << (IPV4_BITS - bits));
}

/*
 * Publishes which prefix lengths and tables are in use. A packet that meets the old state goes to
 * the workers.
 */
static void write_config(struct weft_bpf_path *bpf) {
  const uint32_t first = 0;
  struct weft_bpf_config *config = &bpf->config;
  unsigned lengths = 0;
  for (unsigned bits = IPV4_BITS + 1; bits-- > 0;) {
    if (bpf->routes_of[bits] == 0) continue;
    if (lengths < WEFT_BPF_PREFIX_LENGTHS) {
      config->length[lengths].bits = bits;
      config->length[lengths].mask = mask_of(bits);
    }
    lengths++;
  }
  config->has_overflow = bpf->overflow_routes > 0;
  config->lengths = (uint8_t)(lengths < WEFT_BPF_PREFIX_LENGTHS ? lengths : WEFT_BPF_PREFIX_LENGTHS);
  config->is_enabled = lengths <= WEFT_BPF_PREFIX_LENGTHS && bpf->error == 0 &&
                       weft_hook_is_attached(&bpf->hooks[WEFT_BPF_TX]) &&
                       weft_hook_is_attached(&bpf->hooks[WEFT_BPF_RX]);
  config->outlives_process = bpf->hooks[WEFT_BPF_RX].filter.index != 0;
  const int error = weft_bpf_map_update(bpf->maps[WEFT_MAP_CONFIG], &first, config);
  if (error < 0) bpf->error = error;
}

/* All packets go to the workers until write_config. */
static void disable_program(struct weft_bpf_path *bpf) {
  const uint32_t first = 0;
  bpf->config.is_enabled = 0;
  const int error = weft_bpf_map_update(bpf->maps[WEFT_MAP_CONFIG], &first, &bpf->config);
  if (error < 0) bpf->error = error;
}

static bool make_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits, struct weft_bpf_key *key) {
  if (family != 4) return false;
  key->bits = prefix_bits;
  memcpy(&key->subnet, subnet, sizeof(key->subnet));
  return true;
}

/* Descriptor of the table with the subnet, and its route; -1: none. */
static int find_route(const struct weft_bpf_path *bpf, const struct weft_bpf_key *key, struct weft_bpf_route *route) {
  if (weft_bpf_map_lookup(bpf->maps[WEFT_MAP_ROUTES], key, route) == 0) return bpf->maps[WEFT_MAP_ROUTES];
  if (bpf->overflow_routes == 0 || weft_bpf_map_lookup(bpf->maps[WEFT_MAP_OVERFLOW], key, route) < 0) return -1;
  return bpf->maps[WEFT_MAP_OVERFLOW];
}

/*
 * A new prefix length or a new overflow table disables the program first: else packets would match
 * a shorter prefix.
 */
static int add_route(struct weft_bpf_path *bpf, const struct weft_bpf_key *key, const struct weft_bpf_route *route) {
  bool is_new = bpf->routes_of[key->bits]++ == 0;
  if (is_new) disable_program(bpf);
  int error = weft_bpf_map_update(bpf->maps[WEFT_MAP_ROUTES], key, route);
  if (error == -E2BIG) {
    is_new |= bpf->overflow_routes++ == 0;
    if (is_new) disable_program(bpf);
    error = weft_bpf_map_update(bpf->maps[WEFT_MAP_OVERFLOW], key, route);
  }
  if (is_new && error == 0) write_config(bpf);
  return error;
}

static uint32_t bpf_mtu(const struct weft_route *route) {
  const uint32_t mtu = weft_peer_mtu(route->peer);
  return mtu == 0 ? UINT32_MAX : mtu;
}

static void set_route(struct weft_bpf_path *bpf, const struct weft_route *route) {
  struct weft_bpf_key key;
  struct weft_bpf_route before, after = {0};
  if (!make_key(route->family, route->subnet, route->prefix_bits, &key)) return;
  const int table = find_route(bpf, &key, &before);
  if (table >= 0) after.counts = before.counts;
  after.remote = route->remote.v4.sin_addr.s_addr;
  after.port = route->remote.v4.sin_port;
  after.mtu = bpf_mtu(route);
  after.needs_segments = route->needs_segments;
  memcpy(after.mac, route->mac, sizeof(after.mac));
  if (table >= 0 && memcmp(&before, &after, offsetof(struct weft_bpf_route, counts)) == 0) return;
  const int error = table >= 0 ? weft_bpf_map_update(table, &key, &after) : add_route(bpf, &key, &after);
  if (error == 0) return;
  bpf->error = error;
  write_config(bpf);
}

void weft_bpf_path_set_route(struct weft_bpf_path *bpf, const struct weft_route *route) {
  if (!bpf) return;
  pthread_mutex_lock(&bpf->routes_lock);
  set_route(bpf, route);
  pthread_mutex_unlock(&bpf->routes_lock);
}

static void update_mtu(struct weft_bpf_path *bpf, const struct weft_route *route) {
  struct weft_bpf_key key;
  struct weft_bpf_route found;
  if (!make_key(route->family, route->subnet, route->prefix_bits, &key)) return;
  const int table = find_route(bpf, &key, &found);
  if (table < 0 || found.remote != route->remote.v4.sin_addr.s_addr || found.mtu == bpf_mtu(route)) return;
  found.mtu = bpf_mtu(route);
  weft_bpf_map_update(table, &key, &found);
}

void weft_bpf_path_update_mtu(struct weft_bpf_path *bpf, const struct weft_route *route) {
  if (!bpf) return;
  pthread_mutex_lock(&bpf->routes_lock);
  update_mtu(bpf, route);
  pthread_mutex_unlock(&bpf->routes_lock);
}

static void remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_bpf_key key;
  if (!make_key(family, subnet, prefix_bits, &key)) return;
  bool is_new = false;
  if (weft_bpf_map_delete(bpf->maps[WEFT_MAP_ROUTES], &key) < 0) {
    if (weft_bpf_map_delete(bpf->maps[WEFT_MAP_OVERFLOW], &key) < 0) return;
    is_new = --bpf->overflow_routes == 0;
  }
  if (--bpf->routes_of[prefix_bits] == 0 || is_new) write_config(bpf);
}

void weft_bpf_path_remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits) {
  if (!bpf) return;
  pthread_mutex_lock(&bpf->routes_lock);
  remove_route(bpf, family, subnet, prefix_bits);
  pthread_mutex_unlock(&bpf->routes_lock);
}

/* --- Counts --- */

static void add(struct weft_bpf_counts *sum, const struct weft_bpf_counts *more) {
  sum->tx_packets += more->tx_packets;
  sum->tx_bytes += more->tx_bytes;
  sum->rx_packets += more->rx_packets;
  sum->rx_bytes += more->rx_bytes;
  sum->decap_packets += more->decap_packets;
}

struct weft_bpf_counts weft_bpf_path_totals(const struct weft_bpf_path *bpf) {
  struct weft_bpf_counts sum = {0};
  const uint32_t first = 0;
  struct weft_bpf_counts *each = bpf ? calloc(bpf->cpus, sizeof(*each)) : NULL;
  if (each && weft_bpf_map_lookup(bpf->maps[WEFT_MAP_TOTALS], &first, each) == 0)
    for (unsigned cpu = 0; cpu < bpf->cpus; cpu++) add(&sum, &each[cpu]);
  free(each);
  return sum;
}

struct weft_bpf_counts weft_bpf_path_route_counts(const struct weft_bpf_path *bpf, const struct weft_route *route) {
  struct weft_bpf_key key;
  struct weft_bpf_route found = {0};
  if (bpf && make_key(route->family, route->subnet, route->prefix_bits, &key)) find_route(bpf, &key, &found);
  return found.counts;
}

const char *weft_bpf_path_decap_name(const struct weft_bpf_path *bpf) {
  return bpf && bpf->config.has_decap ? bpf->decap.name : "";
}

/* --- Life --- */

/* A source address that no other host knows. */
static void choose_decap_source(struct weft_bpf_config *config) {
  if (getrandom(config->decap_source, sizeof(config->decap_source), 0) < 0) return;
  config->decap_source[0] = (uint8_t)((config->decap_source[0] & 0xfc) | 2);
}

static void fill_config(struct weft_bpf_path *bpf, const struct weft_bpf_path_settings *settings) {
  struct weft_bpf_config *config = &bpf->config;
  config->local = settings->local->v4.sin_addr.s_addr;
  config->port = settings->local->v4.sin_port;
  config->is_vxlan = !settings->encap->decrements_ttl;
  config->inherits_dscp = settings->inherits_dscp;
  config->vni = htonl(settings->encap_settings->vni << 8);
  memcpy(config->mac, settings->encap_settings->mac, sizeof(config->mac));
}

static struct weft_bpf_path *make(const struct weft_bpf_path_settings *settings) {
  struct weft_bpf_path *bpf = calloc(1, sizeof(*bpf));
  if (!bpf) return NULL;
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) bpf->maps[at] = -1;
  for (enum weft_bpf_hook which = 0; which < WEFT_BPF_HOOKS; which++)
    bpf->hooks[which] = (struct weft_hook){.program_fd = -1,
                                           .link_fd = -1,
                                           .type = which == WEFT_BPF_TX ? WEFT_HOOK_EGRESS : WEFT_HOOK_INGRESS,
                                           .avoids_links = settings->avoids_links};
  bpf->old_decap_fd = -1;
  bpf->use_decap = settings->use_decap;
  bpf->cpus = weft_bpf_possible_cpus();
  pthread_mutex_init(&bpf->routes_lock, NULL);
  snprintf(bpf->tun, sizeof(bpf->tun), "%s", settings->tun);
  fill_config(bpf, settings);
  choose_decap_source(&bpf->config);
  return bpf;
}

static void set_reason(char *reason, const char *what, int error) {
  const char *remedy = error == -EPERM ? "; it takes CAP_BPF and CAP_NET_ADMIN outside of user namespaces" : "";
  snprintf(reason, WEFT_REASON_BYTES, "%s: %s%s", what, strerror(-error), remedy);
}

struct weft_bpf_path *weft_bpf_path_open(const struct weft_bpf_path_settings *settings, char *reason) {
  if (settings->local->any.sa_family != AF_INET) {
    snprintf(reason, WEFT_REASON_BYTES, "the underlay is IPv6");
    return NULL;
  }
  struct weft_bpf_path *bpf = make(settings);
  int error = bpf ? make_maps(bpf) : -ENOMEM;
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
  const int result = weft_hook_attach(hook, index, bpf->config.tun_index);
  if (result > 0 || (result < 0 && had_link)) bpf->links_changed = true;
  if (result >= 0) return 0;
  set_reason(reason, failure, result);
  return result;
}

/* Without the device the program delivers TCP itself. */
static void attach_decap(struct weft_bpf_path *bpf) {
  struct weft_bpf_config *config = &bpf->config;
  struct weft_decap *decap = &bpf->decap;
  char reason[WEFT_REASON_BYTES];
  config->has_decap = bpf->use_decap && weft_decap_open(decap, config->tun_index) == 0 &&
                      attach(bpf, WEFT_BPF_DECAP, decap->index, "decapsulating device", reason) == 0;
  memcpy(config->decap_mac, decap->mac, sizeof(decap->mac));
  config->decap_vni = decap->vni;
  config->decap_port = decap->port;
}

/* Once no program of an earlier process uses its device, and queued packets have left it. */
static void remove_old_decap(struct weft_bpf_path *bpf) {
  const struct timespec packets_pass = {.tv_nsec = 1000000};
  if (bpf->has_removed_old_decap) return;
  bpf->has_removed_old_decap = true;
  if (bpf->old_decap_fd >= 0) nanosleep(&packets_pass, NULL);
  weft_decap_remove_others(bpf->config.has_decap ? &bpf->decap : NULL, bpf->config.tun_index);
  close_fd(bpf->old_decap_fd);
  bpf->old_decap_fd = -1;
}

/* Of processes that died. */
static void remove_old_filters(struct weft_bpf_path *bpf) {
  if (bpf->hooks[WEFT_BPF_RX].filter.index != 0 && !bpf->has_removed_old_filters) weft_filter_remove_stale();
  bpf->has_removed_old_filters = true;
}

bool weft_bpf_path_attach(struct weft_bpf_path *bpf, char *reason) {
  if (!bpf) return false;
  bpf->config.tun_index = if_nametoindex(bpf->tun);
  const unsigned underlay = weft_underlay_index(bpf->config.local);
  attach_decap(bpf);
  write_config(bpf); /* that program forwards as soon as the one of the underlay interface does */
  int error = attach(bpf, WEFT_BPF_RX, underlay, "no Ethernet interface with the underlay address", reason);
  const int tx_error = attach(bpf, WEFT_BPF_TX, bpf->config.tun_index,
                              "the kernel does not attach the program to the TUN device", reason);
  if (error == 0) remove_old_decap(bpf);
  if (error == 0) remove_old_filters(bpf);
  if (error == 0) error = tx_error;
  write_config(bpf);
  if (bpf->error < 0) set_reason(reason, "its table of routes failed", bpf->error);
  else if (error == 0 && !bpf->config.is_enabled)
    snprintf(reason, WEFT_REASON_BYTES, "subnets have more than %d lengths", WEFT_BPF_PREFIX_LENGTHS);
  return bpf->config.is_enabled;
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
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) close_fd(bpf->maps[at]);
  pthread_mutex_destroy(&bpf->routes_lock);
  free(bpf);
}
