/*
 * Runs single packets through the BPF programs as the path loads them, for
 * test/root/path-differential.spec.ts. Runs as root in a network
 * namespace of its own. Usage: bpf-programs udp|vxlan 4|6 <LINES
 *
 *   route SUBNET BITS REMOTE PORT   adds a route; `checksums` behind it: the peer needs them
 *   unroute SUBNET BITS             removes one
 *   tx GSO_SIZE HEX                 sends an IP packet out by the TUN device. Answer: `wire HEX`,
 *                                   a frame on the underlay, or `tun HEX`, a packet for a worker
 *   rx GSO_SIZE HEX                 runs the program of the underlay interface on a frame
 *                                   (BPF_PROG_TEST_RUN). Answer: verdict and resulting frame
 *
 *   weft0 (TUN, not read) ── [tx program] ── eth0, 192.0.2.1, 2001:db8::1 ── wire
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bpf/bpf-path.h"
#include "path/tun.h"

enum { MOST = 65536 + 256, VNI = 1, PATIENCE_MS = 60000, ATTACH_TCX_INGRESS = 46 };

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static uint8_t packet[MOST], answer[MOST];

static void fail(const char *what) {
  fprintf(stderr, "bpf-programs: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int must(int result, const char *what) {
  if (result < 0) fail(what);
  return result;
}

static void run(const char *command) {
  if (system(command) != 0) fail(command);
}

/* --- The host --- */

static void make_links(void) {
  run("ip link add eth0 type veth peer name wire && ip link set eth0 addrgenmode none && ip link set wire addrgenmode "
      "none &&"
      " ip address add 192.0.2.1/24 dev eth0 && ip link set eth0 address 02:00:00:00:00:11 && ip link set eth0 up && "
      "ip link set wire up && ip link set weft0 addrgenmode none &&"
      " ip link set weft0 mtu 9000 up && sysctl -qw net.ipv4.ip_forward=1 &&"
      " ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:22 dev eth0 && ip neighbour add 192.0.2.3 lladdr "
      "02:00:00:00:00:33 dev eth0");
  run("sysctl -qw net.ipv6.conf.all.forwarding=1 && ip address add 2001:db8::1/64 dev eth0 nodad &&"
      " ip neighbour add 2001:db8::2 lladdr 02:00:00:00:00:22 dev eth0 && ip neighbour add 2001:db8::3 lladdr "
      "02:00:00:00:00:33 dev eth0");
}

static int open_packet_socket(const char *link, bool has_header) {
  const struct sockaddr_ll where = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(link)};
  const int on = 1, fd = must(socket(AF_PACKET, SOCK_RAW, 0), "socket");
  must(bind(fd, (const void *)&where, sizeof(where)), "bind");
  if (has_header) must(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), "PACKET_VNET_HDR");
  return fd;
}

static union weft_endpoint endpoint_of(const char *address, unsigned port) {
  union weft_endpoint endpoint = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
  if (inet_pton(AF_INET, address, &endpoint.v4.sin_addr) == 1) return endpoint;
  endpoint.v6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, address, &endpoint.v6.sin6_addr);
  return endpoint;
}

static struct weft_bpf_path *open_bpf(bool is_vxlan, bool is_over6) {
  char reason[WEFT_REASON_BYTES] = "";
  const union weft_endpoint local = endpoint_of(is_over6 ? "2001:db8::1" : "192.0.2.1", is_vxlan ? 8472 : 8285);
  struct weft_encap_settings encap = {.vni = VNI};
  memcpy(encap.mac, own_mac, sizeof(own_mac));
  const struct weft_bpf_path_settings settings = {.tun = "weft0",
                                                  .encap = is_vxlan ? &weft_encap_vxlan : &weft_encap_udp,
                                                  .encap_settings = &encap,
                                                  .local = &local};
  struct weft_bpf_path *bpf = weft_bpf_path_open(&settings, reason);
  if (!bpf || !weft_bpf_path_attach(bpf, reason)) {
    fprintf(stderr, "bpf-programs: %s\n", reason);
    exit(1);
  }
  return bpf;
}

