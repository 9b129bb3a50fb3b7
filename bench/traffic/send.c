/*
 * Sends UDP datagrams as fast as it can for a time, then prints {"packets","seconds","refused"}.
 *
 *   send [-l BYTES] [-t SECONDS] [-p PACKETS] [-n SUBNETS] [-r HOSTS] [-g] [-d DEVICE -s SOURCE [-m MAC]] ADDRESS PORT
 *
 * -n, -r and -d are for IPv4 alone.
 *
 * -l  payload of a datagram, 1..1472; default 64
 * -p  so many a second, evenly in bursts of 16, instead of as fast as it can
 * -n  each datagram to a random one of so many /24 subnets, of which ADDRESS is in the first; default 1
 * -r  and each to a random one of so many addresses of its subnet, the lowest being that of ADDRESS; default 1
 * -g  batches through UDP_SEGMENT, one system call and one super-packet each, instead of sendmmsg(2); one destination only, and BYTES up to 1023
 * -d  straight into this device, past the routes and neighbours of this host, from address SOURCE
 * -m  to the station with this MAC, where the device has link addresses
 */
#include <stdbool.h>
#include <sys/prctl.h>

#include "raw.h"
#include "traffic.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* Of a steady rate: what queues of any length take at once, and still few system calls. */
enum { BURST = 16 };

struct sender {
  int fd;
  unsigned batch;
  double rate; /* packets a second; 0: as fast as it can */
  size_t bytes;
  uint32_t subnets, hosts;
  bool is_segmented;
  struct endpoint first;
  uint64_t random;
  struct endpoint destinations[TRAFFIC_BATCH];
  struct mmsghdr messages[TRAFFIC_BATCH];
  struct iovec payload;
  const char *device; /* NULL: by a UDP socket */
  const char *mac; /* NULL: the device has no link addresses */
  struct in_addr source;
  struct sockaddr_ll device_address;
  struct raw_header headers[TRAFFIC_BATCH];
  struct iovec raw[TRAFFIC_BATCH][2];
  uint8_t buffer[TRAFFIC_BATCH * TRAFFIC_MAX_BYTES];
};

/* xorshift64: good enough to visit all subnets in no order, and free beside a system call. */
static uint32_t next_random(struct sender *sender) {
  sender->random ^= sender->random << 13;
  sender->random ^= sender->random >> 7;
  sender->random ^= sender->random << 17;
  return (uint32_t)(sender->random >> 32);
}

static void choose_destinations(struct sender *sender) {
  const uint32_t first = ntohl(sender->first.ipv4.sin_addr.s_addr);
  for (size_t i = 0; i < TRAFFIC_BATCH; i++) {
    const uint32_t subnet = (uint32_t)((uint64_t)next_random(sender) * sender->subnets >> 32);
    const uint32_t host = (uint32_t)((uint64_t)next_random(sender) * sender->hosts >> 32);
    sender->destinations[i].ipv4.sin_addr.s_addr = htonl(first + (subnet << 8) + host);
  }
}

