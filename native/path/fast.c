/* Loads and feeds the program in the kernel. Every failure leaves the workers to do what it would have done. */
#include "fast.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bpf/program.h"

enum {
  /* Linux 6.6; headers may be older. */
  ATTACH_TCX_INGRESS = 46,
  ATTACH_TCX_EGRESS = 47,
  /* In a BPF_LD | BPF_DW instruction: the constant is the descriptor of a map. */
  CODE_LOAD_64 = 0x18,
  IPV4_BITS = 32,
};

/* One of the two programs and where it is attached. */
struct hook {
  int program_fd, link_fd; /* -1: none */
  unsigned index;          /* of the interface that it is attached to */
};

struct weft_fast {
  char tun[IF_NAMESIZE];
  int maps[WEFT_MAP_COUNT];
  struct hook tx, rx;
  struct weft_fast_config config;
  unsigned routes_of[IPV4_BITS + 1]; /* routes by prefix length */
  int probe_fd; /* a UDP socket that asks for routes and never sends */
  unsigned cpus;
  int broken; /* negative errno: its routes are not those of the workers any more */
};

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  const long result = syscall(SYS_bpf, command, attributes, sizeof(*attributes));
  return result < 0 ? -errno : (int)result;
}

static uint64_t pointer(const void *address) {
  return (uint64_t)(uintptr_t)address;
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

static int make_map(enum bpf_map_type type, size_t key_bytes, size_t value_bytes, unsigned entries) {
  union bpf_attr attributes = {.map_type = type,
                               .key_size = (uint32_t)key_bytes,
                               .value_size = (uint32_t)value_bytes,
                               .max_entries = entries,
                               .map_flags = type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : 0};
  return bpf(BPF_MAP_CREATE, &attributes);
}

static int update(int map, const void *key, const void *value) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value), .flags = BPF_ANY};
  return bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}

static int find(int map, const void *key, void *value) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value)};
  return bpf(BPF_MAP_LOOKUP_ELEM, &attributes);
}

static int make_maps(struct weft_fast *fast) {
  int *maps = fast->maps;
  maps[WEFT_MAP_CONFIG] = make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct weft_fast_config), 1);
  if (maps[WEFT_MAP_CONFIG] < 0) return maps[WEFT_MAP_CONFIG];
  maps[WEFT_MAP_ROUTES] =
      make_map(BPF_MAP_TYPE_HASH, sizeof(struct weft_fast_key), sizeof(struct weft_fast_route), WEFT_FAST_MAX_ROUTES);
  if (maps[WEFT_MAP_ROUTES] < 0) return maps[WEFT_MAP_ROUTES];
  maps[WEFT_MAP_TOTALS] = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct weft_fast_counts), 1);
  return maps[WEFT_MAP_TOTALS] < 0 ? maps[WEFT_MAP_TOTALS] : 0;
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

/* Puts descriptors of maps where the program names one. */
static void name_maps(const struct weft_fast *fast, struct bpf_insn *code, size_t count) {
  for (size_t at = 0; at + 1 < count; at++) {
    if (code[at].code != CODE_LOAD_64 || code[at].src_reg != 0) continue;
    if ((uint32_t)code[at + 1].imm == WEFT_MAP_MARK && (uint32_t)code[at].imm < WEFT_MAP_COUNT) {
      code[at].src_reg = BPF_PSEUDO_MAP_FD;
      code[at].imm = fast->maps[code[at].imm];
      code[at + 1].imm = 0;
    }
    at++;
  }
}

static int load(const struct weft_fast *fast, const uint64_t *instructions, size_t bytes) {
  struct bpf_insn *code = malloc(bytes);
  if (!code) return -ENOMEM;
  memcpy(code, instructions, bytes);
  name_maps(fast, code, bytes / sizeof(*code));
  union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
                               .insns = pointer(code),
                               .insn_cnt = (uint32_t)(bytes / sizeof(*code)),
                               .license = pointer("GPL")};
  memcpy(attributes.prog_name, "weft_fast", sizeof("weft_fast"));
  const int fd = bpf(BPF_PROG_LOAD, &attributes);
  free(code);
  return fd;
}