/* Family of the subnet. */
static unsigned read_subnet(const char *text, uint8_t *subnet) {
  if (inet_pton(AF_INET, text, subnet) == 1) return 4;
  if (inet_pton(AF_INET6, text, subnet) != 1) fail(text);
  return 6;
}

static void add_route(struct weft_bpf_path *bpf, const char *line) {
  char subnet[64], remote[64], mark[16] = "";
  unsigned bits, port;
  struct weft_route route = {0};
  if (sscanf(line, "%63s %u %63s %u %15s", subnet, &bits, remote, &port, mark) < 4) fail(line);
  route.family = (uint8_t)read_subnet(subnet, route.subnet);
  route.prefix_bits = (uint8_t)bits;
  route.remote = endpoint_of(remote, port);
  route.accepts_zero_checksum = strcmp(mark, "checksums") != 0;
  memcpy(route.mac, peer_mac, sizeof(peer_mac));
  weft_bpf_path_set_route(bpf, &route);
}

static void remove_route(struct weft_bpf_path *bpf, const char *line) {
  char text[64];
  unsigned bits;
  uint8_t subnet[16];
  if (sscanf(line, "%63s %u", text, &bits) != 2) fail(line);
  weft_bpf_path_remove_route(bpf, read_subnet(text, subnet), subnet, bits);
}

/* --- Packets --- */

static size_t read_hex(const char *text) {
  size_t length = 0;
  unsigned value;
  for (; sscanf(text, "%2x", &value) == 1; text += 2) packet[length++] = (uint8_t)value;
  return length;
}

static void print_hex(const char *label, const uint8_t *data, size_t length) {
  printf("%s ", label);
  for (size_t at = 0; at < length; at++) printf("%02x", data[at]);
  putchar('\n');
}

/* As a container's stack would hand over a UDP or TCP super-packet of headers without options. */
static struct virtio_net_hdr virtio_header(unsigned gso_size) {
  const bool is_ipv6 = packet[0] >> 4 == 6;
  const bool is_tcp = packet[is_ipv6 ? 6 : 9] == IPPROTO_TCP;
  const uint8_t tcp = is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  const uint16_t network_bytes = is_ipv6 ? 40 : 20;
  if (gso_size == 0) return (struct virtio_net_hdr){0};
  return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                 .gso_type = is_tcp ? tcp : 5 /* VIRTIO_NET_HDR_GSO_UDP_L4 */,
                                 .hdr_len = (uint16_t)(network_bytes + (is_tcp ? 20 : 8)),
                                 .gso_size = (uint16_t)gso_size,
                                 .csum_start = network_bytes,
                                 .csum_offset = is_tcp ? 16 : 6};
}

/* Of the host itself, which is a router and so joins a group (RFC 3810). */
static bool is_membership_report(const uint8_t *ip) {
  static const uint8_t unspecified[16], group[16] = {0xff, 2, [15] = 0x16};
  return ip[0] >> 4 == 6 && memcmp(ip + 8, unspecified, 16) == 0 && memcmp(ip + 24, group, 16) == 0;
}

/*
 * What comes next behind a virtio header on either descriptor; the program decided while the packet
 * was sent.
 */
static void print_outcome(int tun_fd, int wire_fd) {
  struct virtio_net_hdr header;
  const struct iovec iov[2] = {{&header, sizeof(header)}, {answer, sizeof(answer)}};
  struct pollfd ready[2] = {{.fd = tun_fd, .events = POLLIN}, {.fd = wire_fd, .events = POLLIN}};
  for (;;) {
    if (must(poll(ready, 2, PATIENCE_MS), "poll") == 0) fail("packet on neither descriptor");
    const bool is_tun = ready[0].revents & POLLIN;
    const ssize_t length = readv(is_tun ? tun_fd : wire_fd, iov, 2);
    if (length < (ssize_t)sizeof(header)) fail("readv");
    if (is_membership_report(answer + (is_tun ? 0 : 14))) continue;
    print_hex(is_tun ? "tun" : "wire", answer, (size_t)length - sizeof(header));
    return;
  }
}

