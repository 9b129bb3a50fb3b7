/*
 * The pure functions of the packet path for test/packet-differential.spec.ts, each callable by
 * itself from JavaScript. Tests only: the product never loads this. Packets are Buffers; what is
 * written is a copy; a drop is returned as the name of its counter. Arguments are trusted: the spec
 * is the only caller.
 */
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/counters.h"
#include "packet/ecn.h"
#include "packet/encap.h"
#include "packet/fragment.h"
#include "packet/icmp.h"
#include "packet/packet.h"
#include "packet/segment.h"
#include "packet/wire.h"
#include "route/route.h"

enum { MAX_ARGUMENTS = 4 };

struct bytes {
  uint8_t *data;
  size_t length;
};

static void must(napi_status status) {
  if (status != napi_ok) napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "bad argument", NAPI_AUTO_LENGTH);
}

/* Values in and out. */

static void arguments(napi_env env, napi_callback_info info, napi_value *values) {
  size_t count = MAX_ARGUMENTS;
  must(napi_get_cb_info(env, info, &count, values, NULL, NULL));
}

static struct bytes bytes_of(napi_env env, napi_value value) {
  void *data;
  size_t length;
  must(napi_get_buffer_info(env, value, &data, &length));
  return (struct bytes){data, length};
}

static uint32_t number_of(napi_env env, napi_value value) {
  uint32_t number;
  must(napi_get_value_uint32(env, value, &number));
  return number;
}

static bool bool_of(napi_env env, napi_value value) {
  bool result;
  must(napi_get_value_bool(env, value, &result));
  return result;
}

static napi_value field(napi_env env, napi_value object, const char *name) {
  napi_value value;
  must(napi_get_named_property(env, object, name, &value));
  return value;
}

static napi_value element(napi_env env, napi_value array, uint32_t index) {
  napi_value value;
  must(napi_get_element(env, array, index, &value));
  return value;
}

static uint32_t length_of(napi_env env, napi_value array) {
  uint32_t length;
  must(napi_get_array_length(env, array, &length));
  return length;
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  must(napi_create_double(env, value, &result));
  return result;
}

static napi_value boolean(napi_env env, bool value) {
  napi_value result;
  must(napi_get_boolean(env, value, &result));
  return result;
}

static napi_value text(napi_env env, const char *value) {
  napi_value result;
  must(napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result));
  return result;
}

static napi_value buffer(napi_env env, const void *data, size_t length) {
  napi_value result;
  must(napi_create_buffer_copy(env, length, data, NULL, &result));
  return result;
}

static napi_value object(napi_env env) {
  napi_value result;
  must(napi_create_object(env, &result));
  return result;
}

static napi_value array(napi_env env) {
  napi_value result;
  must(napi_create_array(env, &result));
  return result;
}

static void set(napi_env env, napi_value target, const char *name, napi_value value) {
  must(napi_set_named_property(env, target, name, value));
}

static void append(napi_env env, napi_value target, napi_value value) {
  must(napi_set_element(env, target, length_of(env, target), value));
}

/* Two parts as one Buffer. */
static napi_value joined(napi_env env, const uint8_t *header, size_t header_bytes, const uint8_t *payload,
                         size_t payload_bytes) {
  void *data;
  napi_value result;
  must(napi_create_buffer(env, header_bytes + payload_bytes, &data, &result));
  memcpy(data, header, header_bytes);
  if (payload_bytes > 0) memcpy((uint8_t *)data + header_bytes, payload, payload_bytes);
  return result;
}

/* { drop: NAME } of a reason. */
static napi_value dropped(napi_env env, enum weft_drop_reason reason) {
  static const char *const names[] = {
#define NAME(symbol, name) #name,
      WEFT_COUNTERS(NAME)
#undef NAME
  };
  napi_value drop = object(env);
  const bool is_known = reason >= WEFT_DROP_TX_MALFORMED && reason < WEFT_COUNTER_COUNT;
  set(env, drop, "drop", text(env, is_known ? names[reason] : "no counter"));
  return drop;
}

static struct virtio_net_hdr virtio_of(napi_env env, napi_value value) {
  return (struct virtio_net_hdr){
      .flags = (uint8_t)number_of(env, field(env, value, "flags")),
      .gso_type = (uint8_t)number_of(env, field(env, value, "gsoType")),
      .hdr_len = (uint16_t)number_of(env, field(env, value, "headerBytes")),
      .gso_size = (uint16_t)number_of(env, field(env, value, "gsoSize")),
      .csum_start = (uint16_t)number_of(env, field(env, value, "checksumStart")),
      .csum_offset = (uint16_t)number_of(env, field(env, value, "checksumOffset")),
  };
}

