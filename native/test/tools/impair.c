/*
 * A man in the middle: forwards all frames between two Ethernet interfaces and impairs the UDP
 * datagrams to one port, with seeded random numbers. It leaves other frames (ARP, ICMP, fragments)
 * unchanged. By default it sends only datagrams that the receiver's kernel accepts, so the
 * impairment reaches the tunnel's end.
 *
 *   first ──ring──► lose, harm, hold back, double ──batch──► second, and in reverse
 *
 * The other ends of the interfaces must not leave segmentation or checksums to hardware: frames
 * longer than the MTU are dropped and counted (superFrames). Counters are printed as JSON at the
 * end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "harm.h"
#include "hold.h"
#include "options.h"
#include "outer.h"
#include "random.h"
#include "ring.h"

enum {
  BATCH = 128,
  MAX_OUT = 4 * BATCH,
  IDLE_MS = 2, /* with nothing to overtake them, held frames go on after this */
};

struct counters {
  uint64_t frames, bytes;
  uint64_t matched; /* whole datagrams to the port */
  uint64_t lost, duplicated, reordered;
  uint64_t superFrames;
  uint64_t refused;  /* not taken by the interface */
  uint64_t overflow; /* dropped by the kernel before they could be read */
};

struct settings {
  struct harm_settings harm;
  double loss, duplicate, reorder; /* rates, 0..1 of the datagrams to the port */
  double hold;                     /* frames that overtake a reordered one */
  double seed;
  int is_one_sided;
};

struct direction {
  struct ring *from;
  int to;
  bool is_harmed;
  uint64_t random, read_at_ms;
  struct counters counters;
  struct harm_counters harm;
  struct hold hold;
  struct mmsghdr out[MAX_OUT];
  struct iovec out_iov[MAX_OUT];
  unsigned out_count;
};

static struct settings settings = {.harm = {.head_bytes = 22}, .hold = 3, .seed = 1};
static unsigned port;

static struct direction *new_direction(struct ring *from, int to, bool is_harmed, uint64_t stream) {
  struct direction *direction = calloc(1, sizeof(*direction));
  if (direction == NULL) fail("memory");
  direction->from = from;
  direction->to = to;
  direction->is_harmed = is_harmed;
  direction->random = random_mix((uint64_t)settings.seed * 2 + stream);
  hold_init(&direction->hold);
  for (unsigned i = 0; i < MAX_OUT; i++)
    direction->out[i].msg_hdr = (struct msghdr){.msg_iov = &direction->out_iov[i], .msg_iovlen = 1};
  return direction;
}

