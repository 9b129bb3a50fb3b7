/* Interfaces by getifaddrs(3). */
#include "underlay.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *label_of(const struct ifaddrs *list, const union weft_endpoint *address) {
  for (; list; list = list->ifa_next) {
    const union weft_endpoint *own = (const void *)list->ifa_addr;
    if (own && weft_endpoint_same_address(own, address)) return list->ifa_name;
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

unsigned weft_underlay_index(const union weft_endpoint *address) {
  struct ifaddrs *list;
  char name[IF_NAMESIZE] = "";
  if (getifaddrs(&list) < 0) return 0;
  const char *label = label_of(list, address);
  if (label) snprintf(name, sizeof(name), "%.*s", (int)strcspn(label, ":"), label); /* eth0:1 is on eth0 */
  const unsigned index = ethernet_index(list, name);
  freeifaddrs(list);
  return index;
}
