/* Maps by bpf(2): creation, config, routes, counts. */
#include "maps.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "syscall.h"

/* Indexes of the tables. */
enum { IPV4, IPV6 };

static unsigned index_of(unsigned family) {
  return family == 4 ? IPV4 : IPV6;
}

/* --- Life --- */

static int make_map(unsigned key_bytes, unsigned entries) {
  return weft_bpf_map_create(BPF_MAP_TYPE_HASH, key_bytes, sizeof(struct weft_bpf_route), entries);
}

/* The family that the underlay does not have is rare, and has one small map for both. */
static int make_table(int *fds, const struct weft_bpf_table *table, bool is_rare) {
  const unsigned key_bytes =
      table->bits == WEFT_BPF_IPV4_BITS ? sizeof(struct weft_bpf_key) : sizeof(struct weft_bpf_key6);
  fds[table->main] = make_map(key_bytes, is_rare ? WEFT_BPF_OTHER_ROUTES : WEFT_BPF_MAIN_ROUTES);
  if (fds[table->main] < 0) return fds[table->main];
  fds[table->overflow] = is_rare ? fcntl(fds[table->main], F_DUPFD_CLOEXEC, 0)
                                 : make_map(key_bytes, WEFT_BPF_MAX_ROUTES - WEFT_BPF_MAIN_ROUTES);
  return fds[table->overflow] < 0 ? fds[table->overflow] : 0;
}

static int make_maps(struct weft_bpf_maps *maps, bool is_over6) {
  int *fds = maps->fds;
  fds[WEFT_MAP_CONFIG] = weft_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_config), 1);
  if (fds[WEFT_MAP_CONFIG] < 0) return fds[WEFT_MAP_CONFIG];
  int error = make_table(fds, &maps->tables[IPV4], is_over6);
  if (error == 0) error = make_table(fds, &maps->tables[IPV6], !is_over6);
  if (error < 0) return error;
  fds[WEFT_MAP_TOTALS] =
      weft_bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct weft_bpf_counts), 1);
  return fds[WEFT_MAP_TOTALS] < 0 ? fds[WEFT_MAP_TOTALS] : 0;
}

int weft_bpf_maps_open(struct weft_bpf_maps *maps, bool is_over6) {
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) maps->fds[at] = -1;
  maps->tables[IPV4] = (struct weft_bpf_table){WEFT_BPF_IPV4_BITS, WEFT_MAP_ROUTES, WEFT_MAP_OVERFLOW, {0}, 0};
  maps->tables[IPV6] = (struct weft_bpf_table){WEFT_BPF_IPV6_BITS, WEFT_MAP_ROUTES6, WEFT_MAP_OVERFLOW6, {0}, 0};
  maps->cpus = weft_bpf_possible_cpus();
  pthread_mutex_init(&maps->routes_lock, NULL);
  return make_maps(maps, is_over6);
}

void weft_bpf_maps_close(struct weft_bpf_maps *maps) {
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++)
    if (maps->fds[at] >= 0) close(maps->fds[at]);
  pthread_mutex_destroy(&maps->routes_lock);
}

/* --- Config --- */

/* Word `word` of the mask, 4 bytes in network order. */
static uint32_t mask_of(unsigned bits, unsigned word) {
  const unsigned before = word * 32;
  if (bits <= before) return 0;
  return bits - before >= 32 ? ~(uint32_t)0 : htonl(~(uint32_t)0 << (32 - (bits - before)));
}

static void write_length(struct weft_bpf_config *config, const struct weft_bpf_table *table, unsigned at,
                         unsigned bits) {
  if (table->bits == WEFT_BPF_IPV4_BITS) {
    config->length[at].bits = bits;
    config->length[at].mask = mask_of(bits, 0);
    return;
  }
  config->length6[at].bits = bits;
  for (unsigned word = 0; word < 4; word++) config->length6[at].mask[word] = mask_of(bits, word);
}

/* Longest first. Returns how many there are; the config has room for WEFT_BPF_PREFIX_LENGTHS. */
static unsigned write_lengths(struct weft_bpf_config *config, const struct weft_bpf_table *table) {
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

void weft_bpf_maps_publish(struct weft_bpf_maps *maps) {
  const uint32_t first = 0;
  struct weft_bpf_config *config = &maps->config;
  const struct weft_bpf_table *ipv4 = &maps->tables[IPV4], *ipv6 = &maps->tables[IPV6];
  const unsigned lengths = write_lengths(config, ipv4), lengths6 = write_lengths(config, ipv6);
  config->has_overflow = ipv4->overflow_routes > 0;
  config->has_overflow6 = ipv6->overflow_routes > 0;
  config->lengths = usable_lengths(lengths);
  config->lengths6 = usable_lengths(lengths6);
  config->is_enabled = lengths <= WEFT_BPF_PREFIX_LENGTHS && lengths6 <= WEFT_BPF_PREFIX_LENGTHS && maps->error == 0 &&
                       maps->is_attached;
  const int error = weft_bpf_map_update(maps->fds[WEFT_MAP_CONFIG], &first, config);
  if (error < 0) maps->error = error;
}

/* All packets go to the workers until weft_bpf_maps_publish. */
static void disable_program(struct weft_bpf_maps *maps) {
  const uint32_t first = 0;
  maps->config.is_enabled = 0;
  const int error = weft_bpf_map_update(maps->fds[WEFT_MAP_CONFIG], &first, &maps->config);
  if (error < 0) maps->error = error;
}

/* --- Routes --- */

/* The key of IPv4 is the first part of that of IPv6. */
static struct weft_bpf_key6 make_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_bpf_key6 key = {.bits = prefix_bits};
  memcpy(key.subnet, subnet, family == 4 ? 4 : 16);
  return key;
}

