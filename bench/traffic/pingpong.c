/*
 * Latency of a 64-byte UDP request and its echo, one at a time. `pingpong PORT` echoes without end, printing `ready` first;
 * `pingpong ADDRESS PORT SECONDS` asks, and prints {"count","lost","p50","p99","p999"}, times in microseconds.
 */
#include "traffic.h"

enum {
  BYTES = 64,
  /* An answer that takes longer is lost. */
  LOST_MS = 500,
  MAX_SAMPLES = 1 << 21,
};

static _Noreturn void echo(const char *port) {
  const int fd = open_bound(SOCK_DGRAM, port);
  uint8_t buffer[BYTES];
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct endpoint from;
    from.length = sizeof(from.ipv6);
    const ssize_t received = recvfrom(fd, buffer, sizeof(buffer), 0, &from.any, &from.length);
    if (received > 0) (void)sendto(fd, buffer, (size_t)received, 0, &from.any, from.length);
  }
}

/* Nanoseconds until request `number` was echoed; 0 if it was lost. Late answers to earlier ones are ignored. */
static uint64_t ask(int fd, uint64_t number) {
  uint8_t buffer[BYTES] = {0};
  uint64_t answered;
  memcpy(buffer, &number, sizeof(number));
  const uint64_t from = now_ns();
  if (send(fd, buffer, sizeof(buffer), 0) < 0) return 0;
  do {
    if (recv(fd, buffer, sizeof(buffer), 0) < 0) return 0;
    memcpy(&answered, buffer, sizeof(answered));
  } while (answered != number);
  return now_ns() - from;
}

static int ask_for(const char *address, const char *port, double seconds) {
  static uint64_t samples[MAX_SAMPLES];
  const struct endpoint to = parse_endpoint(address, port);
  const int fd = open_socket(&to, SOCK_DGRAM);
  if (connect(fd, &to.any, to.length) < 0) give_up("connect");
  set_receive_timeout(fd, LOST_MS);
  const uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
  size_t count = 0;
  unsigned long long lost = 0;
  for (uint64_t number = 1; now_ns() < until && count < MAX_SAMPLES; number++) {
    const uint64_t taken = ask(fd, number);
    if (taken > 0) samples[count++] = taken;
    else lost++;
  }
  sort_samples(samples, count);
  printf("{\"count\":%zu,\"lost\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n", count, lost,
         percentile_us(samples, count, 0.5), percentile_us(samples, count, 0.99), percentile_us(samples, count, 0.999));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2) echo(argv[1]);
  if (argc == 4) return ask_for(argv[1], argv[2], atof(argv[3]));
  return 2;
}
