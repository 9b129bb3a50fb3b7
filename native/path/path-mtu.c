/* Runs the search for path MTUs. mtu-search.c decides. */
#include "path-mtu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "packet/wire.h"
#include "probe/echo.h"
#include "worker.h"

enum {
  /*
   * Lower reports are ignored: each IPv4 host takes 576 bytes (RFC 791 §3.1), each IPv6 link 1280
   * (RFC 8200 §5; RFC 8201 §4 forbids to believe less).
   */
  FLOOR_IPV4 = 576,
  FLOOR_IPV6 = 1280,
  /* Lowest report that is believed of a peer that answers no echoes. */
  UNVERIFIED_FLOOR = 1280,
  /* RFC 791: each link carries 68 bytes. Less leaves no room for an inner packet. */
  LEAST_INNER = 68,
};

static const uint64_t SECOND_NS = 1000ull * 1000 * 1000;
/* Searches about one peer, at most one in this time. */
static const uint64_t SEARCH_NS = 2 * SECOND_NS;
/* A reported peer is found at most once in this time: O(routes), and errors can be forged. */
static const uint64_t LOOKUP_NS = SECOND_NS / 100;
/* Time until a larger packet on a narrow path starts a search. */
static const uint64_t NARROW_NS = 60 * SECOND_NS;

static uint32_t load32(const _Atomic uint32_t *value) {
  return atomic_load_explicit(value, memory_order_relaxed);
}

static uint64_t load64(const _Atomic uint64_t *value) {
  return atomic_load_explicit(value, memory_order_relaxed);
}

/* --- Limits --- */

static uint32_t local_mtu(const struct weft_route *route) {
  const uint32_t mtu = load32(&route->peer->path_mtu);
  if (mtu == 0 || weft_now_ns() < load64(&route->peer->path_mtu_until_ns)) return mtu;
  atomic_store_explicit(&route->peer->path_mtu, 0, memory_order_relaxed);
  return 0;
}

static size_t inner_of(const struct weft_worker *worker, uint32_t mtu) {
  return mtu < worker->path->overhead + LEAST_INNER ? WEFT_MAX_PACKET : mtu - worker->path->overhead;
}

size_t weft_path_mtu_limit(const struct weft_worker *worker, const struct weft_route *route) {
  const size_t local = inner_of(worker, local_mtu(route));
  const size_t known = inner_of(worker, weft_peer_mtu(route->peer));
  return local < known ? local : known;
}

static uint16_t largest_inner(const struct weft_worker *worker, const struct weft_route *route) {
  const size_t device = load32(&worker->path->mtu);
  const size_t host = inner_of(worker, load32(&route->peer->host_mtu));
  return (uint16_t)(device < host ? device : host);
}

/* --- Search --- */

static void open_socket(struct weft_worker *worker) {
  struct weft_path *path = worker->path;
  struct weft_path_mtu *mtu = &worker->path_mtu;
  union weft_echo_address source;
  char name[IF_NAMESIZE];
  memset(&source, 0, sizeof(source));
  pthread_mutex_lock(&path->config_lock);
  const bool is_v4 = mtu->target.family == 4;
  const bool has_source = is_v4 ? path->config.has_ipv4 : path->config.has_ipv6;
  source.any.sa_family = is_v4 ? AF_INET : AF_INET6;
  if (is_v4) memcpy(&source.ipv4.sin_addr, path->config.ipv4, 4);
  else memcpy(&source.ipv6.sin6_addr, path->config.ipv6, 16);
  memcpy(name, path->settings.name, sizeof(name));
  pthread_mutex_unlock(&path->config_lock);
  mtu->fd = weft_echo_open(source.any.sa_family, mtu->identifier, name, has_source ? &source : NULL);
}

static void send_round(struct weft_worker *worker) {
  struct weft_path_mtu *mtu = &worker->path_mtu;
  const unsigned header_bytes = mtu->target.family == 4 ? WEFT_IPV4_BYTES : WEFT_IPV6_BYTES;
  union weft_echo_address to;
  double time_us;
  memset(&to, 0, sizeof(to));
  to.any.sa_family = mtu->target.family == 4 ? AF_INET : AF_INET6;
  /* The device of a host has the first address of its subnet, in weft and in flannel. */
  if (mtu->target.family == 4) memcpy(&to.ipv4.sin_addr, mtu->target.subnet, 4);
  else memcpy(&to.ipv6.sin6_addr, mtu->target.subnet, 16);
  for (unsigned index = weft_mtu_search_first(&mtu->search); index < mtu->search.count; index++)
    weft_echo_send(mtu->fd, &to, mtu->identifier, (uint16_t)index,
                   mtu->search.sizes[index] - header_bytes - WEFT_ECHO_HEADER_BYTES, mtu->token, &time_us);
}

