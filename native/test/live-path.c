/*
 * A device of the packet path with real workers, for checkers that only a program of its own can
 * have (TSan, ASan, valgrind, leaks). Runs in a network namespace of its own, as root there. Usage:
 * live-path traffic PACKETS | cycles COUNT
 *
 *   peer 127.0.0.2:9000 ──udp──► 127.0.0.1:8285 [ path ] weft0 10.5.1.0 ◄──► own sockets
 *
 * traffic: PACKETS packets in each direction through two workers, while routes change
 * without a pause. cycles: opens and closes COUNT times; afterwards there are as many descriptors
 * and threads as before.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet/checksum.h"
#include "packet/packet.h"
#include "packet/wire.h"
#include "path/path.h"

enum { PORT = 8285, PEER_PORT = 9000, OVERLAY_PORT = 7777, PAYLOAD = 64, ROUTES = 200, PATIENCE_MS = 60000 };

static void fail(const char *what, int error) {
  fprintf(stderr, "live-path: %s: %s\n", what, strerror(error));
  exit(1);
}

static void run(const char *command) {
  if (system(command) != 0) fail(command, ECHILD);
}

static union weft_endpoint endpoint(const char *address, unsigned port) {
  union weft_endpoint result = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
  inet_pton(AF_INET, address, &result.v4.sin_addr);
  return result;
}

static struct weft_path *open_path(unsigned workers) {
  struct weft_path_settings settings = {.name = "weft0",
                                        .encap = &weft_encap_udp,
                                        .local = endpoint("127.0.0.1", PORT),
                                        .workers = workers,
                                        .is_source_checked = true};
  struct weft_path *path;
  const char *call;
  const int error = weft_path_open(&settings, NULL, 0, &path, &call);
  if (error < 0) fail(call, -error);
  return path;
}

static uint64_t counted(const struct weft_path *path, unsigned which) {
  uint64_t counts[WEFT_COUNTER_COUNT];
  weft_path_counts(path, counts);
  return counts[which];
}

static void set_route(struct weft_path *path, const char *subnet, unsigned bits) {
  struct weft_route route = {.family = 4, .prefix_bits = (uint8_t)bits, .remote = endpoint("127.0.0.2", PEER_PORT)};
  inet_pton(AF_INET, subnet, route.subnet);
  const int error = weft_routes_set(path->routes, &route);
  if (error < 0) fail("weft_routes_set", -error);
}

static int open_udp(const char *address, unsigned port) {
  const union weft_endpoint local = endpoint(address, port);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, &local.any, sizeof(local.v4)) < 0) fail("bind", errno);
  return fd;
}

/* An inner packet from the peer's subnet to this host. */
static size_t make_inner(uint8_t *data) {
  struct weft_packet packet;
  const size_t length = WEFT_IPV4_BYTES + WEFT_UDP_BYTES + PAYLOAD;
  memset(data, 0, length);
  data[0] = 0x45;
  weft_store16(data + 2, (unsigned)length);
  data[6] = 0x40;
  data[8] = 64;
  data[9] = WEFT_PROTOCOL_UDP;
  inet_pton(AF_INET, "10.5.2.1", data + 12);
  inet_pton(AF_INET, "10.5.1.0", data + 16);
  weft_store_checksum(data + 10, weft_sum(0, data, WEFT_IPV4_BYTES));
  weft_store16(data + 20, 5000);
  weft_store16(data + 22, OVERLAY_PORT);
  weft_store16(data + 24, WEFT_UDP_BYTES + PAYLOAD);
  if (weft_packet_parse(data, length, &packet) != 0) fail("weft_packet_parse", EINVAL);
  weft_store_checksum(data + 26, weft_sum(weft_pseudo_sum(data, &packet, WEFT_UDP_BYTES + PAYLOAD), data + 20,
                                          WEFT_UDP_BYTES + PAYLOAD));
  return length;
}

struct traffic {
  int peer, overlay;
  unsigned packets;
};

