/* Sends checksum probes and reads their answers. */
#include "checksum-probe.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 32 };

static int send_payload(int fd, bool in_software) {
  static const uint8_t payload[PAYLOAD_BYTES] = "weft: are checksums right here?";
  size_t sent = 0;
  if (in_software) {
    /* MSG_MORE makes the kernel compute the checksum (__ip_append_data, __ip6_append_data). */
    sent = PAYLOAD_BYTES / 2;
    if (send(fd, payload, sent, MSG_MORE) < 0) return -errno;
  }
  return send(fd, payload + sent, PAYLOAD_BYTES - sent, 0) < 0 ? -errno : 0;
}

int weft_checksum_probe_send(const union weft_echo_address *to, uint16_t port, bool in_software) {
  union weft_echo_address address = *to;
  const bool is_ipv4 = address.any.sa_family == AF_INET;
  if (is_ipv4) address.ipv4.sin_port = htons(port);
  else address.ipv6.sin6_port = htons(port);
  const int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const socklen_t length = is_ipv4 ? sizeof(address.ipv4) : sizeof(address.ipv6);
  const int error = connect(fd, &address.any, length) < 0 ? -errno : send_payload(fd, in_software);
  if (error == 0) return fd;
  close(fd);
  return error;
}

int weft_checksum_probe_read(int fd) {
  uint8_t byte;
  /* A listener at the port can answer, too. */
  if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0) return 1;
  if (errno == ECONNREFUSED) return 1;
  return errno == EAGAIN ? 0 : -errno;
}
