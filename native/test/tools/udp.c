/*
 * Datagrams whose content follows from their number, which is their first 8 bytes. Shorter ones
 * have no number: they bear a fixed pattern, are counted, and are not missed.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "integrity.h"
#include "options.h"
#include "random.h"
#include "stream.h"

enum { NUMBER_BYTES = 8, MAX_UDP = 65536, DRAIN_MS = 200 };

struct tally {
  uint64_t received, bytes, unnumbered, unique, duplicate, reordered, wrong;
  uint64_t highest; /* number seen, plus one */
  uint64_t first_wrong_number, first_wrong_offset;
  uint8_t *is_seen; /* a bit each */
};

/* All datagrams of one send have one size. */
static size_t datagram_size(const struct settings *settings, uint64_t number) {
  const uint64_t run = number / (uint64_t)settings->segments;
  const uint64_t range = (uint64_t)settings->largest - (uint64_t)settings->smallest + 1;
  return (size_t)((uint64_t)settings->smallest + random_mix((uint64_t)settings->seed + run * RANDOM_STEP) % range);
}

/* Seed of the content of a datagram; of all short ones with the number UINT64_MAX. */
static uint64_t content_seed(const struct settings *settings, uint64_t number) {
  return random_mix(random_mix((uint64_t)settings->seed) ^ number);
}

static void make_datagram(const struct settings *settings, uint64_t number, uint8_t *out, size_t size) {
  if (size < NUMBER_BYTES) {
    stream_fill(content_seed(settings, UINT64_MAX), 0, out, size);
    return;
  }
  memcpy(out, &number, NUMBER_BYTES);
  stream_fill(content_seed(settings, number), 0, out + NUMBER_BYTES, size - NUMBER_BYTES);
}

/* Paces the sends. A late send is not skipped. */
static void pace(const struct settings *settings, double start, uint64_t number) {
  if (settings->pps <= 0) return;
  const double early = start + (double)number / settings->pps - now_seconds();
  if (early < 0.0005) return;
  const struct timespec wait = {.tv_nsec = (long)(early * 1e9) % 1000000000, .tv_sec = (time_t)early};
  nanosleep(&wait, NULL);
}

/* Makes and sends the datagrams from `number` on that belong to one send; returns how many. */
static uint64_t send_run(int fd, const struct settings *settings, uint64_t number, uint64_t *refused) {
  static uint8_t buffer[MAX_UDP];
  const uint64_t left = (uint64_t)settings->count - number;
  const uint64_t run = (uint64_t)settings->segments < left ? (uint64_t)settings->segments : left;
  const size_t size = datagram_size(settings, number);
  const int segment = (int)size;
  for (uint64_t i = 0; i < run; i++) make_datagram(settings, number + i, buffer + i * size, size);
  if (run > 1 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0) fail("UDP_SEGMENT");
  if (run == 1) (void)setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &(int){0}, sizeof(int));
  /* A send can report the ICMP error of an earlier one, so the second attempt counts. */
  for (int tries = 0; tries < 2; tries++)
    if (send(fd, buffer, run * size, 0) >= 0) return run;
  *refused += run;
  return run;
}

int udp_send(const struct settings *settings) {
  const int fd = socket_open(SOCK_DGRAM, &settings->address, false);
  if (settings->segments * settings->largest > 65507) refuse("segments", "times largest is over 65507 bytes");
  if (settings->segments > 1 && settings->smallest < 1) refuse("smallest", "is 0, and a segment has a byte");
  uint64_t number = 0, refused = 0;
  const double start = now_seconds();
  say_ready();
  while (number < (uint64_t)settings->count) {
    number += send_run(fd, settings, number, &refused);
    pace(settings, start, number);
  }
  printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f}\n", (unsigned long long)(number - refused),
         (unsigned long long)refused, now_seconds() - start);
  close(fd);
  return refused == 0 ? 0 : 1;
}

static void count_wrong(struct tally *tally, uint64_t number, size_t offset) {
  if (tally->wrong++ > 0) return;
  tally->first_wrong_number = number;
  tally->first_wrong_offset = offset;
}

static void count_number(struct tally *tally, uint64_t number) {
  uint8_t *seen = &tally->is_seen[number / 8];
  const uint8_t bit = (uint8_t)(1u << number % 8);
  if (*seen & bit) {
    tally->duplicate++;
    return;
  }
  *seen = (uint8_t)(*seen | bit);
  tally->unique++;
  if (number < tally->highest) tally->reordered++;
  else tally->highest = number + 1;
}

