/* ICMP echoes and checksum probes for JavaScript: addresses as text, answers as objects. */
#include "binding.h"
#include "checksum-probe.h"
#include "probe/echo-sweep.h"
#include "probe/echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

/* Answers per call. The kernel queues more. */
enum { MAX_ANSWERS = 256 };

static bool is_undefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

static bool read_address(napi_env env, napi_value value, union weft_echo_address *address) {
  char text[INET6_ADDRSTRLEN + 1];
  size_t length;
  memset(address, 0, sizeof(*address));
  if (napi_get_value_string_utf8(env, value, text, sizeof(text), &length) != napi_ok) return false;
  if (inet_pton(AF_INET, text, &address->ipv4.sin_addr) == 1) {
    address->any.sa_family = AF_INET;
    return true;
  }
  address->any.sa_family = AF_INET6;
  return inet_pton(AF_INET6, text, &address->ipv6.sin6_addr) == 1;
}

static bool read_uint(napi_env env, napi_value value, uint32_t max, uint32_t *number) {
  return napi_get_value_uint32(env, value, number) == napi_ok && *number <= max;
}

static bool read_token(napi_env env, napi_value value, const uint8_t **token) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return false;
  *token = data;
  return type == napi_uint8_array && length == WEFT_ECHO_TOKEN_BYTES;
}

static bool read_family(napi_env env, napi_value value, int *family) {
  uint32_t number;
  if (!read_uint(env, value, 6, &number)) return false;
  *family = number == 4 ? AF_INET : AF_INET6;
  return number == 4 || number == 6;
}

/* echoOpen(family, identifier, device?, source?): the descriptor. */
static napi_value echo_open(napi_env env, napi_callback_info info) {
  static const char usage[] = "echoOpen takes (4 or 6, identifier, device or undefined, source or undefined)";
  napi_value values[4], result;
  char device[IFNAMSIZ + 1];
  union weft_echo_address source;
  size_t length;
  uint32_t identifier;
  int family;
  if (weft__arguments(env, info, 4, values) < 0) return NULL;
  const bool has_device = !is_undefined(env, values[2]), has_source = !is_undefined(env, values[3]);
  if (!read_family(env, values[0], &family) || !read_uint(env, values[1], 0xffff, &identifier) ||
      (has_device && napi_get_value_string_utf8(env, values[2], device, sizeof(device), &length) != napi_ok) ||
      (has_source && (!read_address(env, values[3], &source) || source.any.sa_family != family)))
    return weft__throw_type(env, usage);
  const int fd = weft_echo_open(family, (uint16_t)identifier, has_device ? device : NULL, has_source ? &source : NULL);
  if (fd < 0) return weft__throw_errno(env, "socket", fd);
  return napi_create_int32(env, fd, &result) == napi_ok ? result : NULL;
}

/* echoSetTtl(fd, family, ttl). */
static napi_value echo_set_ttl(napi_env env, napi_callback_info info) {
  napi_value values[3];
  int32_t fd;
  uint32_t ttl;
  int family;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok || !read_family(env, values[1], &family) ||
      !read_uint(env, values[2], 255, &ttl))
    return weft__throw_type(env, "echoSetTtl takes (fd, 4 or 6, ttl)");
  const int error = weft_echo_set_ttl(fd, family, (int)ttl);
  return error < 0 ? weft__throw_errno(env, "setsockopt", error) : NULL;
}

