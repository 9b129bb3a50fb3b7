/*
 * Netlink socket options that Node's netlink package lacks: extended acks, capped acks, strict dump
 * checking, a receive buffer beyond net.core.rmem_max, and NETLINK_NO_ENOBUFS. A pending ENOBUFS
 * makes libuv call the package's poll handler with an error, and the package then aborts the
 * process. Reads many datagrams at a time, without an allocation for each. The socket belongs to
 * the caller: it is not closed here.
 */
#include "binding.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Whether `fd` is the netlink socket that is bound to `port_id`. */
static bool is_netlink_socket(int fd, uint32_t port_id) {
  struct sockaddr_nl address;
  socklen_t length = sizeof(address);
  memset(&address, 0, sizeof(address));
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) return false;
  return length == sizeof(address) && address.nl_family == AF_NETLINK && address.nl_pid == port_id;
}

static bool enable(int fd, int option) {
  const int on = 1;
  return setsockopt(fd, SOL_NETLINK, option, &on, sizeof(on)) == 0;
}

/* Returns the size in force, in bytes (the kernel doubles the requested one), or negative errno. */
static int set_receive_bytes(int fd, int bytes) {
  int actual = 0;
  socklen_t length = sizeof(actual);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0)
    return -errno;
  return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &actual, &length) < 0 ? -errno : actual;
}

static void set_boolean(napi_env env, napi_value object, const char *name, bool flag) {
  napi_value value;
  if (napi_get_boolean(env, flag, &value) == napi_ok) napi_set_named_property(env, object, name, value);
}

/*
 * setNetlinkOptions(fd, portId, receiveBytes): the options in force, or false if fd is another
 * socket.
 */
static napi_value set_netlink_options(napi_env env, napi_callback_info info) {
  napi_value values[3], result, size;
  int32_t fd, receive_bytes;
  uint32_t port_id;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok ||
      napi_get_value_uint32(env, values[1], &port_id) != napi_ok ||
      napi_get_value_int32(env, values[2], &receive_bytes) != napi_ok)
    return weft__throw_type(env, "setNetlinkOptions takes (fd, portId, receiveBytes)");
  if (!is_netlink_socket(fd, port_id)) return napi_get_boolean(env, false, &result) == napi_ok ? result : NULL;
  const int bytes = set_receive_bytes(fd, receive_bytes);
  if (bytes < 0) return weft__throw_errno(env, "setsockopt", bytes);
  if (!enable(fd, NETLINK_NO_ENOBUFS)) return weft__throw_errno(env, "setsockopt", -errno);
  if (napi_create_object(env, &result) != napi_ok || napi_create_int32(env, bytes, &size) != napi_ok) return NULL;
  set_boolean(env, result, "hasExtendedAck", enable(fd, NETLINK_EXT_ACK));
  set_boolean(env, result, "hasCappedAck", enable(fd, NETLINK_CAP_ACK));
  set_boolean(env, result, "hasStrictCheck", enable(fd, NETLINK_GET_STRICT_CHK));
  napi_set_named_property(env, result, "receiveBytes", size);
  return result;
}

/* countNetlinkDrops(fd): datagrams dropped because the receive buffer was full, since the start. */
static napi_value count_netlink_drops(napi_env env, napi_callback_info info) {
  napi_value value, result;
  int32_t fd;
  uint32_t memory[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof(memory);
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_int32(env, value, &fd) != napi_ok) return weft__throw_type(env, "countNetlinkDrops takes (fd)");
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) < 0) return weft__throw_errno(env, "getsockopt", -errno);
  return napi_create_uint32(env, memory[SK_MEMINFO_DROPS], &result) == napi_ok ? result : NULL;
}

/*
 * Appends the next datagram of the kernel to `bytes`, of which `room` are free. Returns its length,
 * 0 if there is none, or negative errno: -EMSGSIZE if it was longer.
 */
static ssize_t read_datagram(int fd, uint8_t *bytes, size_t room) {
  for (;;) {
    struct sockaddr_nl sender = {0};
    struct iovec vector = {.iov_base = bytes, .iov_len = room};
    struct msghdr header = {.msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &vector, .msg_iovlen = 1};
    const ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return errno == EAGAIN ? 0 : -errno;
    /* Any local process can send to a netlink socket; only port 0 is the kernel. */
    if (sender.nl_pid != 0) continue;
    return header.msg_flags & MSG_TRUNC ? -EMSGSIZE : length;
  }
}

/*
 * readNetlink(fd, buffer, longest): reads datagrams of the kernel, one after the other, while a
 * `longest` one would fit. Returns the bytes read.
 */
static napi_value read_netlink(napi_env env, napi_callback_info info) {
  napi_value values[3], result;
  int32_t fd;
  uint32_t longest;
  size_t size, used = 0;
  void *data;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok ||
      napi_get_buffer_info(env, values[1], &data, &size) != napi_ok ||
      napi_get_value_uint32(env, values[2], &longest) != napi_ok)
    return weft__throw_type(env, "readNetlink takes (fd, buffer, longest)");
  while (size - used >= longest) {
    const ssize_t length = read_datagram(fd, (uint8_t *)data + used, longest);
    if (length < 0) return weft__throw_errno(env, "recvmsg", (int)length);
    if (length == 0) break;
    const size_t end = used + (size_t)length, aligned = NLMSG_ALIGN(end);
    memset((uint8_t *)data + end, 0, (aligned < size ? aligned : size) - end);
    used = aligned < size ? aligned : size;
  }
  return napi_create_double(env, (double)used, &result) == napi_ok ? result : NULL;
}

int weft_netlink_options_init(napi_env env, napi_value exports) {
  int error = weft__export(env, exports, "setNetlinkOptions", set_netlink_options);
  if (error == 0) error = weft__export(env, exports, "readNetlink", read_netlink);
  return error < 0 ? error : weft__export(env, exports, "countNetlinkDrops", count_netlink_drops);
}
