/* UDP sockets of the underlay (ip(7), ipv6(7), udp(7)). */
#include "socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/*
 * Buffer size: the bytes that a stream sends while a worker is busy. The kernel allocates them on
 * demand.
 */
enum { BUFFER_BYTES = 4 << 20 };

static int set_int(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Exceeds net.core.rmem_max where allowed (CAP_NET_ADMIN in the initial user namespace). */
static void set_buffers(int fd) {
  if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0) set_int(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0) set_int(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
}

/*
 * UDP over IPv6 without a checksum is for tunnels that agreed on it (RFC 6935). Peers send it only
 * to hosts that publish that they accept it.
 */
static int accept_zero_checksums(int fd) {
  return set_int(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1);
}

static int set_options(int fd, int family) {
  int error;
  set_buffers(fd);
  if (family == AF_INET) {
    if ((error = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)) < 0) return error;
    if ((error = set_int(fd, IPPROTO_IP, IP_RECVERR, 1)) < 0) return error;
    return set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
  }
  if ((error = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)) < 0) return error;
  if ((error = set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)) < 0) return error;
  if ((error = accept_zero_checksums(fd)) < 0) return error;
  return set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

static int open_bound(int fd, const union weft_endpoint *local, bool is_shared) {
  int error;
  if (local->any.sa_family == AF_INET6 && (error = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) < 0) return error;
  if (is_shared && (error = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) < 0) return error;
  if ((error = set_options(fd, local->any.sa_family)) < 0) return error;
  return bind(fd, &local->any, weft_endpoint_bytes(local)) < 0 ? -errno : 0;
}

int weft_udp_open(const union weft_endpoint *local, bool is_shared) {
  const int fd = socket(local->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int error = open_bound(fd, local, is_shared);
  if (error == 0) return fd;
  close(fd);
  return error;
}

static bool same_endpoint(const union weft_endpoint *a, const union weft_endpoint *b) {
  /* The port has the same offset in both families. */
  return weft_endpoint_same_address(a, b) && a->v4.sin_port == b->v4.sin_port;
}

int weft_udp_adopt(int fd, const union weft_endpoint *local) {
  union weft_endpoint bound;
  socklen_t length = sizeof(bound);
  int type = 0;
  socklen_t type_length = sizeof(type);
  memset(&bound, 0, sizeof(bound));
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0) return -errno;
  if (getsockname(fd, &bound.any, &length) < 0) return -errno;
  if (type != SOCK_DGRAM || !same_endpoint(&bound, local)) return -EADDRNOTAVAIL;
  return set_options(fd, local->any.sa_family);
}

void weft_udp_probe_offloads(int fd, struct weft_socket_offloads *offloads) {
  offloads->gro = set_int(fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
  /* Each message has its own segment size. This call only probes the option. */
  offloads->gso = set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
}

static void read_error(const struct cmsghdr *item, struct weft_udp_error *error) {
  struct sock_extended_err detail;
  memcpy(&detail, CMSG_DATA(item), sizeof(detail));
  error->is_too_big = detail.ee_errno == EMSGSIZE;
  error->is_local = detail.ee_origin == SO_EE_ORIGIN_LOCAL;
  error->mtu = error->is_too_big ? detail.ee_info : 0;
}

bool weft_udp_take_error(int fd, struct weft_udp_error *error) {
  union {
    struct cmsghdr align;
    uint8_t bytes[512];
  } control;
  struct msghdr message = {.msg_name = &error->remote,
                           .msg_namelen = sizeof(error->remote),
                           .msg_control = &control,
                           .msg_controllen = sizeof(control)};
  memset(error, 0, sizeof(*error));
  if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
    const bool is_v4 = item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_RECVERR;
    const bool is_v6 = item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_RECVERR;
    if (is_v4 || is_v6) read_error(item, error);
  }
  return true;
}

static struct cmsghdr *append(struct cmsghdr *item, int level, int type, const void *value, size_t bytes) {
  item->cmsg_level = level;
  item->cmsg_type = type;
  item->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(item), value, bytes);
  return (struct cmsghdr *)((uint8_t *)item + CMSG_SPACE(bytes));
}

size_t weft_udp_write_control(uint8_t *control, int family, uint8_t tos, uint16_t segment_bytes) {
  struct cmsghdr *item = (struct cmsghdr *)(void *)control;
  const int value = tos;
  if (tos != 0 && family == AF_INET) item = append(item, IPPROTO_IP, IP_TOS, &value, sizeof(value));
  if (tos != 0 && family == AF_INET6) item = append(item, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
  if (segment_bytes != 0) item = append(item, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes));
  return (size_t)((uint8_t *)item - control);
}

void weft_udp_read_control(struct msghdr *message, uint16_t *segment_bytes, uint8_t *tos) {
  int value;
  *segment_bytes = 0;
  *tos = 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
    if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_GRO) {
      memcpy(&value, CMSG_DATA(item), sizeof(value));
      *segment_bytes = (uint16_t)value;
    } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) {
      *tos = *CMSG_DATA(item); /* one byte, unlike the other options (ip(7)) */
    } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS) {
      memcpy(&value, CMSG_DATA(item), sizeof(value));
      *tos = (uint8_t)value;
    }
  }
}
