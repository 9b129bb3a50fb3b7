/* Loads and feeds the BPF programs. After an error the workers forward all packets. */
#include "bpf-path.h"

#include <errno.h>
#include <fcntl.h>
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

enum { IPV4_BITS = 32, IPV6_BITS = 128 };

/* The two tables of the subnets of one family. */
struct table {
  unsigned bits; /* of an address */
  enum weft_bpf_map main, overflow;
  unsigned routes_of[IPV6_BITS + 1]; /* number of routes by prefix length */
  unsigned overflow_routes;          /* of these, in `overflow` */
};

struct weft_bpf_path {
  char tun[IF_NAMESIZE];
  int maps[WEFT_MAP_COUNT];
  struct weft_hook hooks[WEFT_BPF_HOOKS];
  struct weft_bpf_config config;
  struct table ipv4, ipv6;
  union weft_endpoint local;
  bool is_over6;               /* the underlay is IPv6 */
  pthread_mutex_t routes_lock; /* workers change MTUs */
  struct weft_decap decap;
  bool use_decap;
  bool has_removed_old_decap, has_removed_old_filters;
  int old_decap_fd; /* link of the earlier process, until its program no longer forwards; -1: none */
  unsigned cpus;
  int error;          /* negative errno once its routes differ from those of the workers */
  bool links_changed; /* since the last consume_change */
};

/* --- Maps and programs --- */

static int make_map(unsigned key_bytes, unsigned entries) {
  return weft_bpf_map_create(BPF_MAP_TYPE_HASH, key_bytes, sizeof(struct weft_bpf_route), entries);
}

/* The family that the underlay does not have is rare, and has one small map for both. */
static int make_table(int *maps, const struct table *table, bool is_rare) {
  const unsigned key_bytes = table->bits == IPV4_BITS ? sizeof(struct weft_bpf_key) : sizeof(struct weft_bpf_key6);
  maps[table->main] = make_map(key_bytes, is_rare ? WEFT_BPF_OTHER_ROUTES : WEFT_BPF_MAIN_ROUTES);
  if (maps[table->main] < 0) return maps[table->main];
  maps[table->overflow] = is_rare ? fcntl(maps[table->main], F_DUPFD_CLOEXEC, 0)
                                  : make_map(key_bytes, WEFT_BPF_MAX_ROUTES - WEFT_BPF_MAIN_ROUTES);
  return maps[table->overflow] < 0 ? maps[table->overflow] : 0;
}

static int make_maps(struct weft_bpf_path *bpf) {
  int *maps = bpf->maps;
  maps[WEFT_MAP_CONFIG] = weft_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_config), 1);
  if (maps[WEFT_MAP_CONFIG] < 0) return maps[WEFT_MAP_CONFIG];
  int error = make_table(maps, &bpf->ipv4, bpf->is_over6);
  if (error == 0) error = make_table(maps, &bpf->ipv6, !bpf->is_over6);
  if (error < 0) return error;
  maps[WEFT_MAP_TOTALS] =
      weft_bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_counts), 1);
  return maps[WEFT_MAP_TOTALS] < 0 ? maps[WEFT_MAP_TOTALS] : 0;
}

static int load_programs(struct weft_bpf_path *bpf) {
  int *tx = &bpf->hooks[WEFT_BPF_TX].program_fd, *rx = &bpf->hooks[WEFT_BPF_RX].program_fd;
  *tx = bpf->is_over6 ? weft_bpf_prog_load(weft_bpf_tx6, sizeof(weft_bpf_tx6), bpf->maps)
                      : weft_bpf_prog_load(weft_bpf_tx, sizeof(weft_bpf_tx), bpf->maps);
  if (*tx < 0) return *tx;
  *rx = bpf->is_over6 ? weft_bpf_prog_load(weft_bpf_rx6, sizeof(weft_bpf_rx6), bpf->maps)
                      : weft_bpf_prog_load(weft_bpf_rx, sizeof(weft_bpf_rx), bpf->maps);
  if (*rx < 0) return *rx;
  int *in = &bpf->hooks[WEFT_BPF_DECAP].program_fd;
  *in = weft_bpf_prog_load(weft_bpf_in, sizeof(weft_bpf_in), bpf->maps);
  return *in < 0 ? *in : 0;
}

/* --- Routes --- */

