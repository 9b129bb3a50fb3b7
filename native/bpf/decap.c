/* Creates and removes VXLAN devices. */
#include "decap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "own-device.h"
#include "rtnetlink.h"

static const char KIND[] = WEFT_OWN_DEVICE_PREFIX "rx";

enum {
  ATTEMPTS = 4,        /* another socket can take the port first */
  WITHOUT_IPV6 = 1279, /* an MTU for which the kernel configures no IPv6; the device sends nothing */
};

/* --- Devices --- */

static uint16_t find_free_port(bool is_ipv6) {
  struct sockaddr_in6 address = {.sin6_family = is_ipv6 ? AF_INET6 : AF_INET};
  socklen_t bytes = is_ipv6 ? sizeof(address) : sizeof(struct sockaddr_in);
  const int fd = socket(address.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  if (bind(fd, (const void *)&address, bytes) == 0) getsockname(fd, (void *)&address, &bytes);
  close(fd);
  return address.sin6_port; /* the same offset in both families */
}

/* No other host can guess the VNI, and no packet on the underlay has it. */
static int choose_identity(struct weft_decap *decap, bool is_ipv6) {
  uint8_t random[3];
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) return -EIO;
  const uint32_t vni = (uint32_t)random[0] << 16 | (uint32_t)random[1] << 8 | random[2];
  decap->vni = htonl((vni == 0 ? 1 : vni) << 8);
  decap->port = find_free_port(is_ipv6);
  return decap->port == 0 ? -EADDRNOTAVAIL : 0;
}

/* A local address gives the device an IPv6 socket; it takes what the program has checked. */
static void put_ipv6(struct weft_rtnl_request *request) {
  const struct in6_addr local = IN6ADDR_LOOPBACK_INIT;
  const uint8_t yes = 1;
  weft_rtnl_put(request, IFLA_VXLAN_LOCAL6, &local, sizeof(local));
  weft_rtnl_put(request, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, &yes, sizeof(yes));
}

static int create(const struct weft_decap *decap, const uint8_t *mac, bool is_ipv6) {
  struct weft_rtnl_request request;
  const struct ifinfomsg link = {.ifi_flags = IFF_UP | IFF_NOARP, .ifi_change = IFF_UP | IFF_NOARP};
  const uint32_t vni = ntohl(decap->vni) >> 8, lower = decap->tun_index, mtu = WITHOUT_IPV6;
  const uint8_t no = 0;
  weft_rtnl_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
  weft_rtnl_put(&request, IFLA_IFNAME, decap->name, strlen(decap->name) + 1);
  weft_rtnl_put(&request, IFLA_ADDRESS, mac, 6);
  weft_rtnl_put(&request, IFLA_MTU, &mtu, sizeof(mtu));
  struct rtattr *info = weft_rtnl_put(&request, IFLA_LINKINFO, NULL, 0);
  weft_rtnl_put(&request, IFLA_INFO_KIND, "vxlan", sizeof("vxlan"));
  struct rtattr *data = weft_rtnl_put(&request, IFLA_INFO_DATA, NULL, 0);
  weft_rtnl_put(&request, IFLA_VXLAN_ID, &vni, sizeof(vni));
  weft_rtnl_put(&request, IFLA_VXLAN_LINK, &lower, sizeof(lower));
  weft_rtnl_put(&request, IFLA_VXLAN_PORT, &decap->port, sizeof(decap->port));
  weft_rtnl_put(&request, IFLA_VXLAN_LEARNING, &no, sizeof(no));
  if (is_ipv6) put_ipv6(&request);
  weft_rtnl_end(&request, data);
  weft_rtnl_end(&request, info);
  return weft_rtnl_send(&request);
}

static bool exists(const struct weft_decap *decap, unsigned tun_index) {
  return decap->index != 0 && decap->tun_index == tun_index && if_nametoindex(decap->name) == decap->index;
}

int weft_decap_open(struct weft_decap *decap, unsigned tun_index, const uint8_t *mac, bool is_ipv6) {
  int error = -EADDRINUSE;
  if (exists(decap, tun_index)) return 0;
  decap->index = 0;
  if (decap->is_unavailable) return -EOPNOTSUPP;
  if (tun_index == 0) return -ENODEV;
  decap->tun_index = tun_index;
  weft_own_device_name(decap->name, KIND, tun_index, weft_own_device_choose(KIND, tun_index));
  for (unsigned attempt = 0; attempt < ATTEMPTS && (error == -EADDRINUSE || error == -EEXIST); attempt++) {
    error = choose_identity(decap, is_ipv6);
    if (error == 0) error = create(decap, mac, is_ipv6);
  }
  decap->is_unavailable = error == -EOPNOTSUPP;
  if (error == 0) decap->index = if_nametoindex(decap->name);
  return error < 0 ? error : decap->index == 0 ? -ENODEV : 0;
}

void weft_decap_remove_others(const struct weft_decap *kept, unsigned tun_index) {
  weft_own_device_remove_others(KIND, tun_index, kept && kept->index != 0 ? kept->name : "");
}
