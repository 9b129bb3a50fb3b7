/*
 * The packet path for native/packet-path.ts, with positional arguments. A device is an external
 * value. Closing it, or the end of the Node environment, stops its threads.
 */
#include "binding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/bpf-path.h"
#include "bpf/filter.h"
#include "path/path.h"
#include "path/worker.h"

/* The target of an external value. `path` is NULL once closed. */
struct handle {
  struct weft_path *path;
};

enum { NAME_BYTES = 64 };

static void close_handle(void *data) {
  struct handle *handle = data;
  if (handle->path) weft_path_close(handle->path);
  handle->path = NULL;
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  napi_remove_env_cleanup_hook(env, close_handle, data);
  close_handle(data);
  free(data);
}

/* The device of an argument, or NULL with an error pending. */
static struct weft_path *path_of(napi_env env, napi_value value) {
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok || !((struct handle *)data)->path) {
    weft__throw_type(env, "the device of the packet path is closed");
    return NULL;
  }
  return ((struct handle *)data)->path;
}

/* The device of a call without further arguments, or NULL with an error pending. */
static struct weft_path *only_path(napi_env env, napi_callback_info info) {
  napi_value value;
  return weft__arguments(env, info, 1, &value) < 0 ? NULL : path_of(env, value);
}

static bool read_text(napi_env env, napi_value value, char *text, size_t room) {
  size_t length;
  return napi_get_value_string_utf8(env, value, text, room, &length) == napi_ok && length < room - 1;
}

static bool read_uint(napi_env env, napi_value value, unsigned max, unsigned *number) {
  return napi_get_value_uint32(env, value, number) == napi_ok && *number <= max;
}

/* An address in text and a port as an endpoint. */
static bool read_endpoint(napi_env env, napi_value address, napi_value port, union weft_endpoint *endpoint) {
  char text[NAME_BYTES];
  unsigned number;
  memset(endpoint, 0, sizeof(*endpoint));
  if (!read_text(env, address, text, sizeof(text)) || !read_uint(env, port, 65535, &number)) return false;
  endpoint->v4.sin_port = htons((uint16_t)number); /* the same offset in both families */
  if (inet_pton(AF_INET, text, &endpoint->v4.sin_addr) == 1) endpoint->any.sa_family = AF_INET;
  else if (inet_pton(AF_INET6, text, &endpoint->v6.sin6_addr) == 1) endpoint->any.sa_family = AF_INET6;
  return endpoint->any.sa_family != 0;
}

/* Six bytes of a Uint8Array. */
static bool read_mac(napi_env env, napi_value value, uint8_t *mac) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return false;
  if (type != napi_uint8_array || length != 6) return false;
  memcpy(mac, data, 6);
  return true;
}

/* Triples (kind, index, fd) of an Int32Array. */
static bool read_fds(napi_env env, napi_value value, struct weft_path_fd *fds, unsigned *count) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return false;
  if (type != napi_int32_array || length % 3 != 0 || length / 3 > WEFT_MAX_PATH_FDS) return false;
  const int32_t *numbers = data;
  *count = (unsigned)(length / 3);
  for (unsigned at = 0; at < *count; at++)
    fds[at] = (struct weft_path_fd){(enum weft_path_fd_kind)numbers[3 * at], (unsigned)numbers[3 * at + 1],
                                    numbers[3 * at + 2]};
  return true;
}

static napi_value make_external(napi_env env, struct weft_path *path) {
  napi_value external;
  struct handle *handle = malloc(sizeof(*handle));
  if (handle) *handle = (struct handle){path};
  if (handle && napi_create_external(env, handle, finalize, NULL, &external) == napi_ok) {
    napi_add_env_cleanup_hook(env, close_handle, handle);
    return external;
  }
  weft_path_close(path);
  free(handle);
  return weft__throw_errno(env, "malloc", -ENOMEM);
}

static bool read_settings(napi_env env, napi_value *values, struct weft_path_settings *settings) {
  unsigned is_vxlan, flags;
  memset(settings, 0, sizeof(*settings));
  if (!read_text(env, values[0], settings->name, sizeof(settings->name)) || !read_uint(env, values[1], 1, &is_vxlan) ||
      !read_endpoint(env, values[2], values[3], &settings->local) ||
      !read_uint(env, values[4], 0xffffff, &settings->encap_settings.vni) ||
      !read_mac(env, values[5], settings->encap_settings.mac) ||
      !read_uint(env, values[6], WEFT_MAX_WORKERS, &settings->workers) || settings->workers == 0 ||
      !read_uint(env, values[7], WEFT_MAX_SOURCE_PORTS, &settings->source_ports) ||
      !read_uint(env, values[8], 31, &flags))
    return false;
  settings->encap = is_vxlan ? &weft_encap_vxlan : &weft_encap_udp;
  settings->is_source_checked = flags & 1;
  settings->inherits_dscp = flags & 2;
  settings->start_paused = flags & 4;
  settings->use_bpf = flags & 8;
  settings->avoids_bpf_links = flags & 16;
  return true;
}

