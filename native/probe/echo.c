/* Opens, writes and reads echo sockets. echo-parse.c parses the messages. */
#include "echo.h"
#include "echo-parse.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Receive buffer for bursts: a thousand hosts answer at once. */
enum { RECEIVE_BYTES = 4 << 20, ATTEMPTS = 4 };

static int set_int(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Accepts only replies to `identifier`. A raw socket receives those of every ping on this host. */
static int filter_replies(int fd, int family, uint16_t identifier) {
  /*
   * IPv4 packets have an IP header, whose length "ldx msh" loads. IPv6 packets begin with ICMPv6.
   */
  struct sock_filter ipv4[] = {
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_filter ipv6[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const struct sock_fprog program = family == AF_INET ? (struct sock_fprog){sizeof(ipv4) / sizeof(*ipv4), ipv4}
                                                      : (struct sock_fprog){sizeof(ipv6) / sizeof(*ipv6), ipv6};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0) return -errno;
  if (family == AF_INET) {
    const struct icmp_filter filter = {.data = ~(1U << ICMP_ECHOREPLY)};
    return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
  }
  struct icmp6_filter filter;
  memset(&filter, 0xff, sizeof(filter));
  filter.data[ICMPV6_ECHO_REPLY >> 5] &= ~(1U << (ICMPV6_ECHO_REPLY & 31));
  return setsockopt(fd, SOL_ICMPV6, ICMPV6_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

static int set_options(int fd, int family) {
  const bool is_ipv4 = family == AF_INET;
  int error = is_ipv4 ? set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
                      : set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  if (error == 0 && !is_ipv4) error = set_int(fd, SOL_IPV6, IPV6_DONTFRAG, 1);
  if (error == 0) error = is_ipv4 ? set_int(fd, SOL_IP, IP_RECVERR, 1) : set_int(fd, SOL_IPV6, IPV6_RECVERR, 1);
  if (error == 0) error = set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  /* Exceeds net.core.rmem_max with CAP_NET_ADMIN. */
  if (error == 0 && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES) < 0)
    (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
  return error;
}

static int bind_socket(int fd, const char *device, const union weft_echo_address *source) {
  if (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1) < 0) return -errno;
  if (!source) return 0;
  const socklen_t length = source->any.sa_family == AF_INET ? sizeof(source->ipv4) : sizeof(source->ipv6);
  return bind(fd, &source->any, length) < 0 ? -errno : 0;
}

int weft_echo_open(int family, uint16_t identifier, const char *device, const union weft_echo_address *source) {
  const int protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  int fd = socket(family, SOCK_RAW | flags, protocol);
  const bool is_raw = fd >= 0;
  if (!is_raw && (errno == EPERM || errno == EACCES)) fd = socket(family, SOCK_DGRAM | flags, protocol);
  if (fd < 0) return -errno;
  int error = is_raw ? filter_replies(fd, family, identifier) : 0;
  if (error == 0) error = set_options(fd, family);
  if (error == 0) error = bind_socket(fd, device, source);
  if (error == 0) return fd;
  close(fd);
  return error;
}

int weft_echo_set_ttl(int fd, int family, int ttl) {
  return family == AF_INET ? set_int(fd, SOL_IP, IP_TTL, ttl) : set_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, ttl);
}

/* RFC 1071. */
static uint16_t checksum(const uint8_t *bytes, size_t count) {
  uint32_t sum = 0;
  for (size_t at = 0; at + 1 < count; at += 2) sum += (uint32_t)(bytes[at] << 8 | bytes[at + 1]);
  if (count & 1) sum += (uint32_t)(bytes[count - 1] << 8);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

int weft_echo_send(int fd, const union weft_echo_address *to, uint16_t identifier, uint16_t sequence,
                   size_t payload_bytes, const uint8_t *token, double *time_us) {
  const bool is_ipv4 = to->any.sa_family == AF_INET;
  uint8_t packet[WEFT_ECHO_HEADER_BYTES + WEFT_ECHO_MAX_PAYLOAD];
  struct timespec now;
  if (payload_bytes > WEFT_ECHO_MAX_PAYLOAD) return -EMSGSIZE;
  const size_t length = WEFT_ECHO_HEADER_BYTES + payload_bytes;
  struct weft_echo_header header = {
      .type = is_ipv4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST, .identifier = htons(identifier), .sequence = htons(sequence)};
  memcpy(packet, &header, sizeof(header));
  for (size_t at = 0; at < payload_bytes; at++) packet[WEFT_ECHO_HEADER_BYTES + at] = (uint8_t)at;
  if (payload_bytes >= WEFT_ECHO_TOKEN_BYTES) memcpy(packet + WEFT_ECHO_HEADER_BYTES, token, WEFT_ECHO_TOKEN_BYTES);
  /* The ICMPv6 checksum covers the addresses. The kernel computes it (RFC 3542 §3.1). */
  if (is_ipv4) header.checksum = htons(checksum(packet, length));
  memcpy(packet, &header, sizeof(header));
  const socklen_t to_length = is_ipv4 ? sizeof(to->ipv4) : sizeof(to->ipv6);
  for (int attempt = 1;; attempt++) {
    clock_gettime(CLOCK_REALTIME, &now);
    *time_us = weft_echo_to_us(&now);
    if (sendto(fd, packet, length, 0, &to->any, to_length) >= 0) return 0;
    /* The kernel reports an error of an earlier echo once, on the next call. */
    if (errno == EMSGSIZE || errno == EAGAIN || attempt == ATTEMPTS) return -errno;
  }
}

/* Returns 1 for an answer, 2 for another message, 0 for an empty queue, or negative errno. */
static int read_one(int fd, int family, int flags, const uint8_t *token, struct weft_echo_answer *answer) {
  uint8_t packet[65536];
  _Alignas(struct cmsghdr) uint8_t control[512];
  struct iovec part = {.iov_base = packet, .iov_len = sizeof(packet)};
  union weft_echo_address name;
  memset(&name, 0, sizeof(name));
  memset(answer, 0, sizeof(*answer));
  struct msghdr message = {.msg_name = &name,
                           .msg_namelen = sizeof(name),
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
  const ssize_t length = recvmsg(fd, &message, flags | MSG_DONTWAIT);
  if (length < 0) return errno == EAGAIN ? 0 : -errno;
  if (flags & MSG_ERRQUEUE) answer->to = name;
  else answer->from = name;
  weft_echo_parse_control(&message, answer);
  if (answer->kind == WEFT_ECHO_LOCAL) return 1;
  return weft_echo_parse(family, token, packet, (size_t)length, answer) ? 1 : 2;
}

int weft_echo_read(int fd, int family, const uint8_t *token, struct weft_echo_answer *answer) {
  int result;
  /* Errors first: a pending error fails the next read. */
  do result = read_one(fd, family, MSG_ERRQUEUE, token, answer);
  while (result == 2);
  if (result != 0) return result;
  int failures = 0;
  /* A pending error is reported once. Its details are in the error queue for the next call. */
  do {
    result = read_one(fd, family, 0, token, answer);
    if (result < 0) failures++;
  } while (result == 2 || (result < 0 && failures < ATTEMPTS));
  return result == -EBADF || result >= 0 ? result : 0;
}