/* echoSend(fd, address, identifier, sequence, payloadBytes, token): the send time in µs. */
static napi_value echo_send(napi_env env, napi_callback_info info) {
  static const char usage[] = "echoSend takes (fd, address, identifier, sequence, payloadBytes, token)";
  napi_value values[6], result;
  union weft_echo_address to;
  const uint8_t *token;
  uint32_t identifier, sequence, payload_bytes;
  double time_us;
  int32_t fd;
  if (weft__arguments(env, info, 6, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok || !read_address(env, values[1], &to) ||
      !read_uint(env, values[2], 0xffff, &identifier) || !read_uint(env, values[3], 0xffff, &sequence) ||
      !read_uint(env, values[4], 0xffff, &payload_bytes) || !read_token(env, values[5], &token))
    return weft__throw_type(env, usage);
  const int error = weft_echo_send(fd, &to, (uint16_t)identifier, (uint16_t)sequence, payload_bytes, token, &time_us);
  if (error < 0) return weft__throw_errno(env, "sendto", error);
  return napi_create_double(env, time_us, &result) == napi_ok ? result : NULL;
}

static void set_number(napi_env env, napi_value object, const char *name, double number) {
  napi_value value;
  if (napi_create_double(env, number, &value) == napi_ok) napi_set_named_property(env, object, name, value);
}

static void set_boolean(napi_env env, napi_value object, const char *name, bool flag) {
  napi_value value;
  if (napi_get_boolean(env, flag, &value) == napi_ok) napi_set_named_property(env, object, name, value);
}

static void set_text(napi_env env, napi_value object, const char *name, const char *text) {
  napi_value value;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
    napi_set_named_property(env, object, name, value);
}

/* Omitted without an address. */
static void set_address(napi_env env, napi_value object, const char *name, const union weft_echo_address *address) {
  char text[INET6_ADDRSTRLEN];
  const void *bytes = address->any.sa_family == AF_INET ? (const void *)&address->ipv4.sin_addr
                                                        : (const void *)&address->ipv6.sin6_addr;
  const int family = address->any.sa_family;
  if ((family == AF_INET || family == AF_INET6) && inet_ntop(family, bytes, text, sizeof(text)))
    set_text(env, object, name, text);
}

static napi_value make_answer(napi_env env, const struct weft_echo_answer *answer) {
  static const char *const kinds[] = {"reply", "error", "local"};
  napi_value object;
  if (napi_create_object(env, &object) != napi_ok) return NULL;
  set_text(env, object, "kind", kinds[answer->kind]);
  set_address(env, object, "from", &answer->from);
  set_address(env, object, "to", &answer->to);
  set_number(env, object, "sequence", answer->sequence);
  set_number(env, object, "bytes", (double)answer->bytes);
  set_number(env, object, "timeUs", answer->time_us);
  set_boolean(env, object, "hasToken", answer->has_token);
  set_number(env, object, "type", answer->type);
  set_number(env, object, "code", answer->code);
  set_number(env, object, "mtu", answer->mtu);
  return object;
}

/* echoRead(fd, family, token): at most 256 answers. */
static napi_value echo_read(napi_env env, napi_callback_info info) {
  napi_value values[3], list;
  const uint8_t *token;
  int32_t fd;
  int family;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok || !read_family(env, values[1], &family) ||
      !read_token(env, values[2], &token))
    return weft__throw_type(env, "echoRead takes (fd, 4 or 6, token)");
  if (napi_create_array(env, &list) != napi_ok) return NULL;
  for (uint32_t count = 0; count < MAX_ANSWERS; count++) {
    struct weft_echo_answer answer;
    const int result = weft_echo_read(fd, family, token, &answer);
    if (result < 0) return weft__throw_errno(env, "recvmsg", result);
    if (result == 0) break;
    napi_value object = make_answer(env, &answer);
    if (!object || napi_set_element(env, list, count, object) != napi_ok) return NULL;
  }
  return list;
}

/* A typed array of `wanted` and its number of items. */
static bool read_array(napi_env env, napi_value value, napi_typedarray_type wanted, void **data, size_t *length) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == wanted;
}

/* The first seven arguments of echoSweepSend and echoSweepRead. */
static bool read_sweep(napi_env env, const napi_value *values, struct weft_echo_sweep *sweep) {
  uint32_t identifier, sequence;
  size_t address_bytes, times;
  void *addresses, *sent_us;
  if (napi_get_value_int32(env, values[0], &sweep->fd) != napi_ok || !read_family(env, values[1], &sweep->family) ||
      !read_uint(env, values[2], 0xffff, &identifier) || !read_uint(env, values[3], 0xffff, &sequence) ||
      !read_token(env, values[4], &sweep->token) ||
      !read_array(env, values[5], napi_uint8_array, &addresses, &address_bytes) ||
      !read_array(env, values[6], napi_float64_array, &sent_us, &times))
    return false;
  sweep->identifier = (uint16_t)identifier;
  sweep->sequence = (uint16_t)sequence;
  sweep->addresses = addresses;
  sweep->sent_us = sent_us;
  sweep->count = times;
  return address_bytes == times * (sweep->family == AF_INET ? 4 : 16);
}

