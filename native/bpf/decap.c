#include "decap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>


struct request {
  struct nlmsghdr header;
  struct ifinfomsg link;
  uint8_t attributes[512];
};

static void put(struct request *request, unsigned short type, const void *value, size_t bytes) {
  struct rtattr *attribute = (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
  if (bytes > 0) memcpy(RTA_DATA(attribute), value, bytes);
  request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

static struct rtattr *begin(struct request *request, unsigned short type) {
  struct rtattr *attribute = (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  put(request, type, NULL, 0);
  return attribute;
}

static void end(struct request *request, struct rtattr *attribute) {
  attribute->rta_len = (unsigned short)((uint8_t *)request + request->header.nlmsg_len - (uint8_t *)attribute);
}

static int transact(struct request *request) {
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    uint8_t rest[512];
  } reply;
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  ssize_t got = send(fd, request, request->header.nlmsg_len, 0);
  if (got >= 0) got = recv(fd, &reply, sizeof(reply), 0);
  const int error = got < 0 ? -errno : reply.error.error;
  close(fd);
  return error;
}

static uint16_t free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t bytes = sizeof(address);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bind(fd, (struct sockaddr *)&address, sizeof(address));
  getsockname(fd, (struct sockaddr *)&address, &bytes);
  close(fd);
  return ntohs(address.sin_port);
}

int weft_decap_open(struct weft_decap *decap, unsigned tun_index) {
  struct request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                 .nlmsg_type = RTM_NEWLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
      .link = {.ifi_flags = IFF_UP | IFF_NOARP, .ifi_change = IFF_UP | IFF_NOARP}};
  char name[IF_NAMESIZE];
  const uint8_t no = 0;
  const uint32_t mtu = 1000;
  const uint32_t lower = tun_index;
  snprintf(name, sizeof(name), "weft-decap%u", tun_index);
  if (getrandom(decap->mac, sizeof(decap->mac), 0) < 0 || getrandom(&decap->vni, sizeof(decap->vni), 0) < 0)
    return -errno;
  decap->mac[0] = (uint8_t)((decap->mac[0] & 0xfc) | 2);
  decap->vni = (decap->vni & 0xffffff) | 1;
  decap->port = free_port();
  const uint16_t port = htons(decap->port);
  put(&request, IFLA_IFNAME, name, strlen(name) + 1);
  put(&request, IFLA_ADDRESS, decap->mac, sizeof(decap->mac));
  struct rtattr *info = begin(&request, IFLA_LINKINFO);
  put(&request, IFLA_INFO_KIND, "vxlan", 6);
  struct rtattr *data = begin(&request, IFLA_INFO_DATA);
  put(&request, IFLA_VXLAN_ID, &decap->vni, 4);
  put(&request, IFLA_VXLAN_LINK, &lower, 4);
  put(&request, IFLA_VXLAN_PORT, &port, 2);
  put(&request, IFLA_VXLAN_LEARNING, &no, 1);
  end(&request, data);
  end(&request, info);
  put(&request, IFLA_MTU, &mtu, 4);
  const int error = transact(&request);
  if (error < 0) return error;
  decap->index = if_nametoindex(name);
  return 0;
}
