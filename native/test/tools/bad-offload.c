/*
 * bad-offload A B: moves frames between two devices of this namespace as a network card whose
 * checksum offload does not understand tunnels: from A to B, the checksum of a packet inside a
 * tunnel stays as unfinished as the kernel left it. All else is right. Prints "ready", and runs
 * until it is killed. Packets must not be longer than the MTU: gso off.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ethernet and IP headers: what is checksummed further behind lies inside a tunnel. */
enum { OUTER_IPV4 = 14 + 20, OUTER_IPV6 = 14 + 40, LONGEST_FRAME = 70000 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_device(const char *name) {
  const int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1;
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
  address.sll_ifindex = promiscuous.mr_ifindex = (int)if_nametoindex(name);
  if (fd < 0 || address.sll_ifindex == 0) die(name);
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
    die(name);
  return fd;
}

static bool is_inside_tunnel(const struct virtio_net_hdr *header, const uint8_t *frame) {
  const bool is_ipv6 = frame[12] == 0x86 && frame[13] == 0xdd;
  return header->csum_start > (is_ipv6 ? OUTER_IPV6 : OUTER_IPV4);
}

/* What cannot be sent, as the other end is down, is lost as on any wire. */
static void move_frame(int from, int to, bool is_bad) {
  static uint8_t buffer[sizeof(struct virtio_net_hdr) + LONGEST_FRAME];
  struct virtio_net_hdr header;
  const ssize_t length = read(from, buffer, sizeof(buffer));
  if (length < (ssize_t)sizeof(header) + 14) return;
  memcpy(&header, buffer, sizeof(header));
  if (is_bad && (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && is_inside_tunnel(&header, buffer + sizeof(header)))
    memset(buffer, 0, sizeof(header));
  if (write(to, buffer, (size_t)length) < 0 && errno == EBADF) die("write");
}

int main(int count, char **args) {
  if (count != 3) {
    fprintf(stderr, "usage: bad-offload FROM TO\n");
    return 2;
  }
  struct pollfd ends[2] = {{.fd = open_device(args[1]), .events = POLLIN},
                           {.fd = open_device(args[2]), .events = POLLIN}};
  puts("ready");
  fflush(stdout);
  while (poll(ends, 2, -1) >= 0)
    for (int end = 0; end < 2; end++)
      if (ends[end].revents & POLLIN) move_frame(ends[end].fd, ends[1 - end].fd, end == 0);
  die("poll");
}
