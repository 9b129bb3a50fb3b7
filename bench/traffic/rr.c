/*
 * Requests and answers over TCP, as netperf's TCP_RR: a byte there, a byte back, one request at a time on each connection.
 * `rr PORT` answers without end, printing `ready` first. `rr ADDRESS PORT SECONDS CONNECTIONS` asks on so many connections at
 * once, and prints {"transactions","seconds","p50","p99","p999"}, times of single requests in microseconds.
 */
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "traffic.h"

enum {
  MAX_CONNECTIONS = 1024,
  MAX_EVENTS = 64,
  MAX_SAMPLES = 1 << 22,
  /* Longer than any retransmission of a path that works. */
  STUCK_MS = 5000,
};

/* Answers wait for nothing. */
static void set_no_delay(int fd) {
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) give_up("TCP_NODELAY");
}

static void add_to_epoll(int epoll, int fd, uint32_t index) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)index << 32 | (uint32_t)fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) give_up("epoll_ctl");
}

static int open_epoll(void) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) give_up("epoll_create1");
  return epoll;
}

static void accept_one(int epoll, int listener) {
  const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  set_no_delay(fd);
  add_to_epoll(epoll, fd, 0);
}

static void answer(int fd) {
  uint8_t byte;
  if (recv(fd, &byte, 1, 0) != 1 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1) close(fd);
}

static _Noreturn void serve(const char *port) {
  const int listener = open_bound(SOCK_STREAM, port);
  if (listen(listener, MAX_CONNECTIONS) < 0) give_up("listen");
  const int epoll = open_epoll();
  add_to_epoll(epoll, listener, 0);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[MAX_EVENTS];
    const int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      const int fd = (int)(uint32_t)events[i].data.u64;
      if (fd == listener) accept_one(epoll, listener);
      else answer(fd);
    }
  }
}

struct asker {
  int epoll;
  uint64_t asked_ns[MAX_CONNECTIONS];
  uint64_t transactions;
  size_t count;
  uint64_t samples[MAX_SAMPLES];
};

static void ask(struct asker *asker, int fd, uint32_t index) {
  const uint8_t byte = 0;
  asker->asked_ns[index] = now_ns();
  if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) give_up("send");
}

static void take_answer(struct asker *asker, int fd, uint32_t index) {
  uint8_t byte;
  if (recv(fd, &byte, 1, 0) != 1) give_up("recv");
  const uint64_t taken = now_ns() - asker->asked_ns[index];
  if (asker->count < MAX_SAMPLES) asker->samples[asker->count++] = taken;
  asker->transactions++;
  ask(asker, fd, index);
}

static void connect_all(struct asker *asker, const struct endpoint *to, uint32_t connections) {
  int sockets[MAX_CONNECTIONS];
  for (uint32_t i = 0; i < connections; i++) {
    sockets[i] = open_socket(to, SOCK_STREAM);
    if (connect(sockets[i], &to->any, to->length) < 0) give_up("connect");
    set_no_delay(sockets[i]);
    add_to_epoll(asker->epoll, sockets[i], i);
  }
  for (uint32_t i = 0; i < connections; i++) ask(asker, sockets[i], i);
}

static int ask_for(const char *address, const char *port, double seconds, uint32_t connections) {
  static struct asker asker;
  const struct endpoint to = parse_endpoint(address, port);
  asker.epoll = open_epoll();
  connect_all(&asker, &to, connections);
  const uint64_t from = now_ns(), until = from + (uint64_t)(seconds * 1e9);
  uint64_t now;
  while ((now = now_ns()) < until) {
    struct epoll_event events[MAX_EVENTS];
    const int count = epoll_wait(asker.epoll, events, MAX_EVENTS, STUCK_MS);
    if (count == 0) {
      errno = ETIMEDOUT;
      give_up("answers");
    }
    for (int i = 0; i < count; i++)
      take_answer(&asker, (int)(uint32_t)events[i].data.u64, (uint32_t)(events[i].data.u64 >> 32));
  }
  sort_samples(asker.samples, asker.count);
  printf("{\"transactions\":%llu,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n",
         (unsigned long long)asker.transactions, (double)(now - from) / 1e9,
         percentile_us(asker.samples, asker.count, 0.5), percentile_us(asker.samples, asker.count, 0.99),
         percentile_us(asker.samples, asker.count, 0.999));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2) serve(argv[1]);
  if (argc != 5) return 2;
  const int connections = atoi(argv[4]);
  if (connections < 1 || connections > MAX_CONNECTIONS) return 2;
  return ask_for(argv[1], argv[2], atof(argv[3]), (uint32_t)connections);
}