static void flush_out(struct direction *direction) {
  for (unsigned sent = 0; sent < direction->out_count;) {
    const int count = sendmmsg(direction->to, direction->out + sent, direction->out_count - sent, 0);
    if (count < 0 && errno == EINTR) continue;
    /* One frame too long, or a full queue behind the interface: that frame's loss. */
    if (count < 0) direction->counters.refused++;
    sent += count < 0 ? 1 : (unsigned)count;
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

static void release_all(struct direction *direction) {
  release_held(direction, UINT64_MAX);
  flush_out(direction);
}

/* Applies loss, harm, reordering and duplication to a datagram to the port. */
static void forward_datagram(struct direction *direction, struct outer *outer, uint8_t *frame, size_t length) {
  struct counters *counters = &direction->counters;
  uint64_t *random = &direction->random;
  if (random_chance(random, settings.loss)) {
    counters->lost++;
    return;
  }
  length = harm_apply(&settings.harm, random, &direction->harm, outer, frame, length);
  const uint64_t release_at = counters->matched + (uint64_t)settings.hold;
  if (random_chance(random, settings.reorder) && hold_add(&direction->hold, frame, length, release_at)) {
    counters->reordered++;
    return;
  }
  put_out(direction, frame, length);
  if (!random_chance(random, settings.duplicate)) return;
  counters->duplicated++;
  put_out(direction, frame, length);
}

static void forward_frame(struct direction *direction, const struct ring_frame *frame) {
  struct counters *counters = &direction->counters;
  struct outer outer;
  counters->frames++;
  counters->bytes += frame->length;
  if (frame->captured < frame->length || frame->length > FRAME_BYTES) {
    counters->superFrames++;
    return;
  }
  const bool is_matched = outer_parse(&outer, frame->bytes, frame->length, port);
  counters->matched += is_matched;
  if (is_matched && direction->is_harmed) forward_datagram(direction, &outer, frame->bytes, frame->length);
  else put_out(direction, frame->bytes, frame->length);
  release_held(direction, counters->matched);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Forwards what is there, at most a batch; held frames too if nothing came for a while. */
static void forward_batch(struct direction *direction) {
  struct ring_frame frame;
  unsigned count = 0;
  for (; count < BATCH && ring_take(direction->from, &frame); count++) forward_frame(direction, &frame);
  flush_out(direction);
  ring_release(direction->from);
  if (count > 0) direction->read_at_ms = now_ms();
  else if (direction->hold.count > 0 && now_ms() >= direction->read_at_ms + IDLE_MS) release_all(direction);
}

static void print_counter(const char *name, uint64_t value) {
  printf(",\"%s\":%llu", name, (unsigned long long)value);
}

static void print_direction(const char *name, const struct direction *direction) {
  const struct counters *counters = &direction->counters;
  const struct harm_counters *harm = &direction->harm;
  printf("\"%s\":{\"frames\":%llu", name, (unsigned long long)counters->frames);
  print_counter("bytes", counters->bytes);
  print_counter("matched", counters->matched);
  print_counter("lost", counters->lost);
  print_counter("duplicated", counters->duplicated);
  print_counter("reordered", counters->reordered);
  print_counter("truncated", harm->truncated);
  print_counter("corrupted", harm->corrupted);
  print_counter("headCorrupted", harm->headCorrupted);
  print_counter("congested", harm->congested);
  print_counter("ttlLowered", harm->ttlLowered);
  print_counter("superFrames", counters->superFrames);
  print_counter("refused", counters->refused);
  print_counter("overflow", counters->overflow + ring_drops(direction->from));
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

/* Runs until a signal. */
static void run(struct direction *forward, struct direction *backward, int signals) {
  struct pollfd waits[] = {{.fd = forward->from->fd, .events = POLLIN},
                           {.fd = backward->from->fd, .events = POLLIN},
                           {.fd = signals, .events = POLLIN}};
  for (;;) {
    const bool has_held = forward->hold.count + backward->hold.count > 0;
    if (poll(waits, 3, has_held ? IDLE_MS : -1) < 0 && errno != EINTR) fail("poll");
    if (waits[2].revents != 0) return;
    forward_batch(forward);
    forward_batch(backward);
  }
}

static void read_options(int argc, char **argv) {
  struct harm_settings *harm = &settings.harm;
  const struct option_spec specs[] = {
      {"loss", &settings.loss, NULL, 0, 1},
      {"duplicate", &settings.duplicate, NULL, 0, 1},
      {"reorder", &settings.reorder, NULL, 0, 1},
      {"hold", &settings.hold, NULL, 1, MAX_HELD / 4},
      {"truncate", &harm->truncate, NULL, 0, 1},
      {"corrupt", &harm->corrupt, NULL, 0, 1},
      {"corrupt-head", &harm->corrupt_head, NULL, 0, 1},
      {"head-bytes", &harm->head_bytes, NULL, 0, 1500},
      {"congest", &harm->congest, NULL, 0, 1},
      {"low-ttl", &harm->low_ttl, NULL, 0, 1},
      {"seed", &settings.seed, NULL, 0, 0x1p52},
      {"break-checksum", NULL, &harm->break_checksum, 0, 0},
      {"one-sided", NULL, &settings.is_one_sided, 0, 0},
  };
  options_read(argc, argv, 4, specs, sizeof(specs) / sizeof(specs[0]));
}

static const char usage[] =
    "Usage: impair FIRST SECOND PORT [OPTION...]\n"
    "Moves frames between two interfaces and harms UDP datagrams to PORT. A RATE is 0..1 of them.\n"
    "  --loss RATE  --duplicate RATE  --reorder RATE [--hold FRAMES]  --truncate RATE\n"
    "  --corrupt RATE         one byte behind the encapsulation header changed\n"
    "  --corrupt-head RATE    one byte of the encapsulation header changed\n"
    "  --head-bytes BYTES     length of that header (22)\n"
    "  --break-checksum       leaves the outer checksum of changed datagrams wrong\n"
    "  --congest RATE         outer ECN field set to CE    --low-ttl RATE  outer TTL set to 1\n"
    "  --one-sided            harm only from FIRST to SECOND\n"
    "  --seed NUMBER          (1)\n"
    "It ends with SIGTERM or SIGINT.\n";

int main(int argc, char **argv) {
  struct ring first, second;
  if (argc < 4) {
    fputs(usage, stderr);
    return 2;
  }
  port = (unsigned)atoi(argv[3]);
  read_options(argc, argv);
  const int signals = open_signals();
  ring_open(&first, argv[1]);
  ring_open(&second, argv[2]);
  struct direction *forward = new_direction(&first, second.fd, true, 0);
  struct direction *backward = new_direction(&second, first.fd, !settings.is_one_sided, 1);
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