void weft_path_mtu_end(struct weft_worker *worker) {
  if (worker->path_mtu.fd < 0) return;
  close(worker->path_mtu.fd);
  worker->path_mtu.fd = -1;
  atomic_store(&worker->path->probe_identifier, 0);
}

/*
 * One search a device at a time. `reported`: path MTU to try among others; 0: unknown.
 */
static void begin(struct weft_worker *worker, const struct weft_route *route, uint32_t reported) {
  struct weft_path_mtu *mtu = &worker->path_mtu;
  const unsigned overhead = worker->path->overhead;
  const bool is_v4 = route->remote.any.sa_family == AF_INET;
  const uint32_t candidates[] = {reported, load32(&route->peer->probed_mtu), is_v4 ? FLOOR_IPV4 : FLOOR_IPV6,
                                 UNVERIFIED_FLOOR};
  uint16_t hints[sizeof(candidates) / sizeof(candidates[0])];
  uint32_t expected = 0;
  if (getrandom(mtu->token, sizeof(mtu->token), GRND_NONBLOCK) < 0) return;
  if (getrandom(&mtu->identifier, sizeof(mtu->identifier), GRND_NONBLOCK) < 0 || mtu->identifier == 0) return;
  if (!atomic_compare_exchange_strong(&worker->path->probe_identifier, &expected, mtu->identifier)) return;
  for (unsigned at = 0; at < sizeof(hints) / sizeof(hints[0]); at++)
    hints[at] = (uint16_t)(candidates[at] > overhead ? candidates[at] - overhead : 0);
  mtu->target = *route;
  mtu->target.peer = NULL;
  mtu->reported = reported;
  weft_mtu_search_begin(&mtu->search, largest_inner(worker, route), hints, sizeof(hints) / sizeof(hints[0]));
  atomic_store_explicit(&route->peer->search_after_ns, weft_now_ns() + SEARCH_NS, memory_order_relaxed);
  open_socket(worker);
  if (mtu->fd < 0) atomic_store(&worker->path->probe_identifier, 0);
}

/* The route of the search, or NULL if it has changed. */
static const struct weft_route *find_target(const struct weft_worker *worker) {
  const struct weft_route *target = &worker->path_mtu.target;
  const struct weft_route *route = weft_routes_find(worker->path->routes, target->family, target->subnet);
  const bool is_same =
      route && route->prefix_bits == target->prefix_bits && weft_endpoint_same_address(&route->remote, &target->remote);
  return is_same ? route : NULL;
}

/* The path MTU by the answers so far; 0: that of the device. */
static uint32_t found_mtu(const struct weft_worker *worker) {
  const struct weft_path_mtu *mtu = &worker->path_mtu;
  const uint32_t floor = mtu->target.remote.any.sa_family == AF_INET ? FLOOR_IPV4 : FLOOR_IPV6;
  if (weft_mtu_search_is_whole(&mtu->search)) return 0;
  const uint16_t best = weft_mtu_search_best(&mtu->search);
  if (best == 0) return mtu->reported < UNVERIFIED_FLOOR ? 0 : mtu->reported;
  const uint32_t found = best + worker->path->overhead;
  return found < floor ? floor : found;
}

static void apply(struct weft_worker *worker) {
  const struct weft_route *route = find_target(worker);
  if (!route) return;
  const uint64_t now_ns = weft_now_ns();
  atomic_store_explicit(&route->peer->probed_mtu, found_mtu(worker), memory_order_relaxed);
  atomic_store_explicit(&route->peer->grow_after_ns, now_ns + NARROW_NS, memory_order_relaxed);
  weft_bpf_path_update_mtu(worker->path->bpf, route);
}