/*
 * pathOpen(name, isVxlan, local, port, vni, mac, workers, sourcePorts, flags, adopted): the device.
 */
static napi_value path_open(napi_env env, napi_callback_info info) {
  napi_value values[10];
  struct weft_path_settings settings;
  struct weft_path_fd adopted[WEFT_MAX_PATH_FDS];
  struct weft_path *path;
  const char *failed_call;
  unsigned count;
  if (weft__arguments(env, info, 10, values) < 0) return NULL;
  if (!read_settings(env, values, &settings) || !read_fds(env, values[9], adopted, &count))
    return weft__throw_type(env, "pathOpen: a name, address, port, VNI, MAC address or number is out of bounds");
  const int error = weft_path_open(&settings, adopted, count, &path, &failed_call);
  return error < 0 ? weft__throw_errno(env, failed_call, error) : make_external(env, path);
}

static napi_value make_boolean(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : NULL;
}

/* pathStart(device): whether pathDescriptors changed. */
static napi_value path_start(napi_env env, napi_callback_info info) {
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  const int result = weft_path_start(path);
  return result < 0 ? weft__throw_errno(env, "pthread_create", result) : make_boolean(env, result > 0);
}

/* pathClose(device) */
static napi_value path_close(napi_env env, napi_callback_info info) {
  napi_value value;
  void *data = NULL;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_external(env, value, &data) == napi_ok) close_handle(data);
  return NULL;
}

/* pathConfigure(device, mtu, ipv4, ipv6): empty text for no address. */
static napi_value path_configure(napi_env env, napi_callback_info info) {
  napi_value values[4];
  char ipv4[NAME_BYTES], ipv6[NAME_BYTES];
  struct weft_path_config config = {0};
  if (weft__arguments(env, info, 4, values) < 0) return NULL;
  struct weft_path *path = path_of(env, values[0]);
  if (!path) return NULL;
  if (!read_uint(env, values[1], 65535, &config.mtu) || !read_text(env, values[2], ipv4, sizeof(ipv4)) ||
      !read_text(env, values[3], ipv6, sizeof(ipv6)))
    return weft__throw_type(env, "pathConfigure takes (device, mtu, ipv4, ipv6)");
  config.has_ipv4 = inet_pton(AF_INET, ipv4, config.ipv4) == 1;
  config.has_ipv6 = inet_pton(AF_INET6, ipv6, config.ipv6) == 1;
  weft_path_configure(path, &config);
  return NULL;
}

/* Family 4 or 6 and bytes of a subnet's address. */
static unsigned read_subnet(napi_env env, napi_value value, uint8_t *subnet) {
  char text[NAME_BYTES];
  if (!read_text(env, value, text, sizeof(text))) return 0;
  if (inet_pton(AF_INET, text, subnet) == 1) return 4;
  return inet_pton(AF_INET6, text, subnet) == 1 ? 6 : 0;
}

/*
 * pathSetRoute(device, subnet, prefixLength, remote, port, mac, needsSegments, acceptsZeroChecksum)
 */
static napi_value path_set_route(napi_env env, napi_callback_info info) {
  napi_value values[8];
  struct weft_route route = {0};
  unsigned bits;
  if (weft__arguments(env, info, 8, values) < 0) return NULL;
  struct weft_path *path = path_of(env, values[0]);
  if (!path) return NULL;
  route.family = (uint8_t)read_subnet(env, values[1], route.subnet);
  if (route.family == 0 || !read_uint(env, values[2], 128, &bits) ||
      !read_endpoint(env, values[3], values[4], &route.remote) || !read_mac(env, values[5], route.mac) ||
      napi_get_value_bool(env, values[6], &route.needs_segments) != napi_ok ||
      napi_get_value_bool(env, values[7], &route.accepts_zero_checksum) != napi_ok)
    return weft__throw_type(env, "pathSetRoute takes (device, subnet, prefixLength, remote, port, mac, needsSegments, "
                                 "acceptsZeroChecksum)");
  if (route.remote.any.sa_family != path->settings.local.any.sa_family)
    return weft__throw_errno(env, "pathSetRoute", -EAFNOSUPPORT);
  route.prefix_bits = (uint8_t)bits;
  path->settings.encap->make_header(route.header, &path->settings.encap_settings, route.mac);
  const int error = weft_path_set_route(path, &route);
  return error < 0 ? weft__throw_errno(env, "pathSetRoute", error) : NULL;
}

