/*
 * A man in the middle: moves every frame between two Ethernet interfaces and harms the UDP datagrams to one port as told,
 * with seeded random numbers. It never touches other frames (ARP, ICMP, fragments), and never sends a frame that the
 * receiver's kernel would refuse, unless told so: the harm is to be seen by who opens the tunnel.
 *
 *   first ──read batch──► harm ──hold back / double / lose──► send batch──► second        and the same the other way
 *
 * Interfaces must not have segmentation or checksum offload at their other ends: frames longer than FRAME_BYTES are
 * dropped and counted (superFrames). Counters are printed as JSON at the end.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"
#include "options.h"
#include "outer.h"
#include "random.h"

enum {
  BATCH = 128,
  MAX_OUT = 4 * BATCH,
  SOCKET_BYTES = 64 << 20,
  IDLE_MS = 2, /* with nothing to overtake them, held frames go on after this */
};

#define COUNTERS(X)                                                            \
  X(frames)       /* received */                                               \
  X(bytes)                                                                     \
  X(matched)      /* of these, whole datagrams to the port */                  \
  X(lost)                                                                      \
  X(duplicated)                                                                \
  X(reordered)                                                                 \
  X(truncated)                                                                 \
  X(corrupted)                                                                 \
  X(headCorrupted)                                                             \
  X(congested)                                                                 \
  X(ttlLowered)                                                                \
  X(superFrames)  /* dropped: longer than any real frame */                    \
  X(refused)      /* the interface did not take it */                          \
  X(overflow)     /* the kernel dropped it before it could be read */

struct counters {
#define COUNTER_FIELD(name) uint64_t name;
  COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* Rates are 0..1 of the matched datagrams. */
struct settings {
  double loss, duplicate, reorder, truncate, corrupt, corrupt_head, congest, low_ttl;
  double hold;       /* frames that overtake a reordered one */
  double head_bytes; /* length of the encapsulation header: what corrupt_head changes and corrupt does not */
  double seed;
  int break_checksum, one_way, until_eof;
};

struct direction {
  int from, to;
  bool is_harmed;
  uint64_t random;
  struct counters counters;
  struct hold hold;
  uint64_t read_at_ms; /* when something came last */
  /* Of the batch at hand. */
  struct mmsghdr in[BATCH], out[MAX_OUT];
  struct iovec in_iov[BATCH], out_iov[MAX_OUT];
  uint8_t frames[BATCH][FRAME_BYTES];
  unsigned out_count;
};

static struct settings settings = {.hold = 3, .head_bytes = 22, .seed = 1};
static unsigned port;

static int open_interface(const char *name) {
  const unsigned index = if_nametoindex(name);
  if (index == 0) fail(name);
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1, bytes = SOCKET_BYTES;
  /* Without it every frame that is sent here would be read here, too. */
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0) fail("PACKET_IGNORE_OUTGOING");
  const struct packet_mreq promiscuous = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0) fail("promiscuous mode");
  (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
  const struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = __builtin_bswap16(ETH_P_ALL), .sll_ifindex = (int)index};
  if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) fail("bind");
  return fd;
}

static struct direction *new_direction(int from, int to, bool is_harmed, uint64_t stream) {
  struct direction *direction = calloc(1, sizeof(*direction));
  if (direction == NULL) fail("memory");
  direction->from = from;
  direction->to = to;
  direction->is_harmed = is_harmed;
  direction->random = random_mix((uint64_t)settings.seed * 2 + stream);
  hold_init(&direction->hold);
  for (unsigned i = 0; i < BATCH; i++) {
    direction->in_iov[i] = (struct iovec){direction->frames[i], FRAME_BYTES};
    direction->in[i].msg_hdr = (struct msghdr){.msg_iov = &direction->in_iov[i], .msg_iovlen = 1};
  }
  for (unsigned i = 0; i < MAX_OUT; i++)
    direction->out[i].msg_hdr = (struct msghdr){.msg_iov = &direction->out_iov[i], .msg_iovlen = 1};
  return direction;
}

static void flush_out(struct direction *direction) {
  for (unsigned sent = 0; sent < direction->out_count;) {
    const int count = sendmmsg(direction->to, direction->out + sent, direction->out_count - sent, 0);
    if (count > 0) {
      sent += (unsigned)count;
      continue;
    }
    if (errno == EINTR) continue;
    /* One frame too long, or a full queue behind the interface: that frame's loss. */
    direction->counters.refused++;
    sent++;
  }
  direction->out_count = 0;
}

