/*
 * A TCP connection whose every byte is known: one thread writes its stream in pieces of random
 * sizes, one reads and compares.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integrity.h"
#include "options.h"
#include "random.h"
#include "stream.h"

enum { MAX_PIECE = 128 << 10 };

struct half {
  int fd;
  uint64_t seed, bytes; /* 0 bytes: no data in this direction */
  uint64_t done;
  int64_t first_wrong; /* offset, or -1 */
  bool is_ended;       /* reader: end of stream came, and not early */
  int error;           /* errno of what failed */
};

/* Sizes of every magnitude equally often, so that single bytes and full buffers both occur. */
static size_t piece_size(uint64_t *random, uint64_t left) {
  const uint64_t size = 1 + random_below(random, UINT64_C(1) << random_below(random, 18));
  return (size_t)(size < left ? size : left);
}

static void *write_stream(void *context) {
  struct half *half = context;
  static _Thread_local uint8_t piece[MAX_PIECE];
  uint64_t random = half->seed;
  while (half->done < half->bytes) {
    const size_t size = piece_size(&random, half->bytes - half->done);
    stream_fill(half->seed, half->done, piece, size);
    for (size_t sent = 0; sent < size;) {
      const ssize_t result = send(half->fd, piece + sent, size - sent, MSG_NOSIGNAL);
      if (result < 0 && errno == EINTR) continue;
      if (result < 0) {
        half->error = errno;
        return NULL;
      }
      sent += (size_t)result;
      half->done += (size_t)result;
    }
  }
  shutdown(half->fd, SHUT_WR);
  return NULL;
}

static void check(struct half *half, const uint8_t *data, size_t size) {
  const uint64_t expected = half->bytes - half->done < size ? half->bytes - half->done : size;
  const size_t right = stream_compare(half->seed, half->done, data, (size_t)expected);
  if (right < size && half->first_wrong < 0) half->first_wrong = (int64_t)(half->done + right);
  half->done += size;
}

static void *read_stream(void *context) {
  struct half *half = context;
  static _Thread_local uint8_t piece[MAX_PIECE];
  while (half->first_wrong < 0) {
    const ssize_t result = recv(half->fd, piece, sizeof(piece), 0);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) half->error = errno;
    if (result == 0) half->is_ended = half->done == half->bytes;
    if (result <= 0) break;
    check(half, piece, (size_t)result);
  }
  return NULL;
}

static void print_half(const char *name, const struct half *half) {
  printf("\"%s\":{\"bytes\":%llu,\"firstWrong\":%lld,\"error\":\"%s\"}", name, (unsigned long long)half->done,
         (long long)half->first_wrong, half->error == 0 ? "" : strerror(half->error));
}

/* Fails instead of blocking when the path is down. */
static void set_limits(int fd, const struct settings *settings) {
  const unsigned limit_ms = (unsigned)settings->idle_ms;
  const struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void choose_congestion_control(int fd, const struct settings *settings) {
  if (settings->cubic && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0) fail("TCP_CONGESTION");
}

static void start_half(pthread_t *thread, void *(*run)(void *), struct half *half) {
  errno = pthread_create(thread, NULL, run, half);
  if (errno != 0) fail("pthread_create");
}

/* Runs both halves over a connection; `is_client` says which of the two seeds is written. */
static int run_connection(int fd, const struct settings *settings, bool is_client) {
  const uint64_t seed = (uint64_t)settings->seed, bytes = (uint64_t)settings->bytes;
  const uint64_t seeds[2] = {random_mix(seed * 2), random_mix(seed * 2 + 1)};
  struct half out = {.fd = fd, .seed = seeds[!is_client], .first_wrong = -1};
  struct half in = {.fd = fd, .seed = seeds[is_client], .first_wrong = -1};
  out.bytes = is_client || settings->both ? bytes : 0;
  in.bytes = !is_client || settings->both ? bytes : 0;
  set_limits(fd, settings);
  const double start = now_seconds();
  pthread_t writer, reader;
  start_half(&writer, write_stream, &out);
  start_half(&reader, read_stream, &in);
  pthread_join(reader, NULL);
  /* A reader that gave up must not leave the writer waiting. */
  if (!in.is_ended) shutdown(fd, SHUT_RDWR);
  pthread_join(writer, NULL);
  const bool is_complete = out.done == out.bytes && in.is_ended && in.first_wrong < 0;
  printf("{");
  print_half("sent", &out);
  printf(",");
  print_half("received", &in);
  printf(",\"isComplete\":%s,\"seconds\":%.3f}\n", is_complete ? "true" : "false", now_seconds() - start);
  close(fd);
  return is_complete ? 0 : 1;
}

int tcp_listen(const struct settings *settings) {
  const int listener = socket_open(SOCK_STREAM, &settings->address, true);
  choose_congestion_control(listener, settings);
  if (listen(listener, 1) < 0) fail("listen");
  set_limits(listener, settings);
  say_ready();
  const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) fail("accept");
  close(listener);
  return run_connection(fd, settings, false);
}

int tcp_connect(const struct settings *settings) {
  const int fd = socket_open(SOCK_STREAM, &settings->address, false);
  choose_congestion_control(fd, settings);
  say_ready();
  return run_connection(fd, settings, true);
}