/* pathRemoveRoute(device, subnet, prefixLength): whether there was one. */
static napi_value path_remove_route(napi_env env, napi_callback_info info) {
  napi_value values[3];
  uint8_t subnet[16];
  unsigned bits;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  struct weft_path *path = path_of(env, values[0]);
  if (!path) return NULL;
  const unsigned family = read_subnet(env, values[1], subnet);
  if (family == 0 || !read_uint(env, values[2], 128, &bits))
    return weft__throw_type(env, "pathRemoveRoute takes (device, subnet, prefixLength)");
  return make_boolean(env, weft_path_remove_route(path, family, subnet, bits) == 0);
}

/* pathRename(device, name): the TUN device has this name now. */
static napi_value path_rename(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char name[IF_NAMESIZE];
  if (weft__arguments(env, info, 2, values) < 0) return NULL;
  struct weft_path *path = path_of(env, values[0]);
  if (!path) return NULL;
  if (!read_text(env, values[1], name, sizeof(name))) return weft__throw_type(env, "pathRename takes (device, name)");
  weft_path_rename(path, name);
  return NULL;
}

/* A new array of 64-bit numbers; NULL: out of memory. */
static uint64_t *make_numbers(napi_env env, size_t count, napi_value *array) {
  napi_value buffer;
  void *data;
  if (napi_create_arraybuffer(env, count * sizeof(uint64_t), &data, &buffer) != napi_ok) return NULL;
  if (napi_create_typedarray(env, napi_biguint64_array, count, buffer, 0, array) != napi_ok) return NULL;
  return data;
}

struct peer_list {
  napi_env env;
  const struct weft_path *path;
  napi_value names;
  uint64_t *numbers;
  uint32_t count;
};

enum { NUMBERS_PER_PEER = 5 };

static void list_peer(void *context, const struct weft_route *route) {
  struct peer_list *list = context;
  const struct weft_peer *peer = route->peer;
  uint64_t *numbers = list->numbers + (size_t)list->count * NUMBERS_PER_PEER;
  char address[INET6_ADDRSTRLEN], name[NAME_BYTES];
  const struct weft_bpf_counts kernel = weft_bpf_path_route_counts(list->path->bpf, route);
  napi_value text;
  inet_ntop(route->family == 4 ? AF_INET : AF_INET6, route->subnet, address, sizeof(address));
  snprintf(name, sizeof(name), "%s/%u", address, route->prefix_bits);
  if (napi_create_string_utf8(list->env, name, NAPI_AUTO_LENGTH, &text) != napi_ok) return;
  napi_set_element(list->env, list->names, list->count++, text);
  numbers[0] = atomic_load_explicit(&peer->tx_packets, memory_order_relaxed) + kernel.tx_packets;
  numbers[1] = atomic_load_explicit(&peer->tx_bytes, memory_order_relaxed) + kernel.tx_bytes;
  numbers[2] = atomic_load_explicit(&peer->rx_packets, memory_order_relaxed) + kernel.rx_packets;
  numbers[3] = atomic_load_explicit(&peer->rx_bytes, memory_order_relaxed) + kernel.rx_bytes;
  const uint32_t local = atomic_load_explicit(&peer->path_mtu, memory_order_relaxed), known = weft_peer_mtu(peer);
  numbers[4] = known == 0 || (local != 0 && local < known) ? local : known;
}

/*
 * pathPeers(device): [subnets, numbers], five numbers per subnet: packets and bytes sent, received,
 * path MTU or 0.
 */
static napi_value path_peers(napi_env env, napi_callback_info info) {
  napi_value result, numbers = NULL;
  struct peer_list list = {.env = env};
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  list.path = path;
  list.numbers = make_numbers(env, weft_routes_count(path->routes) * NUMBERS_PER_PEER, &numbers);
  if (!numbers) return NULL;
  if (napi_create_array(env, &list.names) != napi_ok || napi_create_array(env, &result) != napi_ok) return NULL;
  weft_routes_each(path->routes, list_peer, &list);
  napi_set_element(env, result, 0, list.names);
  napi_set_element(env, result, 1, numbers);
  return result;
}

/* pathCounters(device): one number per counter, in the order of pathCounterNames. */
static napi_value path_counters(napi_env env, napi_callback_info info) {
  napi_value array;
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  uint64_t *numbers = make_numbers(env, WEFT_COUNTER_COUNT, &array);
  if (!numbers) return NULL;
  weft_path_counts(path, numbers);
  return array;
}