/* Descriptor of the map with the subnet, and its route; -1: none. */
static int find_route(const struct weft_bpf_maps *maps, unsigned family, const struct weft_bpf_key6 *key,
                      struct weft_bpf_route *route) {
  const struct weft_bpf_table *table = &maps->tables[index_of(family)];
  if (weft_bpf_map_lookup(maps->fds[table->main], key, route) == 0) return maps->fds[table->main];
  if (table->overflow_routes == 0 || weft_bpf_map_lookup(maps->fds[table->overflow], key, route) < 0) return -1;
  return maps->fds[table->overflow];
}

/*
 * A new prefix length or a new overflow table disables the program first: else packets would match
 * a shorter prefix.
 */
static int add_route(struct weft_bpf_maps *maps, struct weft_bpf_table *table, const struct weft_bpf_key6 *key,
                     const struct weft_bpf_route *route) {
  bool is_new = table->routes_of[key->bits]++ == 0;
  if (is_new) disable_program(maps);
  int error = weft_bpf_map_update(maps->fds[table->main], key, route);
  if (error == -E2BIG) {
    is_new |= table->overflow_routes++ == 0;
    if (is_new) disable_program(maps);
    error = weft_bpf_map_update(maps->fds[table->overflow], key, route);
  }
  if (is_new && error == 0) weft_bpf_maps_publish(maps);
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

static void set_route(struct weft_bpf_maps *maps, const struct weft_route *route) {
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  struct weft_bpf_route before, after = make_route(route);
  const int map = find_route(maps, route->family, &key, &before);
  if (map >= 0) after.counts = before.counts;
  if (map >= 0 && has_same_remote(&before, &after)) after.sends_super = before.sends_super;
  if (map >= 0 && is_same_route(&before, &after)) return;
  const int error = map >= 0 ? weft_bpf_map_update(map, &key, &after)
                             : add_route(maps, &maps->tables[index_of(route->family)], &key, &after);
  if (error == 0) return;
  maps->error = error;
  weft_bpf_maps_publish(maps);
}

void weft_bpf_maps_set_route(struct weft_bpf_maps *maps, const struct weft_route *route) {
  pthread_mutex_lock(&maps->routes_lock);
  set_route(maps, route);
  pthread_mutex_unlock(&maps->routes_lock);
}

static void update_mtu(struct weft_bpf_maps *maps, const struct weft_route *route) {
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  const struct weft_bpf_route now = make_route(route);
  struct weft_bpf_route found;
  const int map = find_route(maps, route->family, &key, &found);
  if (map < 0 || !has_same_remote(&found, &now) || found.mtu == now.mtu) return;
  found.mtu = now.mtu;
  weft_bpf_map_update(map, &key, &found);
}

void weft_bpf_maps_update_mtu(struct weft_bpf_maps *maps, const struct weft_route *route) {
  pthread_mutex_lock(&maps->routes_lock);
  update_mtu(maps, route);
  pthread_mutex_unlock(&maps->routes_lock);
}

static void remove_route(struct weft_bpf_maps *maps, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  const struct weft_bpf_key6 key = make_key(family, subnet, prefix_bits);
  struct weft_bpf_table *table = &maps->tables[index_of(family)];
  bool is_new = false;
  if (weft_bpf_map_delete(maps->fds[table->main], &key) < 0) {
    if (table->overflow_routes == 0 || weft_bpf_map_delete(maps->fds[table->overflow], &key) < 0) return;
    is_new = --table->overflow_routes == 0;
  }
  if (--table->routes_of[prefix_bits] == 0 || is_new) weft_bpf_maps_publish(maps);
}

void weft_bpf_maps_remove_route(struct weft_bpf_maps *maps, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits) {
  pthread_mutex_lock(&maps->routes_lock);
  remove_route(maps, family, subnet, prefix_bits);
  pthread_mutex_unlock(&maps->routes_lock);
}

/* --- Counts --- */

static void add(struct weft_bpf_counts *sum, const struct weft_bpf_counts *more) {
  sum->tx_packets += more->tx_packets;
  sum->tx_bytes += more->tx_bytes;
  sum->rx_packets += more->rx_packets;
  sum->rx_bytes += more->rx_bytes;
  sum->decap_packets += more->decap_packets;
}

struct weft_bpf_counts weft_bpf_maps_totals(const struct weft_bpf_maps *maps) {
  struct weft_bpf_counts sum = {0};
  const uint32_t first = 0;
  struct weft_bpf_counts *each = calloc(maps->cpus, sizeof(*each));
  if (each && weft_bpf_map_lookup(maps->fds[WEFT_MAP_TOTALS], &first, each) == 0)
    for (unsigned cpu = 0; cpu < maps->cpus; cpu++) add(&sum, &each[cpu]);
  free(each);
  return sum;
}

struct weft_bpf_counts weft_bpf_maps_route_counts(const struct weft_bpf_maps *maps, const struct weft_route *route) {
  const struct weft_bpf_key6 key = make_key(route->family, route->subnet, route->prefix_bits);
  struct weft_bpf_route found = {0};
  find_route(maps, route->family, &key, &found);
  return found.counts;
}