static napi_value virtio(napi_env env, const struct virtio_net_hdr *header) {
  napi_value result = object(env);
  set(env, result, "flags", number(env, header->flags));
  set(env, result, "gsoType", number(env, header->gso_type));
  set(env, result, "headerBytes", number(env, header->hdr_len));
  set(env, result, "gsoSize", number(env, header->gso_size));
  set(env, result, "checksumStart", number(env, header->csum_start));
  set(env, result, "checksumOffset", number(env, header->csum_offset));
  return result;
}

/* Packets. */

/* Calls that follow a parse are for well-formed packets only. */
static struct weft_packet parsed(struct bytes bytes) {
  struct weft_packet packet;
  if (weft_packet_parse(bytes.data, bytes.length, &packet) != 0)
    napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "malformed packet", NAPI_AUTO_LENGTH);
  return packet;
}

/* parse(packet) */
static napi_value parse(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS], result;
  struct weft_packet packet;
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const enum weft_drop_reason drop = weft_packet_parse(bytes.data, bytes.length, &packet);
  if (drop != WEFT_NOT_DROPPED) return dropped(env, drop);
  result = object(env);
  set(env, result, "family", number(env, packet.family));
  set(env, result, "protocol", number(env, packet.protocol));
  set(env, result, "tos", number(env, packet.tos));
  set(env, result, "ttl", number(env, packet.ttl));
  set(env, result, "isFragment", boolean(env, packet.is_fragment));
  set(env, result, "isLaterFragment", boolean(env, packet.is_later_fragment));
  set(env, result, "hasOptions", boolean(env, packet.has_options));
  set(env, result, "isSourceRouted", boolean(env, packet.is_source_routed));
  set(env, result, "networkBytes", number(env, packet.network_bytes));
  set(env, result, "transportBytes", number(env, packet.transport_bytes));
  set(env, result, "totalBytes", number(env, packet.total_bytes));
  return result;
}

/* checksumState(packet) */
static napi_value checksum_state(napi_env env, napi_callback_info info) {
  static const char *const names[] = {[WEFT_CHECKSUM_BAD] = "bad",
                                      [WEFT_CHECKSUM_GOOD] = "good",
                                      [WEFT_CHECKSUM_PARTIAL] = "partial",
                                      [WEFT_CHECKSUM_NONE] = "none"};
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  return text(env, names[weft_packet_checksum(bytes.data, &packet)]);
}

/* isPartial(packet) */
static napi_value is_partial(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  return boolean(env, weft_packet_is_partial(bytes.data, &packet));
}

/* flowHash(packet) */
static napi_value flow_hash(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  return number(env, weft_packet_flow_hash(bytes.data, &packet));
}

/* decrementTtl(packet) */
static napi_value decrement_ttl(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  napi_value result = buffer(env, bytes.data, bytes.length);
  weft_packet_decrement_ttl(bytes_of(env, result).data, &packet);
  return result;
}

/* Folded sum in network byte order. */
static napi_value sum(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const uint16_t folded = weft_fold(weft_sum(0, bytes.data, bytes.length));
  return number(env, weft_load16((const uint8_t *)&folded));
}

/* updateChecksum(checksum, before, after), two bytes each */
static napi_value update_checksum(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  uint16_t before, after;
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  memcpy(&before, bytes_of(env, values[1]).data, sizeof(before));
  memcpy(&after, bytes_of(env, values[2]).data, sizeof(after));
  napi_value result = buffer(env, bytes.data, bytes.length);
  weft_update_checksum(bytes_of(env, result).data, before, after);
  return result;
}

/* Super-packets. */

/* segment(virtioHeader, packet) */
static napi_value segment(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  struct weft_segmenter segmenter;
  uint8_t headers[WEFT_MAX_INNER_HEADER];
  arguments(env, info, values);
  const struct virtio_net_hdr header = virtio_of(env, values[0]);
  const struct bytes bytes = bytes_of(env, values[1]);
  const struct weft_packet packet = parsed(bytes);
  const enum weft_drop_reason drop = weft_segmenter_init(&segmenter, &header, bytes.data, bytes.length, &packet);
  if (drop != WEFT_NOT_DROPPED) return dropped(env, drop);
  napi_value result = array(env);
  while (weft_segmenter_next(&segmenter, headers))
    append(env, result, joined(env, headers, segmenter.header_bytes, segmenter.payload, segmenter.payload_bytes));
  return result;
}

/* completeChecksum(virtioHeader, packet) */
static napi_value complete_checksum(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct virtio_net_hdr header = virtio_of(env, values[0]);
  const struct bytes bytes = bytes_of(env, values[1]);
  napi_value result = buffer(env, bytes.data, bytes.length);
  const enum weft_drop_reason drop = weft_complete_checksum(&header, bytes_of(env, result).data, bytes.length);
  return drop != WEFT_NOT_DROPPED ? dropped(env, drop) : result;
}