static void send_packet(int out_fd, unsigned gso_size, size_t length) {
  struct virtio_net_hdr header = virtio_header(gso_size);
  struct iovec iov[2] = {{&header, sizeof(header)}, {packet, length}};
  struct sockaddr_ll to = {.sll_family = AF_PACKET,
                           .sll_protocol = htons(packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP),
                           .sll_ifindex = (int)if_nametoindex("weft0")};
  const struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov, .msg_iovlen = 2};
  if (sendmsg(out_fd, &message, 0) < 0) fail("sendmsg");
}

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  return must((int)syscall(SYS_bpf, command, attributes, sizeof(*attributes)), "bpf");
}

/* The program that is attached to the underlay interface. */
static int find_program(void) {
  uint32_t id = 0;
  union bpf_attr query = {.query = {.target_fd = if_nametoindex("eth0"),
                                    .attach_type = ATTACH_TCX_INGRESS,
                                    .prog_ids = (uint64_t)(uintptr_t)&id,
                                    .prog_cnt = 1}};
  bpf(BPF_PROG_QUERY, &query);
  union bpf_attr by_id = {.prog_id = id};
  return bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
}

static void run_program(int program_fd, unsigned gso_size, size_t length) {
  struct __sk_buff context = {.ifindex = if_nametoindex("eth0"), .gso_size = gso_size};
  union bpf_attr attributes = {.test = {.prog_fd = (uint32_t)program_fd,
                                        .data_in = (uint64_t)(uintptr_t)packet,
                                        .data_size_in = (uint32_t)length,
                                        .data_out = (uint64_t)(uintptr_t)answer,
                                        .data_size_out = sizeof(answer),
                                        .ctx_in = (uint64_t)(uintptr_t)&context,
                                        .ctx_size_in = sizeof(context)}};
  char verdict[16];
  bpf(BPF_PROG_TEST_RUN, &attributes);
  snprintf(verdict, sizeof(verdict), "%d", (int)attributes.test.retval);
  print_hex(verdict, answer, attributes.test.data_size_out);
}

int main(int argc, char **argv) {
  if (argc != 3) fail("usage: bpf-programs udp|vxlan 4|6 <LINES");
  static char line[2 * MOST + 64];
  const int tun_fd = must(weft_tun_open("weft0", true), "open /dev/net/tun");
  struct weft_tun_offloads offloads;
  weft_tun_probe_offloads(tun_fd, &offloads);
  make_links();
  const int wire_fd = open_packet_socket("eth0", true), out_fd = must(socket(AF_PACKET, SOCK_RAW, 0), "socket");
  const int on = 1;
  must(setsockopt(out_fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), "PACKET_VNET_HDR");
  struct weft_bpf_path *bpf = open_bpf(strcmp(argv[1], "vxlan") == 0, strcmp(argv[2], "6") == 0);
  const int program_fd = find_program();
  while (fgets(line, sizeof(line), stdin)) {
    unsigned gso_size = 0;
    int at = 0;
    if (strncmp(line, "route ", 6) == 0) add_route(bpf, line + 6);
    else if (strncmp(line, "unroute ", 8) == 0) remove_route(bpf, line + 8);
    else if (sscanf(line, "%*cx %u %n", &gso_size, &at) != 1) fail(line);
    else {
      const size_t length = read_hex(line + at);
      if (line[0] == 'r') run_program(program_fd, gso_size, length);
      else {
        send_packet(out_fd, gso_size, length);
        print_outcome(tun_fd, wire_fd);
      }
    }
  }
  weft_bpf_path_close(bpf);
  return 0;
}
