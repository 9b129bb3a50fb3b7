/* Loads and feeds the program in the kernel. Every failure leaves the workers to do what it would have done. */
#include "fast.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/kernel/program.h"
#include "bpf.h"
#include "hook.h"
#include "underlay.h"

enum { IPV4_BITS = 32 };

struct weft_fast {
  char tun[IF_NAMESIZE];
  int maps[WEFT_MAP_COUNT];
  struct weft_hook hooks[WEFT_FAST_HOOKS];
  struct weft_fast_config config;
  unsigned routes_of[IPV4_BITS + 1]; /* routes by prefix length */
  unsigned more_routes;              /* of these in the second table */
  int probe_fd; /* a UDP socket that asks for routes and never sends */
  unsigned cpus;
  int broken; /* negative errno: its routes are not those of the workers any more */
  bool has_other_links; /* than when somebody last asked */
};

/* ---- maps and programs ----------------------------------------------------------------------------------------- */

static int make_table(unsigned entries) {
  return weft_bpf_make_map(BPF_MAP_TYPE_HASH, sizeof(struct weft_fast_key), sizeof(struct weft_fast_route), entries);
}

static int make_maps(struct weft_fast *fast) {
  int *maps = fast->maps;
  maps[WEFT_MAP_CONFIG] = weft_bpf_make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct weft_fast_config), 1);
  if (maps[WEFT_MAP_CONFIG] < 0) return maps[WEFT_MAP_CONFIG];
  maps[WEFT_MAP_ROUTES] = make_table(WEFT_FAST_FIRST_ROUTES);
  if (maps[WEFT_MAP_ROUTES] < 0) return maps[WEFT_MAP_ROUTES];
  maps[WEFT_MAP_MORE_ROUTES] = make_table(WEFT_FAST_MAX_ROUTES - WEFT_FAST_FIRST_ROUTES);
  if (maps[WEFT_MAP_MORE_ROUTES] < 0) return maps[WEFT_MAP_MORE_ROUTES];
  maps[WEFT_MAP_TOTALS] = weft_bpf_make_map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct weft_fast_counts), 1);
  return maps[WEFT_MAP_TOTALS] < 0 ? maps[WEFT_MAP_TOTALS] : 0;
}

static int load_programs(struct weft_fast *fast) {
  int *tx = &fast->hooks[WEFT_FAST_TX].program_fd, *rx = &fast->hooks[WEFT_FAST_RX].program_fd;
  *tx = weft_bpf_load(weft_fast_tx, sizeof(weft_fast_tx), fast->maps);
  if (*tx < 0) return *tx;
  *rx = weft_bpf_load(weft_fast_rx, sizeof(weft_fast_rx), fast->maps);
  return *rx < 0 ? *rx : 0;
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

static uint32_t mask_of(unsigned bits) {
  return bits == 0 ? 0 : htonl(~(uint32_t)0 << (IPV4_BITS - bits));
}

/* Tells the program which prefix lengths and tables there are; a packet that comes meanwhile at worst goes by the workers. */
static void write_config(struct weft_fast *fast) {
  const uint32_t first = 0;
  struct weft_fast_config *config = &fast->config;
  unsigned lengths = 0;
  for (unsigned bits = IPV4_BITS + 1; bits-- > 0;) {
    if (fast->routes_of[bits] == 0) continue;
    if (lengths < WEFT_FAST_LENGTHS) {
      config->length[lengths].bits = bits;
      config->length[lengths].mask = mask_of(bits);
    }
    lengths++;
  }
  config->has_more_routes = fast->more_routes > 0;
  config->lengths = (uint8_t)(lengths < WEFT_FAST_LENGTHS ? lengths : WEFT_FAST_LENGTHS);
  config->is_enabled = lengths <= WEFT_FAST_LENGTHS && fast->broken == 0 && fast->hooks[WEFT_FAST_TX].link_fd >= 0 &&
                       fast->hooks[WEFT_FAST_RX].link_fd >= 0;
  const int error = weft_bpf_set(fast->maps[WEFT_MAP_CONFIG], &first, config);
  if (error < 0) fast->broken = error;
}

/* The workers do all, until write_config. */
static void pause_program(struct weft_fast *fast) {
  const uint32_t first = 0;
  fast->config.is_enabled = 0;
  const int error = weft_bpf_set(fast->maps[WEFT_MAP_CONFIG], &first, &fast->config);
  if (error < 0) fast->broken = error;
}

static bool make_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits, struct weft_fast_key *key) {
  if (family != 4) return false;
  key->bits = prefix_bits;
  memcpy(&key->subnet, subnet, sizeof(key->subnet));
  return true;
}

