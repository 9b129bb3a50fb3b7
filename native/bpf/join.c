/* Creates and removes veth pairs. */
#include "join.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "filter.h"
#include "own-device.h"
#include "rtnetlink.h"
#include "syscall.h"

static const char RECEIVER[] = WEFT_OWN_DEVICE_PREFIX "rj", SENDER[] = WEFT_OWN_DEVICE_PREFIX "tj";

enum {
  WITHOUT_IPV6 = 1279, /* an MTU for which the kernel configures no IPv6; what is redirected is not compared with it */
  ANY_PACKET = 65535,  /* the receiving end takes no longer ones */
};

/* --- Devices --- */

static void put_end(struct weft_rtnl_request *request, const char *name, uint32_t mtu, unsigned queues) {
  const uint32_t count = queues;
  weft_rtnl_put(request, IFLA_IFNAME, name, strlen(name) + 1);
  weft_rtnl_put(request, IFLA_MTU, &mtu, sizeof(mtu));
  weft_rtnl_put(request, IFLA_NUM_TX_QUEUES, &count, sizeof(count));
  weft_rtnl_put(request, IFLA_NUM_RX_QUEUES, &count, sizeof(count));
}

static int create(const struct weft_join *join, const uint8_t *mac) {
  struct weft_rtnl_request request;
  const struct ifinfomsg link = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
  const unsigned cpus = weft_bpf_possible_cpus();
  const unsigned queues = cpus == 0 ? 1 : cpus < WEFT_JOIN_QUEUES ? cpus : WEFT_JOIN_QUEUES;
  weft_rtnl_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
  put_end(&request, join->receiver, ANY_PACKET, queues);
  weft_rtnl_put(&request, IFLA_ADDRESS, mac, 6);
  struct rtattr *info = weft_rtnl_put(&request, IFLA_LINKINFO, NULL, 0);
  weft_rtnl_put(&request, IFLA_INFO_KIND, "veth", sizeof("veth"));
  struct rtattr *data = weft_rtnl_put(&request, IFLA_INFO_DATA, NULL, 0);
  struct rtattr *peer = weft_rtnl_put(&request, VETH_INFO_PEER, &link, sizeof(link));
  put_end(&request, join->sender, WITHOUT_IPV6, queues);
  weft_rtnl_end(&request, peer);
  weft_rtnl_end(&request, data);
  weft_rtnl_end(&request, info);
  return weft_rtnl_send(&request);
}

/* Before it is up: the kernel gives it no address then. */
static int leave_without_address(unsigned index) {
  struct weft_rtnl_request request;
  const struct ifinfomsg link = {.ifi_index = (int)index};
  const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  weft_rtnl_begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
  struct rtattr *families = weft_rtnl_put(&request, IFLA_AF_SPEC, NULL, 0);
  struct rtattr *ipv6 = weft_rtnl_put(&request, AF_INET6, NULL, 0);
  weft_rtnl_put(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
  weft_rtnl_end(&request, ipv6);
  weft_rtnl_end(&request, families);
  const int error = weft_rtnl_send(&request);
  return error == -EAFNOSUPPORT ? 0 : error; /* a kernel without IPv6 */
}

static int set_up(unsigned index) {
  struct weft_rtnl_request request;
  const struct ifinfomsg link = {
      .ifi_index = (int)index, .ifi_flags = IFF_UP | IFF_NOARP, .ifi_change = IFF_UP | IFF_NOARP};
  weft_rtnl_begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
  return weft_rtnl_send(&request);
}

/* ETHTOOL_SGRO, ETHTOOL_STSO. */
static int set_feature(const char *name, uint32_t command, uint32_t value) {
  struct ethtool_value feature = {.cmd = command, .data = value};
  struct ifreq request = {.ifr_data = (void *)&feature};
  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int error = ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
  close(fd);
  return error;
}

static bool is_up(const char *name, unsigned index) {
  struct ifreq request = {.ifr_flags = 0};
  if (if_nametoindex(name) != index) return false;
  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool result = ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
  close(fd);
  return result;
}

/* --- The pair --- */

static struct weft_filter filter_of(const struct weft_join *join) {
  return (struct weft_filter){join->receiver_index, false, join->tun_index};
}

/* A veth gives packets to GRO if its sender does not segment them itself (Linux 5.13). */
static int set_up_pair(struct weft_join *join, int program_fd) {
  const struct weft_filter filter = filter_of(join);
  int error = leave_without_address(join->receiver_index);
  if (error == 0) error = set_feature(join->sender, ETHTOOL_STSO, 0);
  if (error == 0) error = set_feature(join->receiver, ETHTOOL_SGRO, 1);
  if (error == 0) error = weft_filter_set(&filter, program_fd);
  if (error == 0) error = set_up(join->receiver_index);
  return error == 0 ? set_up(join->sender_index) : error;
}

static bool is_whole(const struct weft_join *join, int program_fd) {
  const struct weft_filter filter = filter_of(join);
  return is_up(join->sender, join->sender_index) && is_up(join->receiver, join->receiver_index) &&
         weft_filter_has(&filter, weft_bpf_prog_id(program_fd));
}

static int create_pair(struct weft_join *join, const uint8_t *mac, int program_fd) {
  const unsigned which = weft_own_device_choose(RECEIVER, join->tun_index);
  weft_own_device_name(join->receiver, RECEIVER, join->tun_index, which);
  weft_own_device_name(join->sender, SENDER, join->tun_index, which);
  int error = create(join, mac);
  if (error < 0) return error;
  join->receiver_index = if_nametoindex(join->receiver);
  join->sender_index = if_nametoindex(join->sender);
  error = set_up_pair(join, program_fd);
  if (error < 0) weft_own_device_remove(join->receiver);
  return error;
}

int weft_join_open(struct weft_join *join, unsigned tun_index, const uint8_t *mac, int program_fd) {
  const bool had_pair = join->sender_index != 0;
  if (had_pair && join->tun_index == tun_index && is_whole(join, program_fd)) return 0;
  if (had_pair) weft_own_device_remove(join->receiver);
  join->sender_index = 0;
  if (join->is_unavailable) return -EOPNOTSUPP;
  if (tun_index == 0) return -ENODEV;
  join->tun_index = tun_index;
  const int error = create_pair(join, mac, program_fd);
  join->is_unavailable = error < 0;
  if (error < 0) join->sender_index = 0;
  return error;
}

static const char *name_of(const struct weft_join *join) {
  return join && join->sender_index != 0 ? join->receiver : "";
}

bool weft_join_has_others(const struct weft_join *kept, unsigned tun_index) {
  return weft_own_device_has_others(RECEIVER, tun_index, name_of(kept));
}

void weft_join_remove_others(const struct weft_join *kept, unsigned tun_index) {
  weft_own_device_remove_others(RECEIVER, tun_index, name_of(kept));
}

void weft_join_remove_stale(void) {
  weft_own_device_remove_stale(RECEIVER);
}
