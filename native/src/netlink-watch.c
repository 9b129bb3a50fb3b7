/*
 * A netlink socket for multicast notifications, which says once that it is readable and then waits
 * until it is asked to say so again. Node's netlink package reads a datagram as soon as it is
 * there, each into a buffer of the longest size, which costs more than what is in it while
 * thousands come.
 */
#include "binding.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Part of libuv's stable ABI, exported by the node binary. Its headers do not come with those of
 * Node-API.
 */
typedef struct uv_poll_s uv_poll_t;
struct uv_loop_s;
enum { UV_POLL = 8, UV_READABLE = 1 };
extern size_t uv_handle_size(int type);
extern void *uv_handle_get_data(const void *handle);
extern void uv_handle_set_data(void *handle, void *data);
extern int uv_poll_init(struct uv_loop_s *loop, uv_poll_t *handle, int fd);
extern int uv_poll_start(uv_poll_t *handle, int events, void (*callback)(uv_poll_t *handle, int status, int events));
extern int uv_poll_stop(uv_poll_t *handle);
extern void uv_close(void *handle, void (*callback)(void *handle));

struct watch {
  napi_env env;
  napi_ref on_readable;
  uv_poll_t *handle;
  int fd;
};

static int join(int fd, napi_env env, napi_value groups) {
  uint32_t count, group;
  napi_value value;
  if (napi_get_array_length(env, groups, &count) != napi_ok) return -EINVAL;
  for (uint32_t index = 0; index < count; index++) {
    if (napi_get_element(env, groups, index, &value) != napi_ok || napi_get_value_uint32(env, value, &group) != napi_ok)
      return -EINVAL;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) return -errno;
  }
  return 0;
}

static void release(void *handle) {
  struct watch *const watch = uv_handle_get_data(handle);
  free(handle);
  free(watch);
}

static void on_environment_end(void *data);

/* Of a watch that is open. */
static void end(struct watch *watch) {
  napi_remove_env_cleanup_hook(watch->env, on_environment_end, watch);
  napi_delete_reference(watch->env, watch->on_readable);
  uv_poll_stop(watch->handle);
  uv_close(watch->handle, release);
  close(watch->fd);
}

static void on_environment_end(void *data) {
  end(data);
}