/* Descriptor of the table that has the subnet, and what it has; -1: none. */
static int find_route(const struct weft_fast *fast, const struct weft_fast_key *key, struct weft_fast_route *route) {
  if (weft_bpf_find(fast->maps[WEFT_MAP_ROUTES], key, route) == 0) return fast->maps[WEFT_MAP_ROUTES];
  if (fast->more_routes == 0 || weft_bpf_find(fast->maps[WEFT_MAP_MORE_ROUTES], key, route) < 0) return -1;
  return fast->maps[WEFT_MAP_MORE_ROUTES];
}

/* Until the program knows a length, or that there is a second table, its packets must not meet a route of a shorter one. */
static int add_route(struct weft_fast *fast, const struct weft_fast_key *key, const struct weft_fast_route *route) {
  bool is_news = fast->routes_of[key->bits]++ == 0;
  if (is_news) pause_program(fast);
  int error = weft_bpf_set(fast->maps[WEFT_MAP_ROUTES], key, route);
  if (error == -E2BIG) {
    is_news |= fast->more_routes++ == 0;
    if (is_news) pause_program(fast);
    error = weft_bpf_set(fast->maps[WEFT_MAP_MORE_ROUTES], key, route);
  }
  if (is_news && error == 0) write_config(fast);
  return error;
}

void weft_fast_set_route(struct weft_fast *fast, const struct weft_route *route) {
  struct weft_fast_key key;
  struct weft_fast_route before, after = {0};
  if (!fast || !make_key(route->family, route->subnet, route->prefix_bits, &key)) return;
  const int table = find_route(fast, &key, &before);
  if (table >= 0) after.counts = before.counts;
  after.remote = route->remote.v4.sin_addr.s_addr;
  after.port = route->remote.v4.sin_port;
  after.mtu = weft_underlay_mtu(fast->probe_fd, &route->remote);
  memcpy(after.mac, route->mac, sizeof(after.mac));
  if (table >= 0 && memcmp(&before, &after, offsetof(struct weft_fast_route, counts)) == 0) return;
  const int error = table >= 0 ? weft_bpf_set(table, &key, &after) : add_route(fast, &key, &after);
  if (error == 0) return;
  fast->broken = error;
  write_config(fast);
}

void weft_fast_remove_route(struct weft_fast *fast, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_fast_key key;
  if (!fast || !make_key(family, subnet, prefix_bits, &key)) return;
  bool is_news = false;
  if (weft_bpf_remove(fast->maps[WEFT_MAP_ROUTES], &key) < 0) {
    if (weft_bpf_remove(fast->maps[WEFT_MAP_MORE_ROUTES], &key) < 0) return;
    is_news = --fast->more_routes == 0;
  }
  if (--fast->routes_of[prefix_bits] == 0 || is_news) write_config(fast);
}

/* ---- counts ---------------------------------------------------------------------------------------------------- */

static void add(struct weft_fast_counts *sum, const struct weft_fast_counts *more) {
  sum->tx_packets += more->tx_packets;
  sum->tx_bytes += more->tx_bytes;
  sum->rx_packets += more->rx_packets;
  sum->rx_bytes += more->rx_bytes;
}

struct weft_fast_counts weft_fast_totals(const struct weft_fast *fast) {
  struct weft_fast_counts sum = {0};
  const uint32_t first = 0;
  struct weft_fast_counts *each = fast ? calloc(fast->cpus, sizeof(*each)) : NULL;
  if (each && weft_bpf_find(fast->maps[WEFT_MAP_TOTALS], &first, each) == 0)
    for (unsigned cpu = 0; cpu < fast->cpus; cpu++) add(&sum, &each[cpu]);
  free(each);
  return sum;
}

