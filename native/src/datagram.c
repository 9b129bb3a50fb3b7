/* One text to a Unix datagram socket, which Node cannot do: the transport of sd_notify(3). */
#include "binding.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Room for a status line; sd_notify messages are shorter. */
enum { TEXT_BYTES = 4096 };

/* Fills `address`; `@name` is in the abstract namespace (unix(7)). Returns its length or negative errno. */
static int unix_address(const char *path, size_t length, struct sockaddr_un *address) {
  if (length == 0 || length >= sizeof(address->sun_path)) return -ENAMETOOLONG;
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  if (path[0] != '@') return (int)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  address->sun_path[0] = '\0';
  return (int)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int send_text(const struct sockaddr_un *address, int address_bytes, const char *text, size_t length) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const ssize_t sent = sendto(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)address,
                              (socklen_t)address_bytes);
  const int result = sent < 0 ? -errno : 0;
  close(fd);
  return result;
}

/* sendDatagram(path, text): throws on failure, never blocks. */
static napi_value send_datagram(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
  char text[TEXT_BYTES];
  size_t path_length, text_length;
  struct sockaddr_un address;
  if (weft__arguments(env, info, 2, values) < 0) return NULL;
  if (napi_get_value_string_utf8(env, values[0], path, sizeof(path), &path_length) != napi_ok ||
      napi_get_value_string_utf8(env, values[1], NULL, 0, &text_length) != napi_ok)
    return weft__throw_type(env, "sendDatagram takes (path, text)");
  if (text_length >= sizeof(text)) return weft__throw_errno(env, "sendto", -EMSGSIZE);
  if (napi_get_value_string_utf8(env, values[1], text, sizeof(text), &text_length) != napi_ok) return NULL;
  const int address_bytes = unix_address(path, path_length, &address);
  if (address_bytes < 0) return weft__throw_errno(env, "sendto", address_bytes);
  const int result = send_text(&address, address_bytes, text, text_length);
  return result < 0 ? weft__throw_errno(env, "sendto", result) : NULL;
}

int weft_datagram_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "sendDatagram", send_datagram);
}