/* Compares every byte of a datagram. */
static void check(const struct settings *settings, struct tally *tally, const uint8_t *data, size_t size) {
  uint64_t number = UINT64_MAX;
  tally->received++;
  tally->bytes += size;
  if (size < NUMBER_BYTES) {
    tally->unnumbered++;
    const size_t right = stream_compare(content_seed(settings, UINT64_MAX), 0, data, size);
    if (right < size || size < (size_t)settings->smallest) count_wrong(tally, number, right);
    return;
  }
  memcpy(&number, data, NUMBER_BYTES);
  if (number >= (uint64_t)settings->count) {
    count_wrong(tally, number, 0);
    return;
  }
  const size_t expected = datagram_size(settings, number), shorter = size < expected ? size : expected;
  const size_t content = shorter - (shorter < NUMBER_BYTES ? shorter : NUMBER_BYTES);
  const size_t right = stream_compare(content_seed(settings, number), 0, data + NUMBER_BYTES, content);
  if (right < content || size != expected) count_wrong(tally, number, NUMBER_BYTES + right);
  else count_number(tally, number);
}

/* Size of the datagrams that the kernel coalesced, or `size` if it did not. */
static size_t segment_size(struct msghdr *message, size_t size) {
  for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item != NULL; item = CMSG_NXTHDR(message, item))
    if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_GRO) {
      int segment;
      memcpy(&segment, CMSG_DATA(item), sizeof(segment));
      return (size_t)segment;
    }
  return size;
}

static void receive(int fd, const struct settings *settings, struct tally *tally) {
  static uint8_t buffer[MAX_UDP];
  _Alignas(struct cmsghdr) uint8_t control[128];
  struct iovec iov = {buffer, sizeof(buffer)};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
  if (size < 0) return;
  const size_t segment = segment_size(&message, (size_t)size);
  if (size == 0) check(settings, tally, buffer, 0);
  for (size_t offset = 0; offset < (size_t)size; offset += segment) {
    const size_t left = (size_t)size - offset;
    check(settings, tally, buffer + offset, left < segment ? left : segment);
  }
}

static uint64_t count_numbered(const struct settings *settings) {
  uint64_t numbered = 0;
  for (uint64_t number = 0; number < (uint64_t)settings->count; number++)
    numbered += datagram_size(settings, number) >= NUMBER_BYTES;
  return numbered;
}

static volatile sig_atomic_t is_sender_done;

static void note_sender_done(int number) {
  (void)number;
  is_sender_done = 1;
}

/*
 * After the last has come, duplicates and stragglers may still, so the end is silence: short after
 * SIGTERM, which says that the sender is done, long before.
 */
static void receive_all(int fd, const struct settings *settings, struct tally *tally) {
  struct pollfd waits[] = {{.fd = fd, .events = POLLIN}};
  struct sigaction action = {.sa_handler = note_sender_done};
  sigset_t set, none;
  sigemptyset(&none);
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  /*
   * Unblocked in ppoll only, so that none arrives between the check of is_sender_done and the wait.
   */
  sigprocmask(SIG_BLOCK, &set, NULL);
  sigaction(SIGTERM, &action, NULL);
  say_ready();
  for (;;) {
    const long wait_ms = is_sender_done ? DRAIN_MS : (long)settings->idle_ms;
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    const int ready = ppoll(waits, 1, &wait, &none);
    if (ready == 0) return;
    if (ready > 0) receive(fd, settings, tally);
  }
}

/* Datagrams that this socket's buffer had no room for. */
static unsigned count_overflow(int fd) {
  uint32_t info[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0) fail("SO_MEMINFO");
  return info[SK_MEMINFO_DROPS];
}

int udp_receive(const struct settings *settings) {
  const int fd = socket_open(SOCK_DGRAM, &settings->address, true);
  struct tally tally = {.is_seen = calloc((size_t)settings->count / 8 + 1, 1)};
  if (tally.is_seen == NULL) fail("memory");
  if (settings->gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &(int){1}, sizeof(int)) < 0) fail("UDP_GRO");
  const uint64_t numbered = count_numbered(settings);
  receive_all(fd, settings, &tally);
  printf("{\"received\":%llu,\"bytes\":%llu,\"unnumbered\":%llu,\"lost\":%llu,\"duplicate\":%llu,\"reordered\":%llu,"
         "\"wrong\":%llu,\"overflow\":%u,\"firstWrong\":{\"number\":%llu,\"offset\":%llu}}\n",
         (unsigned long long)tally.received, (unsigned long long)tally.bytes, (unsigned long long)tally.unnumbered,
         (unsigned long long)(numbered - tally.unique), (unsigned long long)tally.duplicate,
         (unsigned long long)tally.reordered, (unsigned long long)tally.wrong, count_overflow(fd),
         (unsigned long long)tally.first_wrong_number, (unsigned long long)tally.first_wrong_offset);
  free(tally.is_seen);
  close(fd);
  return tally.wrong == 0 ? 0 : 1;
}