/* What the callback throws ends the process, as of any callback of the event loop. */
static void call(napi_env env, napi_value receiver, napi_value callback) {
  napi_value exception;
  if (napi_make_callback(env, NULL, receiver, callback, 0, NULL, NULL) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

/* In the event loop. An error, such as a peer's that is pending, is what the reader finds. */
static void on_event(uv_poll_t *handle, int status, int events) {
  struct watch *const watch = uv_handle_get_data(handle);
  napi_handle_scope scope;
  napi_value receiver, callback;
  (void)status, (void)events;
  uv_poll_stop(handle);
  if (napi_open_handle_scope(watch->env, &scope) != napi_ok) return;
  if (napi_get_global(watch->env, &receiver) == napi_ok &&
      napi_get_reference_value(watch->env, watch->on_readable, &callback) == napi_ok)
    call(watch->env, receiver, callback);
  napi_close_handle_scope(watch->env, scope);
}

/* Returns a bound socket or negative errno. */
static int open_socket(napi_env env, int protocol, napi_value groups) {
  const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return -errno;
  /* The kernel chooses the port. */
  int error = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : join(fd, env, groups);
  if (error == 0) return fd;
  close(fd);
  return error;
}

/* Returns a watch that owns `fd`, or NULL; `fd` is then still the caller's. */
static struct watch *make_watch(napi_env env, int fd, napi_value on_readable) {
  struct uv_loop_s *loop;
  struct watch *const watch = calloc(1, sizeof *watch);
  uv_poll_t *const handle = malloc(uv_handle_size(UV_POLL));
  if (watch != NULL && handle != NULL && napi_get_uv_event_loop(env, &loop) == napi_ok &&
      napi_create_reference(env, on_readable, 1, &watch->on_readable) == napi_ok) {
    watch->env = env;
    watch->fd = fd;
    watch->handle = handle;
    if (uv_poll_init(loop, handle, fd) == 0) return uv_handle_set_data(handle, watch), watch;
    napi_delete_reference(env, watch->on_readable);
  }
  free(handle);
  free(watch);
  return NULL;
}

static void arm(struct watch *watch) {
  uv_poll_start(watch->handle, UV_READABLE, on_event);
}

/* The object of a watch: its descriptor and port id, and itself for the other functions. */
static napi_value to_object(napi_env env, struct watch *watch) {
  struct sockaddr_nl address = {0};
  socklen_t length = sizeof(address);
  napi_value object, fd, port;
  getsockname(watch->fd, (struct sockaddr *)&address, &length);
  if (napi_create_object(env, &object) != napi_ok || napi_create_int32(env, watch->fd, &fd) != napi_ok ||
      napi_create_uint32(env, address.nl_pid, &port) != napi_ok ||
      napi_set_named_property(env, object, "fd", fd) != napi_ok ||
      napi_set_named_property(env, object, "port", port) != napi_ok ||
      napi_wrap(env, object, watch, NULL, NULL, NULL) != napi_ok)
    return NULL;
  return object;
}

/* openNetlinkWatch(protocol, groups, onReadable): {fd, port} of a socket of these groups, armed. */
static napi_value open_netlink_watch(napi_env env, napi_callback_info info) {
  napi_value values[3];
  int32_t protocol;
  bool is_array = false;
  napi_valuetype type;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &protocol) != napi_ok ||
      napi_is_array(env, values[1], &is_array) != napi_ok || !is_array ||
      napi_typeof(env, values[2], &type) != napi_ok || type != napi_function)
    return weft__throw_type(env, "openNetlinkWatch takes (protocol, groups, onReadable)");
  const int fd = open_socket(env, protocol, values[1]);
  if (fd < 0) return weft__throw_errno(env, "socket", fd);
  struct watch *const watch = make_watch(env, fd, values[2]);
  if (watch == NULL) {
    close(fd);
    return weft__throw_errno(env, "uv_poll_init", -ENOMEM);
  }
  napi_add_env_cleanup_hook(env, on_environment_end, watch);
  arm(watch);
  napi_value object = to_object(env, watch);
  if (object == NULL) end(watch);
  return object;
}

/* The watch that is the only argument, read or taken by `unwrap`; NULL with an exception. */
static struct watch *watch_of(napi_env env, napi_callback_info info,
                              napi_status (*unwrap)(napi_env env, napi_value object, void **watch)) {
  napi_value value;
  void *watch;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (unwrap(env, value, &watch) == napi_ok) return watch;
  weft__throw_type(env, "takes a watch of openNetlinkWatch that is open");
  return NULL;
}

/* armNetlinkWatch(watch): `onReadable` is called once more when the socket is readable. */
static napi_value arm_netlink_watch(napi_env env, napi_callback_info info) {
  struct watch *const watch = watch_of(env, info, napi_unwrap);
  if (watch != NULL) arm(watch);
  return NULL;
}

/* closeNetlinkWatch(watch): closes the socket; `onReadable` is not called again. */
static napi_value close_netlink_watch(napi_env env, napi_callback_info info) {
  struct watch *const watch = watch_of(env, info, napi_remove_wrap);
  if (watch != NULL) end(watch);
  return NULL;
}

int weft_netlink_watch_init(napi_env env, napi_value exports) {
  int error = weft__export(env, exports, "openNetlinkWatch", open_netlink_watch);
  if (error == 0) error = weft__export(env, exports, "armNetlinkWatch", arm_netlink_watch);
  return error < 0 ? error : weft__export(env, exports, "closeNetlinkWatch", close_netlink_watch);
}