/* One write as { header, bytes, packets, innerBytes }; empties the coalescer. */
static napi_value taken(napi_env env, struct weft_coalescer *coalescer) {
  struct virtio_net_hdr header;
  napi_value bytes, result = object(env);
  void *data;
  size_t total = 0, at = 0;
  weft_coalescer_take(coalescer);
  memcpy(&header, coalescer->iov[0].iov_base, sizeof(header));
  for (unsigned i = 1; i < coalescer->iov_count; i++) total += coalescer->iov[i].iov_len;
  must(napi_create_buffer(env, total, &data, &bytes));
  for (unsigned i = 1; i < coalescer->iov_count; at += coalescer->iov[i++].iov_len)
    memcpy((uint8_t *)data + at, coalescer->iov[i].iov_base, coalescer->iov[i].iov_len);
  if (total != coalescer->total_bytes)
    napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "total_bytes is not what iov holds", NAPI_AUTO_LENGTH);
  set(env, result, "header", virtio(env, &header));
  set(env, result, "bytes", bytes);
  set(env, result, "packets", number(env, coalescer->packets));
  set(env, result, "innerBytes", number(env, coalescer->inner_bytes));
  weft_coalescer_clear(coalescer);
  return result;
}

/* coalesce(packets, flags): the writes to the TUN device, in the order of a worker's calls. */
static napi_value coalesce(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS], result = array(env);
  static struct weft_coalescer coalescer;
  arguments(env, info, values);
  const uint32_t count = length_of(env, values[0]);
  const unsigned flags = number_of(env, values[1]);
  memset(&coalescer, 0, sizeof(coalescer));
  for (uint32_t i = 0; i < count; i++) {
    const struct bytes bytes = bytes_of(env, element(env, values[0], i));
    const struct weft_packet packet = parsed(bytes);
    if (weft_coalescer_add(&coalescer, bytes.data, &packet, flags)) continue;
    append(env, result, taken(env, &coalescer));
    if (!weft_coalescer_add(&coalescer, bytes.data, &packet, flags))
      napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "empty coalescer refused", NAPI_AUTO_LENGTH);
  }
  if (coalescer.packets > 0) append(env, result, taken(env, &coalescer));
  return result;
}

/* deliverPartial(packet, mtu, segmentPayload) */
static napi_value deliver_partial(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  static struct weft_coalescer coalescer;
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  memset(&coalescer, 0, sizeof(coalescer));
  weft_coalescer_put_partial(&coalescer, bytes.data, &packet, number_of(env, values[1]), number_of(env, values[2]));
  return taken(env, &coalescer);
}

/* The tunnel. */

static const struct weft_encap *encap_of(napi_env env, napi_value is_vxlan) {
  return bool_of(env, is_vxlan) ? &weft_encap_vxlan : &weft_encap_udp;
}

/* { vni, mac } */
static struct weft_encap_settings settings_of(napi_env env, napi_value value) {
  struct weft_encap_settings settings = {.vni = number_of(env, field(env, value, "vni"))};
  memcpy(settings.mac, bytes_of(env, field(env, value, "mac")).data, sizeof(settings.mac));
  return settings;
}

/* encapsulate(isVxlan, settings, peerMac, packet) */
static napi_value encapsulate(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS], result;
  uint8_t header[WEFT_MAX_ENCAP_HEADER], *datagram;
  arguments(env, info, values);
  const struct weft_encap *const encap = encap_of(env, values[0]);
  const struct weft_encap_settings settings = settings_of(env, values[1]);
  const struct bytes inner = bytes_of(env, values[3]);
  const struct weft_packet packet = parsed(inner);
  must(napi_create_buffer(env, encap->header_bytes + inner.length, (void **)&datagram, &result));
  memcpy(datagram + encap->header_bytes, inner.data, inner.length);
  encap->make_header(header, &settings, bytes_of(env, values[2]).data);
  weft_encap_push(encap, datagram + encap->header_bytes, header, packet.family);
  return result;
}

/* decapsulate(isVxlan, settings, datagram): the inner packet with its padding */
static napi_value decapsulate(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  const struct weft_encap *const encap = encap_of(env, values[0]);
  const struct weft_encap_settings settings = settings_of(env, values[1]);
  const struct bytes datagram = bytes_of(env, values[2]);
  const enum weft_drop_reason drop = encap->check(datagram.data, datagram.length, &settings);
  if (drop != WEFT_NOT_DROPPED) return dropped(env, drop);
  return buffer(env, datagram.data + encap->header_bytes, datagram.length - encap->header_bytes);
}