/* Sends in both directions. Waits for each inbound packet, so that no buffer overflows. */
static void *move_packets(void *argument) {
  const struct traffic *traffic = argument;
  const union weft_endpoint path = endpoint("127.0.0.1", PORT), far = endpoint("10.5.2.9", 5000);
  uint8_t inner[256], received[256];
  const size_t length = make_inner(inner);
  for (unsigned count = 0; count < traffic->packets; count++) {
    if (sendto(traffic->peer, inner, length, 0, &path.any, sizeof(path.v4)) < 0) fail("sendto peer", errno);
    if (recv(traffic->overlay, received, sizeof(received), 0) != PAYLOAD) fail("recv overlay", errno);
    if (sendto(traffic->overlay, inner, PAYLOAD, 0, &far.any, sizeof(far.v4)) < 0) fail("sendto overlay", errno);
    if (recv(traffic->peer, received, sizeof(received), 0) != (ssize_t)length) fail("recv peer", errno);
  }
  return NULL;
}

static void churn(struct weft_path *path, unsigned round) {
  char subnet[32];
  for (unsigned index = 0; index < ROUTES; index++) {
    snprintf(subnet, sizeof(subnet), "10.9.%u.0", index);
    set_route(path, subnet, 24);
  }
  set_route(path, "10.5.2.0", 24); /* the one in use: replaced, never missing */
  if (round % 3 == 0) set_route(path, "10.5.2.8", 29);
  const uint8_t longer[4] = {10, 5, 2, 8};
  if (round % 3 == 1) weft_routes_remove(path->routes, 4, longer, 29);
  for (unsigned index = 0; index < ROUTES; index++) {
    const uint8_t bytes[4] = {10, 9, (uint8_t)index, 0};
    if (weft_routes_remove(path->routes, 4, bytes, 24) < 0) fail("weft_routes_remove", ESRCH);
  }
}

static void run_traffic(unsigned packets) {
  struct weft_path *path = open_path(2);
  const struct weft_path_config config = {.mtu = 1472, .has_ipv4 = true, .ipv4 = {10, 5, 1, 0}};
  struct traffic traffic = {.packets = packets};
  pthread_t thread;
  run("ip link set weft0 mtu 1472 up && ip addr add 10.5.1.0/32 dev weft0 && ip route add 10.5.0.0/16 dev weft0");
  weft_path_configure(path, &config);
  set_route(path, "10.5.2.0", 24);
  traffic.peer = open_udp("127.0.0.2", PEER_PORT);
  traffic.overlay = open_udp("10.5.1.0", OVERLAY_PORT);
  if (pthread_create(&thread, NULL, move_packets, &traffic) != 0) fail("pthread_create", EAGAIN);
  for (unsigned round = 0; counted(path, WEFT_TX_PACKETS) < packets; round++) churn(path, round);
  pthread_join(thread, NULL);
  /* A packet may be read before the worker that wrote it has counted it. */
  for (unsigned ms = 0; counted(path, WEFT_RX_PACKETS) < packets; ms++) {
    if (ms == PATIENCE_MS) fail("packets delivered", ENODATA);
    usleep(1000);
  }
  weft_path_close(path);
  close(traffic.peer);
  close(traffic.overlay);
}

static unsigned entries(const char *folder) {
  unsigned count = 0;
  DIR *directory = opendir(folder);
  if (!directory) fail(folder, errno);
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

static void run_cycles(unsigned cycles) {
  const unsigned fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  for (unsigned cycle = 0; cycle < cycles; cycle++) {
    struct weft_path *path = open_path(1 + cycle % 2);
    set_route(path, "10.5.2.0", 24);
    weft_path_close(path);
  }
  if (entries("/proc/self/fd") != fds) fail("descriptors left over", EMFILE);
  if (entries("/proc/self/task") != threads) fail("threads left over", EAGAIN);
}

int main(int count, char **args) {
  const unsigned amount = count == 3 ? (unsigned)strtoul(args[2], NULL, 10) : 0;
  run("ip link set lo up");
  if (amount > 0 && strcmp(args[1], "traffic") == 0) run_traffic(amount);
  else if (amount > 0 && strcmp(args[1], "cycles") == 0) run_cycles(amount);
  else fail("usage: live-path traffic PACKETS | cycles COUNT", EINVAL);
  return 0;
}