struct weft_fast_counts weft_fast_count_route(const struct weft_fast *fast, const struct weft_route *route) {
  struct weft_fast_key key;
  struct weft_fast_route found = {0};
  if (fast && make_key(route->family, route->subnet, route->prefix_bits, &key)) find_route(fast, &key, &found);
  return found.counts;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static void fill_config(struct weft_fast *fast, const struct weft_fast_settings *settings) {
  struct weft_fast_config *config = &fast->config;
  config->local = settings->local->v4.sin_addr.s_addr;
  config->port = settings->local->v4.sin_port;
  config->is_vxlan = !settings->encap->is_hop;
  config->inherits_dscp = settings->inherits_dscp;
  config->vni = htonl(settings->encap_settings->vni << 8);
  memcpy(config->mac, settings->encap_settings->mac, sizeof(config->mac));
}

static struct weft_fast *make(const struct weft_fast_settings *settings) {
  struct weft_fast *fast = calloc(1, sizeof(*fast));
  if (!fast) return NULL;
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) fast->maps[at] = -1;
  fast->hooks[WEFT_FAST_TX] = (struct weft_hook){-1, -1, WEFT_HOOK_EGRESS, false};
  fast->hooks[WEFT_FAST_RX] = (struct weft_hook){-1, -1, WEFT_HOOK_INGRESS, false};
  fast->cpus = weft_bpf_cpus();
  fast->probe_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(fast->tun, sizeof(fast->tun), "%s", settings->tun);
  fill_config(fast, settings);
  return fast;
}

static void tell(char *reason, const char *what, int error) {
  const char *remedy = error == -EPERM ? "; it takes CAP_BPF and CAP_NET_ADMIN outside of user namespaces" : "";
  snprintf(reason, WEFT_REASON_BYTES, "%s: %s%s", what, strerror(-error), remedy);
}

struct weft_fast *weft_fast_open(const struct weft_fast_settings *settings, char *reason) {
  if (settings->local->any.sa_family != AF_INET) {
    snprintf(reason, WEFT_REASON_BYTES, "the underlay is IPv6");
    return NULL;
  }
  struct weft_fast *fast = make(settings);
  int error = fast ? make_maps(fast) : -ENOMEM;
  if (error == 0) error = load_programs(fast);
  if (error == 0) return fast;
  tell(reason, "the kernel does not load the program", error);
  weft_fast_close(fast);
  return NULL;
}

void weft_fast_inherit(struct weft_fast *fast, enum weft_fast_hook which, int link_fd) {
  weft_hook_inherit(&fast->hooks[which], link_fd);
}

int weft_fast_link(const struct weft_fast *fast, enum weft_fast_hook which) {
  return fast ? fast->hooks[which].link_fd : -1;
}

/* 0, or negative errno with the reason. */
static int attach(struct weft_fast *fast, enum weft_fast_hook which, unsigned index, const char *failure, char *reason) {
  struct weft_hook *hook = &fast->hooks[which];
  const bool had_link = hook->link_fd >= 0;
  const int result = weft_hook_attach(hook, index);
  if (result > 0 || (result < 0 && had_link)) fast->has_other_links = true;
  if (result >= 0) return 0;
  tell(reason, failure, result);
  return result;
}

bool weft_fast_attach(struct weft_fast *fast, char *reason) {
  if (!fast) return false;
  fast->config.tun_index = if_nametoindex(fast->tun);
  const unsigned underlay = weft_underlay_index(fast->config.local);
  int error = attach(fast, WEFT_FAST_RX, underlay, "no Ethernet interface with the underlay address", reason);
  const int tx_error = attach(fast, WEFT_FAST_TX, fast->config.tun_index,
                              "the kernel does not attach the program to the TUN device (TCX, Linux 6.6)", reason);
  if (error == 0) error = tx_error;
  write_config(fast);
  if (fast->broken < 0) tell(reason, "its table of routes failed", error = fast->broken);
  else if (error == 0 && !fast->config.is_enabled) snprintf(reason, WEFT_REASON_BYTES, "subnets have more than %d lengths", WEFT_FAST_LENGTHS);
  return fast->config.is_enabled;
}

bool weft_fast_take_change(struct weft_fast *fast) {
  const bool has_changed = fast && fast->has_other_links;
  if (has_changed) fast->has_other_links = false;
  return has_changed;
}

static void close_fd(int fd) {
  if (fd >= 0) close(fd);
}

void weft_fast_close(struct weft_fast *fast) {
  if (!fast) return;
  for (unsigned which = 0; which < WEFT_FAST_HOOKS; which++) weft_hook_close(&fast->hooks[which]);
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) close_fd(fast->maps[at]);
  close_fd(fast->probe_fd);
  free(fast);
}
