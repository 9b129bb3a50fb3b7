/* Frames of an interface through a ring. */
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "options.h"

enum {
  RING_BYTES = 16 << 20,
  BLOCK_BYTES = 1 << 16,
  SEND_BYTES = 4 << 20,
  SLACK_BYTES = 256, /* ring header, alignment, Ethernet header, VLAN tags */
};

static size_t mtu_of(int fd, const char *interface) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFMTU, &request) < 0) fail(interface);
  return (size_t)request.ifr_mtu;
}

static void map_ring(struct ring *ring, size_t frame_bytes) {
  const int version = TPACKET_V2;
  ring->slot_bytes = 2048;
  while (ring->slot_bytes < frame_bytes + SLACK_BYTES) ring->slot_bytes *= 2;
  ring->slots = (unsigned)(RING_BYTES / ring->slot_bytes);
  const struct tpacket_req request = {.tp_block_size = BLOCK_BYTES,
                                      .tp_block_nr = RING_BYTES / BLOCK_BYTES,
                                      .tp_frame_size = (unsigned)ring->slot_bytes,
                                      .tp_frame_nr = ring->slots};
  if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0) fail("PACKET_VERSION");
  if (setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0) fail("PACKET_RX_RING");
  ring->memory = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
  if (ring->memory == MAP_FAILED) fail("mmap");
}

void ring_open(struct ring *ring, const char *interface) {
  const unsigned index = if_nametoindex(interface);
  if (index == 0) fail(interface);
  *ring = (struct ring){.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
  if (ring->fd < 0) fail("socket");
  const int on = 1, send_bytes = SEND_BYTES;
  /* Without it every frame that is sent here would be read here, too. */
  if (setsockopt(ring->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0) fail("PACKET_IGNORE_OUTGOING");
  const struct packet_mreq promiscuous = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(ring->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0) fail(interface);
  (void)setsockopt(ring->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
  (void)setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
  map_ring(ring, mtu_of(ring->fd, interface));
  const struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
  if (bind(ring->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) fail(interface);
}

static struct tpacket2_hdr *slot_at(struct ring *ring, unsigned index) {
  return (struct tpacket2_hdr *)(void *)(ring->memory + (size_t)index * ring->slot_bytes);
}

int ring_take(struct ring *ring, struct ring_frame *frame) {
  struct tpacket2_hdr *slot = slot_at(ring, ring->next);
  if (ring->taken == ring->slots) return 0;
  if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return 0;
  *frame = (struct ring_frame){(uint8_t *)slot + slot->tp_mac, slot->tp_len, slot->tp_snaplen};
  ring->next = (ring->next + 1) % ring->slots;
  ring->taken++;
  return 1;
}

void ring_release(struct ring *ring) {
  for (; ring->taken > 0; ring->taken--) {
    const unsigned index = (ring->next + ring->slots - ring->taken) % ring->slots;
    __atomic_store_n(&slot_at(ring, index)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }
}

uint64_t ring_drops(struct ring *ring) {
  struct tpacket_stats statistics = {0};
  socklen_t length = sizeof(statistics);
  if (getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) fail("PACKET_STATISTICS");
  return statistics.tp_drops;
}