static void put_out(struct direction *direction, uint8_t *frame, size_t length) {
  direction->out_iov[direction->out_count++] = (struct iovec){frame, length};
  if (direction->out_count == MAX_OUT) flush_out(direction);
}

static void release_held(struct direction *direction, uint64_t now) {
  for (struct held_frame *held; (held = hold_take(&direction->hold, now)) != NULL;)
    put_out(direction, held->bytes, held->length);
}

/*
 * Changes one byte: the sum of a checksum over it changes by less than 2^16 and not by zero, so any Internet checksum that
 * covers it tells, without the luck of one in 65,536.
 */
static bool corrupt_byte(struct direction *direction, struct outer *outer, size_t from, size_t to) {
  if (to > outer->payload_bytes) to = outer->payload_bytes;
  if (from >= to) return false;
  uint8_t *at = outer->payload + from + random_below(&direction->random, to - from);
  *at = (uint8_t)(*at ^ (1 + random_below(&direction->random, 255)));
  return true;
}

/* Harms a datagram; returns the new length of its frame. */
static size_t harm(struct direction *direction, struct outer *outer, uint8_t *frame, size_t length) {
  struct counters *counters = &direction->counters;
  uint64_t *random = &direction->random;
  const size_t head = (size_t)settings.head_bytes;
  bool is_changed = false;
  if (random_chance(random, settings.truncate) && outer->payload_bytes > 0) {
    length = outer_cut(outer, frame, (size_t)random_below(random, outer->payload_bytes));
    counters->truncated++;
    is_changed = true;
  }
  if (random_chance(random, settings.corrupt) && corrupt_byte(direction, outer, head, SIZE_MAX)) {
    counters->corrupted++;
    is_changed = true;
  }
  if (random_chance(random, settings.corrupt_head) && corrupt_byte(direction, outer, 0, head)) {
    counters->headCorrupted++;
    is_changed = true;
  }
  if (random_chance(random, settings.congest)) {
    outer_mark_congestion(outer);
    counters->congested++;
  }
  if (random_chance(random, settings.low_ttl)) {
    outer_set_ttl(outer, 1);
    counters->ttlLowered++;
  }
  if (!is_changed) return length;
  if (settings.break_checksum) outer_break_checksum(outer);
  else outer_fix_checksum(outer);
  return length;
}

