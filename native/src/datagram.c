/*
 * Sends a text and descriptors to a Unix datagram socket, the protocol of sd_notify(3). Node has no
 * API for it.
 */
#include "binding.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A status line fits; sd_notify messages are shorter. */
enum { TEXT_BYTES = 4096, MAX_FDS = 16 };

/*
 * Fills `address`; `@name` is in the abstract namespace (unix(7)). Returns its length or negative
 * errno.
 */
static int unix_address(const char *path, size_t length, struct sockaddr_un *address) {
  if (length == 0 || length >= sizeof(address->sun_path)) return -ENAMETOOLONG;
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  if (path[0] != '@') return (int)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  address->sun_path[0] = '\0';
  return (int)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Adds `fds` to `message` as SCM_RIGHTS (unix(7)), in `room`. */
static void attach_fds(struct msghdr *message, struct cmsghdr *room, const int *fds, size_t count) {
  if (count == 0) return;
  message->msg_control = room;
  message->msg_controllen = CMSG_SPACE(count * sizeof(int));
  room->cmsg_level = SOL_SOCKET;
  room->cmsg_type = SCM_RIGHTS;
  room->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(room), fds, count * sizeof(int));
}

static int send_message(const struct msghdr *message) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const ssize_t sent = sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  const int result = sent < 0 ? -errno : 0;
  close(fd);
  return result;
}

static int send_text(struct sockaddr_un *address, int address_bytes, char *text, size_t length, const int *fds,
                     size_t fd_count) {
  _Alignas(struct cmsghdr) char room[CMSG_SPACE(MAX_FDS * sizeof(int))] = {0};
  struct iovec part = {.iov_base = text, .iov_len = length};
  struct msghdr message = {
      .msg_name = address, .msg_namelen = (socklen_t)address_bytes, .msg_iov = &part, .msg_iovlen = 1};
  attach_fds(&message, (struct cmsghdr *)(void *)room, fds, fd_count);
  return send_message(&message);
}

/* Reads an array of descriptors; none for undefined. Returns how many, or -EINVAL. */
static int read_fds(napi_env env, napi_value value, int *fds) {
  napi_valuetype type;
  napi_value element;
  uint32_t count;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_undefined) return 0;
  if (napi_get_array_length(env, value, &count) != napi_ok || count > MAX_FDS) return -EINVAL;
  for (uint32_t index = 0; index < count; index++)
    if (napi_get_element(env, value, index, &element) != napi_ok ||
        napi_get_value_int32(env, element, &fds[index]) != napi_ok)
      return -EINVAL;
  return (int)count;
}

/* sendDatagram(path, text, fds?): throws on failure. Non-blocking. */
static napi_value send_datagram(napi_env env, napi_callback_info info) {
  static const char usage[] = "sendDatagram takes (path, text) and up to 16 descriptors";
  napi_value values[3];
  char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
  char text[TEXT_BYTES];
  int fds[MAX_FDS];
  size_t count = 3, path_length, text_length;
  struct sockaddr_un address;
  /* Missing arguments read as undefined. */
  if (napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok || count > 3)
    return weft__throw_type(env, usage);
  const int fd_count = read_fds(env, values[2], fds);
  if (fd_count < 0 || napi_get_value_string_utf8(env, values[0], path, sizeof(path), &path_length) != napi_ok ||
      napi_get_value_string_utf8(env, values[1], NULL, 0, &text_length) != napi_ok)
    return weft__throw_type(env, usage);
  if (text_length >= sizeof(text)) return weft__throw_errno(env, "sendmsg", -EMSGSIZE);
  if (napi_get_value_string_utf8(env, values[1], text, sizeof(text), &text_length) != napi_ok) return NULL;
  const int address_bytes = unix_address(path, path_length, &address);
  if (address_bytes < 0) return weft__throw_errno(env, "sendmsg", address_bytes);
  const int result = send_text(&address, address_bytes, text, text_length, fds, (size_t)fd_count);
  return result < 0 ? weft__throw_errno(env, "sendmsg", result) : NULL;
}

int weft_datagram_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "sendDatagram", send_datagram);
}
