/* Queues of the TUN device (Documentation/networking/tuntap.rst). */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Linux 6.2; missing from the headers of Debian 12. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef IFF_TUN_EXCL
#define IFF_TUN_EXCL 0x8000
#endif

enum { QUEUE_FLAGS = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };

static int attach(int fd, const char *name, bool is_first) {
  struct ifreq request;
  const int header_bytes = (int)sizeof(struct virtio_net_hdr);
  memset(&request, 0, sizeof(request));
  strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
  request.ifr_flags = (short)(QUEUE_FLAGS | (is_first ? IFF_TUN_EXCL : 0));
  if (ioctl(fd, TUNSETIFF, &request) < 0) return -errno;
  return ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 ? -errno : 0;
}

int weft_tun_open(const char *name, bool is_first) {
  if (strlen(name) >= IFNAMSIZ) return -ENAMETOOLONG;
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int error = attach(fd, name, is_first);
  if (error == 0) return fd;
  close(fd);
  return error;
}

int weft_tun_check(int fd, const char *name) {
  struct ifreq request;
  int header_bytes = 0;
  memset(&request, 0, sizeof(request));
  if (ioctl(fd, TUNGETIFF, &request) < 0) return -errno;
  if (strncmp(request.ifr_name, name, IFNAMSIZ) != 0) return -ENODEV;
  if ((request.ifr_flags & QUEUE_FLAGS) != QUEUE_FLAGS) return -EINVAL;
  if (ioctl(fd, TUNGETVNETHDRSZ, &header_bytes) < 0) return -errno;
  return header_bytes == (int)sizeof(struct virtio_net_hdr) ? 0 : -EINVAL;
}

int weft_tun_probe_offloads(int fd, struct weft_tun_offloads *offloads) {
  static const struct {
    unsigned long flags;
    struct weft_tun_offloads offloads;
  } levels[] = {
      {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6, {true, true}},
      {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN, {true, false}},
      {TUN_F_CSUM, {false, false}},
      {0, {false, false}},
  };
  int error = -EINVAL;
  for (unsigned level = 0; level < sizeof(levels) / sizeof(levels[0]); level++) {
    *offloads = levels[level].offloads;
    if (ioctl(fd, TUNSETOFFLOAD, levels[level].flags) == 0) return 0;
    error = -errno;
  }
  return error;
}