static void read_answers(struct weft_path_mtu *mtu) {
  struct weft_echo_answer answer;
  const int family = mtu->target.family == 4 ? AF_INET : AF_INET6;
  while (weft_echo_read(mtu->fd, family, mtu->token, &answer) > 0)
    if (answer.kind == WEFT_ECHO_REPLY && answer.has_token) weft_mtu_search_answer(&mtu->search, answer.sequence);
}

void weft_path_mtu_run(struct weft_worker *worker) {
  struct weft_path_mtu *mtu = &worker->path_mtu;
  if (mtu->fd < 0) return;
  read_answers(mtu);
  const uint64_t now_ns = weft_now_ns();
  if (weft_mtu_search_is_done(&mtu->search, now_ns)) {
    apply(worker);
    weft_path_mtu_end(worker);
  } else if (weft_mtu_search_next(&mtu->search, now_ns)) {
    /* The control is answered: large packets are being lost. Later answers may lift the limit. */
    if (mtu->search.round > 1 && weft_mtu_search_best(&mtu->search) != 0) apply(worker);
    send_round(worker);
  }
}

int weft_path_mtu_wait_ms(const struct weft_worker *worker) {
  const struct weft_path_mtu *mtu = &worker->path_mtu;
  if (mtu->fd < 0) return -1;
  const uint64_t now_ns = weft_now_ns();
  if (mtu->search.round == 0 || now_ns >= mtu->search.due_ns) return 0;
  return (int)((mtu->search.due_ns - now_ns) / (1000 * 1000)) + 1;
}

/* --- Events --- */

/* An ICMP error about a datagram to `remote`, which the kernel matched with the socket's port. */
static void suspect(struct weft_worker *worker, const union weft_endpoint *remote, uint32_t reported) {
  const uint32_t floor = remote->any.sa_family == AF_INET ? FLOOR_IPV4 : FLOOR_IPV6;
  if (load32(&worker->path->probe_identifier) != 0) return;
  /* 0: a router before RFC 1191. */
  if (reported != 0 && reported < floor) return;
  if (!weft_routes_has_remote(worker->path->routes, remote)) return;
  const uint64_t now_ns = weft_now_ns();
  if (now_ns < worker->path_mtu.lookup_after_ns) return;
  worker->path_mtu.lookup_after_ns = now_ns + LOOKUP_NS;
  const struct weft_route *route = weft_routes_find_remote(worker->path->routes, remote);
  if (!route || now_ns < load64(&route->peer->search_after_ns)) return;
  const size_t limit = weft_path_mtu_limit(worker, route), largest = largest_inner(worker, route);
  /* No packet was that large. */
  if (reported >= worker->path->overhead + (limit < largest ? limit : largest)) return;
  begin(worker, route, reported);
}

uint32_t weft_path_mtu_drain(struct weft_worker *worker, int fd, const union weft_endpoint *remote) {
  struct weft_udp_error error;
  uint32_t found = 0;
  while (weft_udp_take_error(fd, &error)) {
    if (!error.is_too_big) continue;
    if (!error.is_local) suspect(worker, &error.remote, error.mtu);
    else if (remote && error.mtu != 0 && weft_endpoint_same_address(&error.remote, remote)) found = error.mtu;
  }
  return found;
}

void weft_path_mtu_exceeded(struct weft_worker *worker, const struct weft_route *route) {
  const uint32_t probed = load32(&route->peer->probed_mtu);
  if (probed == 0 || weft_now_ns() < load64(&route->peer->grow_after_ns)) return;
  if (load32(&worker->path->probe_identifier) == 0) begin(worker, route, probed);
}

bool weft_path_mtu_is_probe(const struct weft_worker *worker, const uint8_t *data, const struct weft_packet *packet) {
  const uint32_t identifier = load32(&worker->path->probe_identifier);
  const uint8_t *echo = data + packet->network_bytes;
  if (identifier == 0 || packet->is_fragment ||
      packet->total_bytes < packet->network_bytes + (unsigned)WEFT_ECHO_HEADER_BYTES)
    return false;
  if (packet->protocol != (packet->family == 4 ? WEFT_PROTOCOL_ICMP : WEFT_PROTOCOL_ICMPV6)) return false;
  return echo[0] == (packet->family == 4 ? 8 : 128) && weft_load16(echo + 4) == identifier;
}