static void forward_frame(struct direction *direction, uint8_t *frame, size_t length) {
  struct counters *counters = &direction->counters;
  struct outer outer;
  counters->frames++;
  counters->bytes += length;
  if (length > FRAME_BYTES) {
    counters->superFrames++;
    return;
  }
  if (!outer_parse(&outer, frame, length, port)) {
    put_out(direction, frame, length);
    return;
  }
  counters->matched++;
  if (!direction->is_harmed) {
    put_out(direction, frame, length);
    return;
  }
  if (random_chance(&direction->random, settings.loss)) {
    counters->lost++;
    return;
  }
  length = harm(direction, &outer, frame, length);
  const uint64_t release_at = counters->matched + (uint64_t)settings.hold;
  if (random_chance(&direction->random, settings.reorder) && hold_add(&direction->hold, frame, length, release_at)) {
    counters->reordered++;
  } else {
    put_out(direction, frame, length);
    if (random_chance(&direction->random, settings.duplicate)) {
      counters->duplicated++;
      put_out(direction, frame, length);
    }
  }
  release_held(direction, counters->matched);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void release_all(struct direction *direction) {
  release_held(direction, UINT64_MAX);
  flush_out(direction);
}

/* Forwards what is there, at most a batch; held frames too if nothing came for a while. */
static void forward_batch(struct direction *direction) {
  const int count = recvmmsg(direction->from, direction->in, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
  if (count <= 0) {
    if (direction->hold.count > 0 && now_ms() >= direction->read_at_ms + IDLE_MS) release_all(direction);
    return;
  }
  direction->read_at_ms = now_ms();
  for (unsigned i = 0; i < (unsigned)count; i++)
    forward_frame(direction, direction->frames[i], direction->in[i].msg_len);
  flush_out(direction);
}

static void print_direction(const char *name, struct direction *direction) {
  struct tpacket_stats statistics;
  socklen_t length = sizeof(statistics);
  if (getsockopt(direction->from, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0)
    direction->counters.overflow += statistics.tp_drops;
  printf("\"%s\":{", name);
  const char *separator = "";
#define COUNTER_PRINT(field)                                                               \
  printf("%s\"" #field "\":%llu", separator, (unsigned long long)direction->counters.field); \
  separator = ",";
  COUNTERS(COUNTER_PRINT)
#undef COUNTER_PRINT
  printf("}");
}

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  if (fd < 0) fail("signalfd");
  return fd;
}

static void run(struct direction *forward, struct direction *backward, int signals) {
  struct pollfd waits[] = {{.fd = forward->from, .events = POLLIN},
                           {.fd = backward->from, .events = POLLIN},
                           {.fd = signals, .events = POLLIN},
                           {.fd = settings.until_eof ? STDIN_FILENO : -1, .events = POLLIN}};
  for (;;) {
    const bool has_held = forward->hold.count + backward->hold.count > 0;
    const int ready = poll(waits, 4, has_held ? IDLE_MS : -1);
    if (ready < 0 && errno != EINTR) fail("poll");
    if (waits[2].revents != 0) return;
    char ignored[64];
    if (waits[3].revents != 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0) return;
    forward_batch(forward);
    forward_batch(backward);
  }
}

static void read_options(int argc, char **argv) {
  const struct option_spec specs[] = {
      {"loss", &settings.loss, NULL, 0, 1},
      {"duplicate", &settings.duplicate, NULL, 0, 1},
      {"reorder", &settings.reorder, NULL, 0, 1},
      {"hold", &settings.hold, NULL, 1, MAX_HELD / 4},
      {"truncate", &settings.truncate, NULL, 0, 1},
      {"corrupt", &settings.corrupt, NULL, 0, 1},
      {"corrupt-head", &settings.corrupt_head, NULL, 0, 1},
      {"head-bytes", &settings.head_bytes, NULL, 0, 1500},
      {"congest", &settings.congest, NULL, 0, 1},
      {"low-ttl", &settings.low_ttl, NULL, 0, 1},
      {"seed", &settings.seed, NULL, 0, 0x1p52},
      {"break-checksum", NULL, &settings.break_checksum, 0, 0},
      {"one-way", NULL, &settings.one_way, 0, 0},
      {"until-eof", NULL, &settings.until_eof, 0, 0},
  };
  options_read(argc, argv, 4, specs, sizeof(specs) / sizeof(specs[0]));
}

static const char usage[] =
    "Usage: impair FIRST SECOND PORT [OPTION...]\n"
    "Moves frames between two interfaces, harming UDP datagrams to PORT. Rates are 0..1 of them.\n"
    "  --loss RATE  --duplicate RATE  --reorder RATE [--hold FRAMES]  --truncate RATE\n"
    "  --corrupt RATE         one byte behind the encapsulation header changed\n"
    "  --corrupt-head RATE    one byte of the encapsulation header changed\n"
    "  --head-bytes BYTES     length of that header (22)\n"
    "  --break-checksum       leaves the outer checksum of changed datagrams wrong\n"
    "  --congest RATE         outer ECN field set to CE    --low-ttl RATE  outer TTL set to 1\n"
    "  --one-way              harm only from FIRST to SECOND\n"
    "  --until-eof            ends with standard input, else with SIGTERM or SIGINT\n"
    "  --seed NUMBER          (1)\n";

int main(int argc, char **argv) {
  if (argc < 4) {
    fputs(usage, stderr);
    return 2;
  }
  port = (unsigned)atoi(argv[3]);
  read_options(argc, argv);
  const int signals = open_signals();
  const int first = open_interface(argv[1]), second = open_interface(argv[2]);
  struct direction *forward = new_direction(first, second, true, 0);
  struct direction *backward = new_direction(second, first, !settings.one_way, 1);
  puts("ready");
  fflush(stdout);
  run(forward, backward, signals);
  release_all(forward);
  release_all(backward);
  printf("{");
  print_direction("forward", forward);
  printf(",");
  print_direction("backward", backward);
  puts("}");
  return 0;
}
