/* Asks the kernel for routes (rtnetlink(7)). */
#include "host-mtu.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel answers a query before send(2) returns. The time limit guards against its loss. */
enum { ANSWER_BYTES = 4096, ANSWER_MS = 1000 };

struct query {
  struct nlmsghdr header;
  struct rtmsg route;
  struct rtattr attribute;
  uint8_t address[16];
};

int weft_host_mtu_open(void) {
  const struct timeval limit = {.tv_sec = ANSWER_MS / 1000};
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

/*
 * RTM_F_FIB_MATCH (Linux 4.13; IPv6 4.18) answers with the route as configured instead of the
 * cached one with its learned path MTU.
 */
static int ask(int fd, const union weft_endpoint *remote, uint32_t sequence) {
  const bool is_v4 = remote->any.sa_family == AF_INET;
  const size_t bytes = is_v4 ? 4 : 16;
  struct query query = {.header = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = sequence},
                        .route = {.rtm_family = (uint8_t)remote->any.sa_family, .rtm_flags = RTM_F_FIB_MATCH},
                        .attribute = {.rta_type = RTA_DST}};
  query.route.rtm_dst_len = (uint8_t)(8 * bytes);
  query.attribute.rta_len = (uint16_t)RTA_LENGTH(bytes);
  memcpy(query.address, is_v4 ? (const void *)&remote->v4.sin_addr : (const void *)&remote->v6.sin6_addr, bytes);
  query.header.nlmsg_len = (uint32_t)(offsetof(struct query, address) + bytes);
  return send(fd, &query, query.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

static const struct rtattr *find(const struct rtattr *list, size_t bytes, unsigned type) {
  while (RTA_OK(list, bytes)) {
    if ((list->rta_type & NLA_TYPE_MASK) == type) return list;
    list = RTA_NEXT(list, bytes);
  }
  return NULL;
}

static uint32_t parse(const struct nlmsghdr *header) {
  if (header->nlmsg_type != RTM_NEWROUTE) return 0;
  const struct rtmsg *route = NLMSG_DATA(header);
  const struct rtattr *metrics = find(RTM_RTA(route), RTM_PAYLOAD(header), RTA_METRICS);
  const struct rtattr *mtu = metrics ? find(RTA_DATA(metrics), RTA_PAYLOAD(metrics), RTAX_MTU) : NULL;
  return mtu && RTA_PAYLOAD(mtu) == sizeof(uint32_t) ? *(const uint32_t *)RTA_DATA(mtu) : 0;
}

uint32_t weft_host_mtu(int fd, const union weft_endpoint *remote) {
  static uint32_t sequence;
  _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
  const uint32_t wanted = ++sequence;
  if (fd < 0 || ask(fd, remote, wanted) < 0) return 0;
  for (;;) {
    const ssize_t length = recv(fd, answer, sizeof(answer), 0);
    if (length < 0 && errno == EINTR) continue;
    const struct nlmsghdr *header = (const void *)answer;
    if (length < 0 || !NLMSG_OK(header, (size_t)length)) return 0;
    if (header->nlmsg_seq == wanted) return parse(header);
  }
}
