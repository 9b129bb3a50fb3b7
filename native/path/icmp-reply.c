/* ICMP errors to the senders of packets that cannot be forwarded. packet/icmp.c makes the bytes. */
#include "icmp-reply.h"

#include <string.h>
#include <sys/uio.h>

#include "clock.h"

static bool overlay_address(struct weft_path *path, unsigned family, uint8_t *address) {
  pthread_mutex_lock(&path->config_lock);
  const bool is_known = family == 4 ? path->config.has_ipv4 : path->config.has_ipv6;
  if (family == 4) memcpy(address, path->config.ipv4, sizeof(path->config.ipv4));
  else memcpy(address, path->config.ipv6, sizeof(path->config.ipv6));
  pthread_mutex_unlock(&path->config_lock);
  return is_known;
}

void weft_icmp_reply(struct weft_worker *worker, enum weft_icmp_error error, size_t mtu, const uint8_t *data,
                     const struct weft_packet *packet) {
  struct virtio_net_hdr plain = {0};
  uint8_t source[16], out[WEFT_MAX_ICMP];
  if (!overlay_address(worker->path, packet->family, source)) return;
  const size_t length = weft_icmp_make(out, error, mtu, source, data, packet);
  if (length == 0) return;
  if (!weft_rate_take(&worker->icmp_rate, weft_now_ns())) return weft_worker_count(worker, WEFT_ICMP_LIMITED, 1);
  const struct iovec iov[2] = {{&plain, sizeof(plain)}, {out, length}};
  if (writev(worker->tun_fd, iov, 2) >= 0) weft_worker_count(worker, WEFT_ICMP_SENT, 1);
}
