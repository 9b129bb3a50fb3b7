/*
 * What interruptions cost: sends requests to an echo (pingpong PORT) at a steady rate until SIGINT. `steady ADDRESS PORT
 * RATE` prints `ready` at the first answer, and {"sent","lost","longestGapMs"} a grace time after the last request: what was sent
 * from the first answered request on, the unanswered ones, and the longest time between two answers.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "traffic.h"

enum {
  BYTES = 64,
  /* An answer that takes longer is lost. */
  GRACE_MS = 500,
  /* A quarter of an hour at 1,000 a second. */
  MAX_REQUESTS = 1 << 20,
};

static volatile sig_atomic_t is_stopped;

static void stop(int signal) {
  (void)signal;
  is_stopped = 1;
}

struct tally {
  uint64_t first, answered;
  uint64_t last_ns, longest_gap_ns;
  bool is_answered[MAX_REQUESTS];
};

static void note(struct tally *tally, uint64_t number) {
  if (number >= MAX_REQUESTS || tally->is_answered[number]) return;
  const uint64_t now = now_ns();
  if (tally->answered == 0) {
    tally->first = number;
    puts("ready");
    fflush(stdout);
  } else if (now - tally->last_ns > tally->longest_gap_ns) {
    tally->longest_gap_ns = now - tally->last_ns;
  }
  tally->is_answered[number] = true;
  /* One that overtook the first answer's was sent before all that is counted. */
  tally->answered += number >= tally->first;
  tally->last_ns = now;
}

/* Takes answers until `due`, a monotonic time in ns. An ICMP error counts as a missing answer. */
static void take_until(int fd, uint64_t due, struct tally *tally) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  for (uint64_t now = now_ns(); now < due; now = now_ns()) {
    const struct timespec left = {(time_t)((due - now) / 1000000000), (long)((due - now) % 1000000000)};
    uint8_t buffer[BYTES];
    uint64_t number;
    if (ppoll(&wanted, 1, &left, NULL) <= 0) continue;
    if (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) != BYTES) continue;
    memcpy(&number, buffer, sizeof(number));
    note(tally, number);
  }
}

int main(int argc, char **argv) {
  static struct tally tally;
  if (argc != 4 || atof(argv[3]) <= 0) return 2;
  const struct sigaction action = {.sa_handler = stop};
  if (sigaction(SIGINT, &action, NULL) < 0) give_up("sigaction");
  prctl(PR_SET_TIMERSLACK, 1UL);
  const struct endpoint to = parse_endpoint(argv[1], argv[2]);
  const int fd = open_socket(&to, SOCK_DGRAM);
  const double interval_ns = 1e9 / atof(argv[3]);
  const uint64_t from = now_ns();
  uint64_t count = 0;
  for (; !is_stopped && count < MAX_REQUESTS; count++) {
    uint8_t buffer[BYTES] = {0};
    memcpy(buffer, &count, sizeof(count));
    take_until(fd, from + (uint64_t)((double)count * interval_ns), &tally);
    /* No route, no buffer, no permission: the request is lost. */
    (void)sendto(fd, buffer, sizeof(buffer), 0, &to.any, to.length);
  }
  take_until(fd, now_ns() + GRACE_MS * 1000000ull, &tally);
  const uint64_t sent = tally.answered == 0 ? 0 : count - tally.first;
  printf("{\"sent\":%llu,\"lost\":%llu,\"longestGapMs\":%.3f}\n", (unsigned long long)sent,
         (unsigned long long)(sent - tally.answered), (double)tally.longest_gap_ns / 1e6);
  return 0;
}