static int load_programs(struct weft_fast *fast) {
  fast->tx.program_fd = load(fast, weft_fast_tx, sizeof(weft_fast_tx));
  if (fast->tx.program_fd < 0) return fast->tx.program_fd;
  fast->rx.program_fd = load(fast, weft_fast_rx, sizeof(weft_fast_rx));
  return fast->rx.program_fd < 0 ? fast->rx.program_fd : 0;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Whether the link still leads to an interface: the kernel cuts it off from one that is removed. */
static bool is_linked(const struct hook *hook) {
  struct bpf_link_info info = {0};
  union bpf_attr attributes = {.info = {.bpf_fd = (uint32_t)hook->link_fd, .info_len = sizeof(info), .info = pointer(&info)}};
  /* The index of the interface comes first in the part of TCX, which older headers do not know: netns_ino is there. */
  return hook->link_fd >= 0 && bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0 && info.netns.netns_ino == hook->index;
}

static int attach(struct hook *hook, unsigned index, unsigned type) {
  if (index != 0 && hook->index == index && is_linked(hook)) return 0;
  close_fd(&hook->link_fd);
  hook->index = index;
  if (index == 0) return -ENODEV;
  union bpf_attr attributes = {.link_create = {.prog_fd = (uint32_t)hook->program_fd, .target_ifindex = index, .attach_type = type}};
  hook->link_fd = bpf(BPF_LINK_CREATE, &attributes);
  return hook->link_fd < 0 ? hook->link_fd : 0;
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

static uint32_t mask_of(unsigned bits) {
  return bits == 0 ? 0 : htonl(~(uint32_t)0 << (IPV4_BITS - bits));
}

/* Tells the program which prefix lengths there are; a packet that comes meanwhile at worst goes by the workers. */
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
  config->lengths = (uint16_t)(lengths < WEFT_FAST_LENGTHS ? lengths : WEFT_FAST_LENGTHS);
  config->is_enabled = lengths <= WEFT_FAST_LENGTHS && fast->broken == 0 && fast->tx.link_fd >= 0 && fast->rx.link_fd >= 0;
  const int error = update(fast->maps[WEFT_MAP_CONFIG], &first, config);
  if (error < 0) fast->broken = error;
}

/* The workers do all, until write_config. */
static void pause_program(struct weft_fast *fast) {
  const uint32_t first = 0;
  fast->config.is_enabled = 0;
  const int error = update(fast->maps[WEFT_MAP_CONFIG], &first, &fast->config);
  if (error < 0) fast->broken = error;
}

static bool make_key(unsigned family, const uint8_t *subnet, unsigned prefix_bits, struct weft_fast_key *key) {
  if (family != 4) return false;
  key->bits = prefix_bits;
  memcpy(&key->subnet, subnet, sizeof(key->subnet));
  return true;
}

/* The program finds smaller MTUs that routers told, but not that of the host's own route (ip-route(8), mtu). */
static uint32_t mtu_to(const struct weft_fast *fast, const union weft_endpoint *remote) {
  /* Forgets the source address that the last answer brought. */
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  int mtu = 0;
  socklen_t length = sizeof(mtu);
  connect(fast->probe_fd, &nobody, sizeof(nobody));
  if (connect(fast->probe_fd, &remote->any, sizeof(remote->v4)) < 0) return UINT16_MAX;
  return getsockopt(fast->probe_fd, IPPROTO_IP, IP_MTU, &mtu, &length) < 0 ? UINT16_MAX : (uint32_t)mtu;
}

void weft_fast_set_route(struct weft_fast *fast, const struct weft_route *route) {
  struct weft_fast_key key;
  struct weft_fast_route before, after = {0};
  if (!fast || !make_key(route->family, route->subnet, route->prefix_bits, &key)) return;
  const bool is_new = find(fast->maps[WEFT_MAP_ROUTES], &key, &before) < 0;
  if (!is_new) after.counts = before.counts;
  after.remote = route->remote.v4.sin_addr.s_addr;
  after.port = route->remote.v4.sin_port;
  after.mtu = mtu_to(fast, &route->remote);
  memcpy(after.mac, route->mac, sizeof(after.mac));
  if (!is_new && memcmp(&before, &after, offsetof(struct weft_fast_route, counts)) == 0) return;
  const bool is_new_length = is_new && fast->routes_of[route->prefix_bits]++ == 0;
  /* Until the program knows the length, its packets must not meet a route of a shorter one. */
  if (is_new_length) pause_program(fast);
  const int error = update(fast->maps[WEFT_MAP_ROUTES], &key, &after);
  if (error < 0) fast->broken = error;
  if (error < 0 || is_new_length) write_config(fast);
}

void weft_fast_remove_route(struct weft_fast *fast, unsigned family, const uint8_t *subnet, unsigned prefix_bits) {
  struct weft_fast_key key;
  if (!fast || !make_key(family, subnet, prefix_bits, &key)) return;
  union bpf_attr attributes = {.map_fd = (uint32_t)fast->maps[WEFT_MAP_ROUTES], .key = pointer(&key)};
  if (bpf(BPF_MAP_DELETE_ELEM, &attributes) < 0) return;
  if (--fast->routes_of[prefix_bits] == 0) write_config(fast);
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
  if (each && find(fast->maps[WEFT_MAP_TOTALS], &first, each) == 0)
    for (unsigned cpu = 0; cpu < fast->cpus; cpu++) add(&sum, &each[cpu]);
  free(each);
  return sum;
}

struct weft_fast_counts weft_fast_count_route(const struct weft_fast *fast, const struct weft_route *route) {
  struct weft_fast_key key;
  struct weft_fast_route found = {0};
  if (fast && make_key(route->family, route->subnet, route->prefix_bits, &key)) find(fast->maps[WEFT_MAP_ROUTES], &key, &found);
  return found.counts;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

/* CPUs that the kernel keeps values for: all that could ever be there. */
static unsigned possible_cpus(void) {
  /* CONFIG_NR_CPUS at its largest, for the list may be missing. */
  enum { MOST = 8192 };
  unsigned last = 0, number;
  bool is_known = false;
  FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
  /* Ranges and numbers, for example 0-3,8: the last number is the highest. */
  while (file && fscanf(file, "%*[-,]") != EOF && fscanf(file, "%u", &number) == 1) {
    last = number;
    is_known = true;
  }
  if (file) fclose(file);
  return is_known && last < MOST ? last + 1 : MOST;
}

static const char *name_by_address(const struct ifaddrs *list, uint32_t address) {
  for (; list; list = list->ifa_next) {
    const struct sockaddr_in *own = (const void *)list->ifa_addr;
    if (own && own->sin_family == AF_INET && own->sin_addr.s_addr == address) return list->ifa_name;
  }
  return NULL;
}

/* Index of the Ethernet interface that has `address`, or 0. */
static unsigned underlay_index(uint32_t address) {
  struct ifaddrs *list;
  unsigned index = 0;
  if (getifaddrs(&list) < 0) return 0;
  const char *label = name_by_address(list, address);
  char name[IF_NAMESIZE] = "";
  if (label) snprintf(name, sizeof(name), "%.*s", (int)strcspn(label, ":"), label); /* eth0:1 is on eth0 */
  for (const struct ifaddrs *each = list; label && each; each = each->ifa_next) {
    const struct sockaddr_ll *link = (const void *)each->ifa_addr;
    if (link && link->sll_family == AF_PACKET && link->sll_hatype == ARPHRD_ETHER && strcmp(each->ifa_name, name) == 0)
      index = (unsigned)link->sll_ifindex;
  }
  freeifaddrs(list);
  return index;
}

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
  fast->tx = fast->rx = (struct hook){-1, -1, 0};
  fast->cpus = possible_cpus();
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

bool weft_fast_attach(struct weft_fast *fast, char *reason) {
  if (!fast) return false;
  fast->config.tun_index = if_nametoindex(fast->tun);
  int error = attach(&fast->tx, fast->config.tun_index, ATTACH_TCX_EGRESS);
  if (error < 0) tell(reason, "the kernel does not attach the program to the TUN device (TCX, Linux 6.6)", error);
  const int rx_error = attach(&fast->rx, underlay_index(fast->config.local), ATTACH_TCX_INGRESS);
  if (rx_error < 0 && error == 0) tell(reason, "no Ethernet interface with the underlay address", error = rx_error);
  write_config(fast);
  if (fast->broken < 0) tell(reason, "its table of routes failed", error = fast->broken);
  else if (error == 0 && !fast->config.is_enabled) snprintf(reason, WEFT_REASON_BYTES, "subnets have more than %d lengths", WEFT_FAST_LENGTHS);
  return fast->config.is_enabled;
}

void weft_fast_close(struct weft_fast *fast) {
  if (!fast) return;
  close_fd(&fast->tx.link_fd);
  close_fd(&fast->rx.link_fd);
  close_fd(&fast->tx.program_fd);
  close_fd(&fast->rx.program_fd);
  for (unsigned at = 0; at < WEFT_MAP_COUNT; at++) close_fd(&fast->maps[at]);
  close_fd(&fast->probe_fd);
  free(fast);
}