/* Word `word` of the mask, 4 bytes in network order. */
static uint32_t mask_of(unsigned bits, unsigned word) {
  const unsigned before = word * 32;
  if (bits <= before) return 0;
  return bits - before >= 32 ? ~(uint32_t)0 : htonl(~(uint32_t)0 << (32 - (bits - before)));
}

static void write_length(struct weft_bpf_config *config, const struct table *table, unsigned at, unsigned bits) {
  if (table->bits == IPV4_BITS) {
    config->length[at].bits = bits;
    config->length[at].mask = mask_of(bits, 0);
    return;
  }
  config->length6[at].bits = bits;
  for (unsigned word = 0; word < 4; word++) config->length6[at].mask[word] = mask_of(bits, word);
}

/* Longest first. Returns how many there are; the config has room for WEFT_BPF_PREFIX_LENGTHS. */
static unsigned write_lengths(struct weft_bpf_config *config, const struct table *table) {
  unsigned lengths = 0;
  for (unsigned bits = table->bits + 1; bits-- > 0;) {
    if (table->routes_of[bits] == 0) continue;
    if (lengths < WEFT_BPF_PREFIX_LENGTHS) write_length(config, table, lengths, bits);
    lengths++;
  }
  return lengths;
}

static uint8_t usable_lengths(unsigned lengths) {
  return (uint8_t)(lengths < WEFT_BPF_PREFIX_LENGTHS ? lengths : WEFT_BPF_PREFIX_LENGTHS);
}

/*
 * Publishes which prefix lengths and tables are in use. A packet that meets the old state goes to
 * the workers.
 */
static void write_config(struct weft_bpf_path *bpf) {
  const uint32_t first = 0;
  struct weft_bpf_config *config = &bpf->config;
  const unsigned lengths = write_lengths(config, &bpf->ipv4), lengths6 = write_lengths(config, &bpf->ipv6);
  config->has_overflow = bpf->ipv4.overflow_routes > 0;
  config->has_overflow6 = bpf->ipv6.overflow_routes > 0;
  config->lengths = usable_lengths(lengths);
  config->lengths6 = usable_lengths(lengths6);
  config->is_enabled = lengths <= WEFT_BPF_PREFIX_LENGTHS && lengths6 <= WEFT_BPF_PREFIX_LENGTHS && bpf->error == 0 &&
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

static const struct table *table_of(const struct weft_bpf_path *bpf, unsigned family) {
  return family == 4 ? &bpf->ipv4 : &bpf->ipv6;
}

/* The key of IPv4 is the first part of that of IPv6. */
static struct weft_bpf_key6 make_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_bpf_key6 key = {.bits = prefix_bits};
  memcpy(key.subnet, subnet, family == 4 ? 4 : 16);
  return key;
}

/* Descriptor of the map with the subnet, and its route; -1: none. */
static int find_route(const struct weft_bpf_path *bpf, unsigned family, const struct weft_bpf_key6 *key,
                      struct weft_bpf_route *route) {
  const struct table *table = table_of(bpf, family);
  if (weft_bpf_map_lookup(bpf->maps[table->main], key, route) == 0) return bpf->maps[table->main];
  if (table->overflow_routes == 0 || weft_bpf_map_lookup(bpf->maps[table->overflow], key, route) < 0) return -1;
  return bpf->maps[table->overflow];
}

/*
 * A new prefix length or a new overflow table disables the program first: else packets would match
 * a shorter prefix.
 */
static int add_route(struct weft_bpf_path *bpf, struct table *table, const struct weft_bpf_key6 *key,
                     const struct weft_bpf_route *route) {
  bool is_new = table->routes_of[key->bits]++ == 0;
  if (is_new) disable_program(bpf);
  int error = weft_bpf_map_update(bpf->maps[table->main], key, route);
  if (error == -E2BIG) {
    is_new |= table->overflow_routes++ == 0;
    if (is_new) disable_program(bpf);
    error = weft_bpf_map_update(bpf->maps[table->overflow], key, route);
  }
  if (is_new && error == 0) write_config(bpf);
  return error;
}

static uint32_t bpf_mtu(const struct weft_route *route) {
  const uint32_t mtu = weft_peer_mtu(route->peer);
  return mtu == 0 ? UINT32_MAX : mtu;
}

