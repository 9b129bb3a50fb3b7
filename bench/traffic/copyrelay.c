/*
 * The least that a tunnel in a process does: copies between a TUN device and a UDP socket, in as few system calls as UDP GSO and
 * GRO allow. `copyrelay DEVICE LOCAL REMOTE PORT`. It has no routes, checks or checksums and segments nothing: a super-packet
 * crosses whole, behind its virtio header, cut into datagrams anywhere, and the far end joins these again. So it shows what
 * copying alone costs, as a bound of the packet path's workers.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "traffic.h"

enum {
  MAGIC = 0x77656674,
  MAX_BYTES = 1 << 17,
  /* What a datagram of the underlay's MTU, 1500, takes. */
  DATAGRAM_BYTES = 1472,
  /* The most that one call with UDP GSO sends (Linux: 65,507 bytes with IPv4). */
  CALL_BYTES = 44 * DATAGRAM_BYTES,
  BUFFER_BYTES = 8 * MAX_BYTES,
  TURNS = 256,
};

/* In front of each packet. */
struct frame {
  uint32_t magic, bytes;
};

static int open_tun(const char *name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  if (fd < 0) give_up("/dev/net/tun");
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) < 0) give_up("TUNSETIFF");
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) give_up("TUNSETOFFLOAD");
  return fd;
}

static int open_udp(const char *local, const char *remote, const char *port) {
  const struct endpoint from = parse_endpoint(local, port), to = parse_endpoint(remote, port);
  const int fd = open_socket(&from, SOCK_DGRAM | SOCK_NONBLOCK), on = 1, size = DATAGRAM_BYTES, buffer = 4 << 20;
  if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0) give_up("UDP_GRO");
  if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0) give_up("UDP_SEGMENT");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0) give_up("SO_RCVBUFFORCE");
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) < 0) give_up("SO_SNDBUFFORCE");
  if (bind(fd, &from.any, from.length) < 0) give_up("bind");
  if (connect(fd, &to.any, to.length) < 0) give_up("connect");
  return fd;
}

static void send_all(int udp, const uint8_t *data, size_t length) {
  while (length > 0) {
    const size_t bytes = length < CALL_BYTES ? length : CALL_BYTES;
    /* A full buffer loses the packet, as a wire would. */
    if (send(udp, data, bytes, 0) < 0) return;
    data += bytes;
    length -= bytes;
  }
}

static void take_packets(int tun, int udp) {
  static uint8_t buffer[MAX_BYTES];
  for (unsigned turn = 0; turn < TURNS; turn++) {
    const ssize_t length = read(tun, buffer + sizeof(struct frame), sizeof(buffer) - sizeof(struct frame));
    if (length <= 0) return;
    const struct frame frame = {MAGIC, (uint32_t)length};
    memcpy(buffer, &frame, sizeof(frame));
    send_all(udp, buffer, sizeof(frame) + (size_t)length);
  }
}

/* Received bytes: the packets from `start` to `end`, the last of them perhaps in part. */
struct received {
  size_t start, end;
  uint8_t data[BUFFER_BYTES];
};

/* Writes the complete packets. A frame that is none ends the rest, as datagrams are missing. */
static void write_packets(int tun, struct received *received) {
  struct frame frame;
  while (received->end - received->start >= sizeof(frame)) {
    const uint8_t *at = received->data + received->start;
    memcpy(&frame, at, sizeof(frame));
    if (frame.magic != MAGIC || frame.bytes > MAX_BYTES) break;
    if (received->end - received->start - sizeof(frame) < frame.bytes) return;
    /* A packet that the device refuses is lost. */
    if (write(tun, at + sizeof(frame), frame.bytes) < 0 && errno == EBADFD) give_up("write");
    received->start += sizeof(frame) + frame.bytes;
  }
  received->start = received->end = 0;
}

static void receive_packets(int tun, int udp) {
  static struct received received;
  const uint32_t magic = MAGIC;
  for (unsigned turn = 0; turn < TURNS; turn++) {
    if (sizeof(received.data) - received.end < MAX_BYTES) received.start = received.end = 0;
    uint8_t *place = received.data + received.end;
    const ssize_t length = recv(udp, place, MAX_BYTES, 0);
    if (length <= 0) return;
    /* A message that begins a packet ends the one before, complete or not. */
    if (memcmp(place, &magic, sizeof(magic)) == 0) received.start = received.end;
    received.end += (size_t)length;
    write_packets(tun, &received);
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const int tun = open_tun(argv[1]), udp = open_udp(argv[2], argv[3], argv[4]);
  struct pollfd wanted[] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
  while (poll(wanted, 2, -1) > 0 || errno == EINTR) {
    if (wanted[1].revents) receive_packets(tun, udp);
    if (wanted[0].revents) take_packets(tun, udp);
  }
  give_up("poll");
}
