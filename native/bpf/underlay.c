/* Interfaces by getifaddrs(3), route MTUs by IP_MTU (ip(7)). */
#include "underlay.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *label_of(const struct ifaddrs *list, uint32_t address) {
  for (; list; list = list->ifa_next) {
    const struct sockaddr_in *own = (const void *)list->ifa_addr;
    if (own && own->sin_family == AF_INET && own->sin_addr.s_addr == address) return list->ifa_name;
  }
  return NULL;
}

static unsigned ethernet_index(const struct ifaddrs *list, const char *name) {
  for (; list; list = list->ifa_next) {
    const struct sockaddr_ll *link = (const void *)list->ifa_addr;
    if (link && link->sll_family == AF_PACKET && link->sll_hatype == ARPHRD_ETHER && strcmp(list->ifa_name, name) == 0)
      return (unsigned)link->sll_ifindex;
  }
  return 0;
}

unsigned weft_underlay_index(uint32_t address) {
  struct ifaddrs *list;
  char name[IF_NAMESIZE] = "";
  if (getifaddrs(&list) < 0) return 0;
  const char *label = label_of(list, address);
  if (label) snprintf(name, sizeof(name), "%.*s", (int)strcspn(label, ":"), label); /* eth0:1 is on eth0 */
  const unsigned index = ethernet_index(list, name);
  freeifaddrs(list);
  return index;
}

uint32_t weft_underlay_mtu(int probe_fd, const union weft_endpoint *remote) {
  /* Clears the source address that the last connect chose. */
  const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  int mtu = 0;
  socklen_t length = sizeof(mtu);
  connect(probe_fd, &unspecified, sizeof(unspecified));
  if (connect(probe_fd, &remote->any, sizeof(remote->v4)) < 0) return UINT16_MAX;
  return getsockopt(probe_fd, IPPROTO_IP, IP_MTU, &mtu, &length) < 0 ? UINT16_MAX : (uint32_t)mtu;
}