/* Without counts. */
static struct weft_bpf_route make_route(const struct weft_route *route) {
  struct weft_bpf_route made = {.mtu = bpf_mtu(route), .needs_workers = route->needs_segments};
  memcpy(made.mac, route->mac, sizeof(made.mac));
  made.port = route->remote.v4.sin_port; /* the same offset in both families */
  if (route->remote.any.sa_family == AF_INET) {
    made.remote = route->remote.v4.sin_addr.s_addr;
    return made;
  }
  memcpy(made.remote6, &route->remote.v6.sin6_addr, sizeof(made.remote6));
  /* A program cannot have a super-packet's checksums computed (SKB_GSO_UDP_TUNNEL_CSUM, 6.18). */
  made.needs_workers |= !route->accepts_zero_checksum;
  return made;
}

static bool has_same_remote(const struct weft_bpf_route *a, const struct weft_bpf_route *b) {
  return a->remote == b->remote && memcmp(a->remote6, b->remote6, sizeof(a->remote6)) == 0;
}

static bool is_same_route(const struct weft_bpf_route *a, const struct weft_bpf_route *b) {
  return memcmp(a, b, offsetof(struct weft_bpf_route, counts)) == 0 && has_same_remote(a, b);
}

static void set_route(struct weft_bpf_path *bpf, const struct weft_route *route) {
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  struct weft_bpf_route before, after = make_route(route);
  const int map = find_route(bpf, route->family, &key, &before);
  if (map >= 0) after.counts = before.counts;
  if (map >= 0 && is_same_route(&before, &after)) return;
  struct table *table = route->family == 4 ? &bpf->ipv4 : &bpf->ipv6;
  const int error = map >= 0 ? weft_bpf_map_update(map, &key, &after) : add_route(bpf, table, &key, &after);
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
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  const struct weft_bpf_route now = make_route(route);
  struct weft_bpf_route found;
  const int map = find_route(bpf, route->family, &key, &found);
  if (map < 0 || !has_same_remote(&found, &now) || found.mtu == now.mtu) return;
  found.mtu = now.mtu;
  weft_bpf_map_update(map, &key, &found);
}

void weft_bpf_path_update_mtu(struct weft_bpf_path *bpf, const struct weft_route *route) {
  if (!bpf) return;
  pthread_mutex_lock(&bpf->routes_lock);
  update_mtu(bpf, route);
  pthread_mutex_unlock(&bpf->routes_lock);
}

static void remove_route(struct weft_bpf_path *bpf, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  const struct weft_bpf_key6 key = make_key(family, subnet, prefix_bits);
  struct table *table = family == 4 ? &bpf->ipv4 : &bpf->ipv6;
  bool is_new = false;
  if (weft_bpf_map_delete(bpf->maps[table->main], &key) < 0) {
    if (table->overflow_routes == 0 || weft_bpf_map_delete(bpf->maps[table->overflow], &key) < 0) return;
    is_new = --table->overflow_routes == 0;
  }
  if (--table->routes_of[prefix_bits] == 0 || is_new) write_config(bpf);
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
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  struct weft_bpf_route found = {0};
  if (bpf) find_route(bpf, route->family, &key, &found);
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
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) bpf->maps[at] = -1;
  for (enum weft_bpf_hook which = 0; which < WEFT_BPF_HOOKS; which++)
    bpf->hooks[which] = (struct weft_hook){.program_fd = -1,
                                           .link_fd = -1,
                                           .type = which == WEFT_BPF_TX ? WEFT_HOOK_EGRESS : WEFT_HOOK_INGRESS,
                                           .avoids_links = settings->avoids_links};
  bpf->old_decap_fd = -1;
  bpf->use_decap = settings->use_decap;
  bpf->local = *settings->local;
  bpf->is_over6 = settings->local->any.sa_family == AF_INET6;
  bpf->ipv4 = (struct table){.bits = IPV4_BITS, .main = WEFT_MAP_ROUTES, .overflow = WEFT_MAP_OVERFLOW};
  bpf->ipv6 = (struct table){.bits = IPV6_BITS, .main = WEFT_MAP_ROUTES6, .overflow = WEFT_MAP_OVERFLOW6};
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
  config->has_decap = bpf->use_decap && weft_decap_open(decap, config->tun_index, bpf->is_over6) == 0 &&
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
  const unsigned underlay = weft_underlay_index(&bpf->local);
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
