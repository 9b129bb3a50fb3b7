/*
 * Counts UDP datagrams that arrive at a port for any address, until SIGTERM: `receive PORT` prints `ready`, and at the end
 * {"packets","bytes","seconds"}, the time being that from the first to the last datagram.
 */
#include <signal.h>

#include "traffic.h"

enum {
  BUFFER_BYTES = 2048,
  /* Of the socket; so much that what is measured is the path and not how the receiver is scheduled. */
  QUEUE_BYTES = 8 << 20,
  /* Poll interval of an empty socket. A blocked reader is woken for each packet that finds it empty, which on
   * virtual processors takes longer than the packet's whole path. */
  PAUSE_NS = 1000 * 1000,
};

static volatile sig_atomic_t is_stopped;

static void stop(int signal) {
  (void)signal;
  is_stopped = 1;
}

struct count {
  uint64_t packets, bytes, first_ns, last_ns;
};

static struct mmsghdr *make_messages(void) {
  static uint8_t buffers[TRAFFIC_BATCH][BUFFER_BYTES];
  static struct iovec pieces[TRAFFIC_BATCH];
  static struct mmsghdr messages[TRAFFIC_BATCH];
  for (size_t i = 0; i < TRAFFIC_BATCH; i++) {
    pieces[i] = (struct iovec){buffers[i], BUFFER_BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  return messages;
}

/* Counts what the socket has. */
static void drain(int fd, struct mmsghdr *messages, struct count *count) {
  for (;;) {
    const int received = recvmmsg(fd, messages, TRAFFIC_BATCH, MSG_DONTWAIT, NULL);
    if (received <= 0) return;
    count->last_ns = now_ns();
    if (count->packets == 0) count->first_ns = count->last_ns;
    count->packets += (unsigned)received;
    for (int i = 0; i < received; i++) count->bytes += messages[i].msg_len;
  }
}

static void count_until_stopped(int fd, struct count *count) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  struct mmsghdr *messages = make_messages();
  while (!is_stopped) {
    drain(fd, messages, count);
    nanosleep(&pause, NULL);
  }
  drain(fd, messages, count);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const struct sigaction action = {.sa_handler = stop};
  if (sigaction(SIGTERM, &action, NULL) < 0) give_up("sigaction");
  const int fd = open_bound(SOCK_DGRAM, argv[1]);
  const int bytes = QUEUE_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0)
    give_up("SO_RCVBUF");
  puts("ready");
  fflush(stdout);
  struct count count = {0};
  count_until_stopped(fd, &count);
  printf("{\"packets\":%llu,\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)count.packets,
         (unsigned long long)count.bytes, (double)(count.last_ns - count.first_ns) / 1e9);
  return 0;
}