/* echoSweepOpen(family, identifier): the descriptor. */
static napi_value echo_sweep_open(napi_env env, napi_callback_info info) {
  napi_value values[2], result;
  uint32_t identifier;
  int family;
  if (weft__arguments(env, info, 2, values) < 0) return NULL;
  if (!read_family(env, values[0], &family) || !read_uint(env, values[1], 0xffff, &identifier))
    return weft__throw_type(env, "echoSweepOpen takes (4 or 6, identifier)");
  const int fd = weft_echo_sweep_open(family, (uint16_t)identifier);
  if (fd < 0) return weft__throw_errno(env, "socket", fd);
  return napi_create_int32(env, fd, &result) == napi_ok ? result : NULL;
}

/* echoSweepSend(fd, family, identifier, sequence, token, addresses, sentUs). */
static napi_value echo_sweep_send(napi_env env, napi_callback_info info) {
  napi_value values[7];
  struct weft_echo_sweep sweep;
  if (weft__arguments(env, info, 7, values) < 0) return NULL;
  if (!read_sweep(env, values, &sweep))
    return weft__throw_type(env, "echoSweepSend takes (fd, 4 or 6, identifier, sequence, token, addresses, sentUs)");
  weft_echo_sweep_send(&sweep);
  return NULL;
}

/* As echoSweepSend, with rttUs as last argument: the number of answers. */
static napi_value echo_sweep_read(napi_env env, napi_callback_info info) {
  static const char usage[] = "echoSweepRead takes (fd, 4 or 6, identifier, sequence, token, addresses, sentUs, rttUs)";
  napi_value values[8], result;
  struct weft_echo_sweep sweep;
  size_t count;
  void *rtt_us;
  if (weft__arguments(env, info, 8, values) < 0) return NULL;
  if (!read_sweep(env, values, &sweep) || !read_array(env, values[7], napi_float64_array, &rtt_us, &count) ||
      count != sweep.count)
    return weft__throw_type(env, usage);
  const int answers = weft_echo_sweep_read(&sweep, rtt_us);
  return napi_create_int32(env, answers, &result) == napi_ok ? result : NULL;
}

/* echoClose(fd) */
static napi_value echo_close(napi_env env, napi_callback_info info) {
  napi_value value;
  int32_t fd;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_int32(env, value, &fd) != napi_ok) return weft__throw_type(env, "echoClose takes (fd)");
  return close(fd) < 0 ? weft__throw_errno(env, "close", -errno) : NULL;
}

/* checksumProbeSend(address, port, isInSoftware): the descriptor of a new socket. */
static napi_value checksum_probe_send(napi_env env, napi_callback_info info) {
  napi_value values[3], result;
  union weft_echo_address to;
  uint32_t port;
  bool in_software;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (!read_address(env, values[0], &to) || !read_uint(env, values[1], 0xffff, &port) ||
      napi_get_value_bool(env, values[2], &in_software) != napi_ok)
    return weft__throw_type(env, "checksumProbeSend takes (address, port, isInSoftware)");
  const int fd = weft_checksum_probe_send(&to, (uint16_t)port, in_software);
  if (fd < 0) return weft__throw_errno(env, "send", fd);
  return napi_create_int32(env, fd, &result) == napi_ok ? result : NULL;
}

/* checksumProbeRead(fd): whether an answer arrived. */
static napi_value checksum_probe_read(napi_env env, napi_callback_info info) {
  napi_value value, result;
  int32_t fd;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_int32(env, value, &fd) != napi_ok) return weft__throw_type(env, "checksumProbeRead takes (fd)");
  const int answered = weft_checksum_probe_read(fd);
  if (answered < 0) return weft__throw_errno(env, "recv", answered);
  return napi_get_boolean(env, answered == 1, &result) == napi_ok ? result : NULL;
}

int weft_echo_init(napi_env env, napi_value exports) {
  int error = weft__export(env, exports, "echoOpen", echo_open);
  if (error == 0) error = weft__export(env, exports, "echoSetTtl", echo_set_ttl);
  if (error == 0) error = weft__export(env, exports, "echoSend", echo_send);
  if (error == 0) error = weft__export(env, exports, "echoRead", echo_read);
  if (error == 0) error = weft__export(env, exports, "echoSweepOpen", echo_sweep_open);
  if (error == 0) error = weft__export(env, exports, "echoSweepSend", echo_sweep_send);
  if (error == 0) error = weft__export(env, exports, "echoSweepRead", echo_sweep_read);
  if (error == 0) error = weft__export(env, exports, "checksumProbeSend", checksum_probe_send);
  if (error == 0) error = weft__export(env, exports, "checksumProbeRead", checksum_probe_read);
  return error < 0 ? error : weft__export(env, exports, "echoClose", echo_close);
}