/* pathCounterNames() */
static napi_value path_counter_names(napi_env env, napi_callback_info info) {
  static const char *const names[] = {
#define WEFT_COUNTER_NAME(symbol, name) #name,
      WEFT_COUNTERS(WEFT_COUNTER_NAME)
#undef WEFT_COUNTER_NAME
  };
  napi_value array, text;
  (void)info;
  if (napi_create_array(env, &array) != napi_ok) return NULL;
  for (uint32_t which = 0; which < WEFT_COUNTER_COUNT; which++)
    if (napi_create_string_utf8(env, names[which], NAPI_AUTO_LENGTH, &text) == napi_ok)
      napi_set_element(env, array, which, text);
  return array;
}

/* pathOffloads(device): bits 0..3 for TSO, USO, UDP GSO, UDP GRO. */
static napi_value path_offloads(napi_env env, napi_callback_info info) {
  napi_value result;
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  const struct weft_path_offloads *offloads = &path->offloads;
  const unsigned bits =
      (offloads->tso ? 1u : 0) | (offloads->uso ? 2u : 0) | (offloads->gso ? 4u : 0) | (offloads->gro ? 8u : 0);
  return napi_create_uint32(env, bits, &result) == napi_ok ? result : NULL;
}

/*
 * pathRefresh(device): reattaches BPF programs after interfaces changed. Returns whether
 * pathDescriptors changed.
 */
static napi_value path_refresh(napi_env env, napi_callback_info info) {
  struct weft_path *path = only_path(env, info);
  return path ? make_boolean(env, weft_path_refresh(path)) : NULL;
}

/* pathBpfDisabledReason(device): why the BPF fast path is off; empty if it is on. */
static napi_value path_bpf_disabled_reason(napi_env env, napi_callback_info info) {
  napi_value text;
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  const char *reason = path->is_bpf_active ? "" : path->bpf_disabled_reason;
  return napi_create_string_utf8(env, reason, NAPI_AUTO_LENGTH, &text) == napi_ok ? text : NULL;
}

/* pathDecapDevice(device): name of the decapsulating device in use; empty: none. */
static napi_value path_decap_device(napi_env env, napi_callback_info info) {
  napi_value text;
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  const char *name = path->is_bpf_active ? weft_bpf_path_decap_name(path->bpf) : "";
  return napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text) == napi_ok ? text : NULL;
}

/* pathJoinDevice(device): name of the joining pair's receiving end; empty: none. */
static napi_value path_join_device(napi_env env, napi_callback_info info) {
  napi_value text;
  struct weft_path *path = only_path(env, info);
  if (!path) return NULL;
  const char *name = path->is_bpf_active ? weft_bpf_path_join_name(path->bpf) : "";
  return napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text) == napi_ok ? text : NULL;
}

/* pathDescriptors(device): numbers in threes: kind, index, descriptor. */
static napi_value path_descriptors(napi_env env, napi_callback_info info) {
  napi_value array, number;
  struct weft_path_fd fds[WEFT_MAX_PATH_FDS];
  struct weft_path *path = only_path(env, info);
  if (!path || napi_create_array(env, &array) != napi_ok) return NULL;
  const unsigned count = weft_path_fds(path, fds, WEFT_MAX_PATH_FDS);
  for (uint32_t at = 0; at < 3 * count; at++) {
    const struct weft_path_fd *fd = &fds[at / 3];
    const int32_t numbers[3] = {(int32_t)fd->kind, (int32_t)fd->index, fd->fd};
    if (napi_create_int32(env, numbers[at % 3], &number) == napi_ok) napi_set_element(env, array, at, number);
  }
  return array;
}

/* pathFilters(removes): how many filters of the BPF fast path are on this host, of any process. */
static napi_value path_filters(napi_env env, napi_callback_info info) {
  napi_value value, result;
  bool removes;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_bool(env, value, &removes) != napi_ok) return weft__throw_type(env, "pathFilters takes (removes)");
  return napi_create_uint32(env, weft_filter_find_all(removes), &result) == napi_ok ? result : NULL;
}

int weft_path_init(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"pathOpen", path_open},
      {"pathStart", path_start},
      {"pathClose", path_close},
      {"pathRename", path_rename},
      {"pathConfigure", path_configure},
      {"pathSetRoute", path_set_route},
      {"pathRemoveRoute", path_remove_route},
      {"pathPeers", path_peers},
      {"pathCounters", path_counters},
      {"pathCounterNames", path_counter_names},
      {"pathOffloads", path_offloads},
      {"pathDescriptors", path_descriptors},
      {"pathRefresh", path_refresh},
      {"pathDecapDevice", path_decap_device},
      {"pathJoinDevice", path_join_device},
      {"pathFilters", path_filters},
      {"pathBpfDisabledReason", path_bpf_disabled_reason},
  };
  for (size_t at = 0; at < sizeof(functions) / sizeof(functions[0]); at++)
    if (weft__export(env, exports, functions[at].name, functions[at].function) < 0) return -EINVAL;
  return 0;
}