/* ecnEncap(innerTos, inheritsDscp) */
static napi_value ecn_encap(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  arguments(env, info, values);
  return number(env, weft_ecn_encap((uint8_t)number_of(env, values[0]), bool_of(env, values[1])));
}

/* ecnDecap(packet, outerTos) */
static napi_value ecn_decap(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  struct weft_packet after;
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  struct weft_packet packet = parsed(bytes);
  napi_value result = buffer(env, bytes.data, bytes.length);
  const struct bytes copy = bytes_of(env, result);
  const enum weft_drop_reason drop = weft_ecn_decap(copy.data, &packet, (uint8_t)number_of(env, values[1]));
  if (drop != WEFT_NOT_DROPPED) return dropped(env, drop);
  after = parsed(copy);
  if (after.tos != packet.tos)
    napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "tos is not that of the packet", NAPI_AUTO_LENGTH);
  return result;
}

/* icmp(error, mtu, source, packet) or null */
static napi_value icmp(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS], nothing;
  uint8_t out[WEFT_MAX_ICMP];
  arguments(env, info, values);
  const struct bytes source = bytes_of(env, values[2]), bytes = bytes_of(env, values[3]);
  const struct weft_packet packet = parsed(bytes);
  const size_t length = weft_icmp_make(out, (enum weft_icmp_error)number_of(env, values[0]), number_of(env, values[1]),
                                       source.data, bytes.data, &packet);
  must(napi_get_null(env, &nothing));
  return length == 0 ? nothing : buffer(env, out, length);
}

/* fragment(packet, mtu) */
static napi_value fragment(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  struct weft_fragmenter fragmenter;
  uint8_t header[60];
  arguments(env, info, values);
  const struct bytes bytes = bytes_of(env, values[0]);
  const struct weft_packet packet = parsed(bytes);
  const enum weft_drop_reason drop = weft_fragmenter_init(&fragmenter, bytes.data, &packet, number_of(env, values[1]));
  if (drop != WEFT_NOT_DROPPED) return dropped(env, drop);
  napi_value result = array(env);
  while (weft_fragmenter_next(&fragmenter, header))
    append(env, result, joined(env, header, fragmenter.header_bytes, fragmenter.payload, fragmenter.payload_bytes));
  return result;
}

/* Routes. */

static struct weft_route route_of(napi_env env, napi_value prefix) {
  const struct bytes subnet = bytes_of(env, field(env, prefix, "subnet"));
  struct weft_route route = {.family = subnet.length == 4 ? 4 : 6,
                             .prefix_bits = (uint8_t)number_of(env, field(env, prefix, "bits")),
                             .remote.v4.sin_family = AF_INET};
  memcpy(route.subnet, subnet.data, subnet.length);
  return route;
}

/* longestPrefix([{ subnet, bits }], address): bits of the route found, or -1 */
static napi_value longest_prefix(napi_env env, napi_callback_info info) {
  napi_value values[MAX_ARGUMENTS];
  struct weft_routes *const routes = weft_routes_new(1);
  arguments(env, info, values);
  const uint32_t count = length_of(env, values[0]);
  for (uint32_t i = 0; i < count; i++) {
    const struct weft_route route = route_of(env, element(env, values[0], i));
    if (weft_routes_set(routes, &route) < 0)
      napi_fatal_error("oracle-binding", NAPI_AUTO_LENGTH, "route refused", NAPI_AUTO_LENGTH);
  }
  const struct bytes address = bytes_of(env, values[1]);
  weft_routes_enter(routes, 0);
  const struct weft_route *const found = weft_routes_find(routes, address.length == 4 ? 4 : 6, address.data);
  const int bits = found == NULL ? -1 : found->prefix_bits;
  weft_routes_leave(routes, 0);
  weft_routes_free(routes);
  return number(env, bits);
}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"parse", parse},
      {"checksumState", checksum_state},
      {"isPartial", is_partial},
      {"flowHash", flow_hash},
      {"decrementTtl", decrement_ttl},
      {"sum", sum},
      {"updateChecksum", update_checksum},
      {"segment", segment},
      {"completeChecksum", complete_checksum},
      {"coalesce", coalesce},
      {"deliverPartial", deliver_partial},
      {"encapsulate", encapsulate},
      {"decapsulate", decapsulate},
      {"ecnEncap", ecn_encap},
      {"ecnDecap", ecn_decap},
      {"icmp", icmp},
      {"fragment", fragment},
      {"longestPrefix", longest_prefix},
  };
  for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
    napi_value function;
    must(napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function));
    set(env, exports, functions[i].name, function);
  }
  return exports;
}