static void prepare(struct sender *sender) {
  const size_t length = sender->is_segmented ? sender->bytes * TRAFFIC_BATCH : sender->bytes;
  sender->payload = (struct iovec){sender->buffer, length};
  for (size_t i = 0; i < TRAFFIC_BATCH; i++) {
    sender->destinations[i] = sender->first;
    sender->messages[i].msg_hdr = (struct msghdr){.msg_name = &sender->destinations[i].any,
                                                  .msg_namelen = sender->first.length,
                                                  .msg_iov = &sender->payload,
                                                  .msg_iovlen = 1};
  }
  if (!sender->is_segmented) return;
  const int size = (int)sender->bytes;
  if (setsockopt(sender->fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0) give_up("UDP_SEGMENT");
}

static void prepare_raw(struct sender *sender) {
  sender->device_address = raw_device(sender->device, sender->mac);
  for (size_t i = 0; i < TRAFFIC_BATCH; i++) {
    sender->raw[i][0] = (struct iovec){&sender->headers[i], sizeof(sender->headers[i])};
    sender->raw[i][1] = sender->payload;
    sender->messages[i].msg_hdr = (struct msghdr){.msg_name = &sender->device_address,
                                                  .msg_namelen = sizeof(sender->device_address),
                                                  .msg_iov = sender->raw[i],
                                                  .msg_iovlen = 2};
  }
}

/* Returns the datagrams that the kernel took; a full queue is no reason to stop. */
static unsigned send_batch(struct sender *sender) {
  if (sender->subnets > 1 || sender->hosts > 1) choose_destinations(sender);
  if (sender->is_segmented)
    return sendmsg(sender->fd, &sender->messages[0].msg_hdr, 0) < 0 ? 0 : TRAFFIC_BATCH;
  for (size_t i = 0; sender->device && i < TRAFFIC_BATCH; i++)
    fill_raw(&sender->headers[i], sender->source, &sender->destinations[i].ipv4, sender->bytes);
  const int sent = sendmmsg(sender->fd, sender->messages, sender->batch, 0);
  return sent < 0 ? 0 : (unsigned)sent;
}

/* Sleeps until so many packets are due. One that comes too late sends at once, so that the rate holds. */
static void wait_until_due(const struct sender *sender, uint64_t from, uint64_t packets) {
  if (sender->rate <= 0) return;
  const uint64_t due = from + (uint64_t)((double)packets / sender->rate * 1e9);
  const struct timespec time = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

static void run(struct sender *sender, double seconds) {
  const uint64_t from = now_ns(), until = from + (uint64_t)(seconds * 1e9);
  uint64_t packets = 0, refused = 0, now;
  do {
    wait_until_due(sender, from, packets);
    const unsigned sent = send_batch(sender);
    if (sent == 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) give_up("send");
    packets += sent;
    refused += sent == 0;
    now = now_ns();
  } while (now < until);
  printf("{\"packets\":%llu,\"seconds\":%.6f,\"refused\":%llu}\n", (unsigned long long)packets,
         (double)(now - from) / 1e9, (unsigned long long)refused);
}

int main(int argc, char **argv) {
  static struct sender sender = {.bytes = 64, .subnets = 1, .hosts = 1, .random = 0x9e3779b97f4a7c15};
  double seconds = 2;
  for (int option; (option = getopt(argc, argv, "l:t:p:n:r:gd:s:m:")) != -1;) {
    if (option == 'l') sender.bytes = (size_t)atoi(optarg);
    else if (option == 't') seconds = atof(optarg);
    else if (option == 'p') sender.rate = atof(optarg);
    else if (option == 'n') sender.subnets = (uint32_t)atoi(optarg);
    else if (option == 'r') sender.hosts = (uint32_t)atoi(optarg);
    else if (option == 'g') sender.is_segmented = true;
    else if (option == 'd') sender.device = optarg;
    else if (option == 'm') sender.mac = optarg;
    else if (option == 's') sender.source = parse_endpoint(optarg, "0").ipv4.sin_addr;
    else return 2;
  }
  if (argc - optind != 2 || sender.bytes < 1 || sender.bytes > TRAFFIC_MAX_BYTES || sender.subnets < 1 ||
      sender.hosts < 1)
    return 2;
  sender.batch = sender.rate > 0 ? BURST : TRAFFIC_BATCH;
  prctl(PR_SET_TIMERSLACK, 1UL);
  sender.first = parse_endpoint(argv[optind], argv[optind + 1]);
  if (sender.first.any.sa_family != AF_INET && (sender.device || sender.subnets > 1 || sender.hosts > 1)) return 2;
  sender.fd = sender.device ? open_raw() : open_socket(&sender.first, SOCK_DGRAM);
  prepare(&sender);
  if (sender.device) prepare_raw(&sender);
  run(&sender, seconds);
  return 0;
}
