/* The thread of a worker: waits for packets, moves them in both directions, waits again. */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rx.h"
#include "tx.h"

enum {
  /* Rate limit of ICMP errors per worker (RFC 4443 §2.4f leaves the values to the router). */
  ICMP_PER_SECOND = 1000,
  ICMP_BURST = 50,
};

enum { POLL_TUN, POLL_SOCKET, POLL_STOP, POLL_PROBE, POLL_COUNT };

/* Waits until a descriptor is ready. A sleeping worker does not delay the reclamation of routes. */
static void wait_for_packets(struct weft_worker *worker, struct pollfd *fds) {
  if (worker->is_tun_gone) fds[POLL_TUN].fd = -1;
  fds[POLL_PROBE].fd = worker->path_mtu.fd;
  weft_routes_leave(worker->path->routes, worker->index);
  while (poll(fds, POLL_COUNT, weft_path_mtu_wait_ms(worker)) < 0 && errno == EINTR) continue;
  weft_routes_enter(worker->path->routes, worker->index);
  weft_worker_count(worker, WEFT_WAKEUPS, 1);
}

static void move_packets(struct weft_worker *worker, const struct pollfd *fds) {
  if (fds[POLL_SOCKET].revents) weft_rx_drain(worker);
  if (fds[POLL_TUN].revents) weft_tx_drain(worker);
  weft_path_mtu_run(worker);
  weft_routes_quiescent(worker->path->routes, worker->index);
}

static void *run(void *argument) {
  struct weft_worker *worker = argument;
  struct pollfd fds[POLL_COUNT] = {{.fd = worker->tun_fd, .events = POLLIN},
                                   {.fd = worker->sockets[0], .events = POLLIN},
                                   {.fd = worker->stop_fd, .events = POLLIN},
                                   {.fd = -1, .events = POLLIN}};
  weft_routes_enter(worker->path->routes, worker->index);
  while (!atomic_load_explicit(&worker->is_stopping, memory_order_relaxed)) {
    wait_for_packets(worker, fds);
    move_packets(worker, fds);
  }
  weft_routes_leave(worker->path->routes, worker->index);
  return NULL;
}

struct weft_worker *weft_worker_new(struct weft_path *path, unsigned index, int tun_fd, const int *sockets) {
  struct weft_worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) & ~(size_t)63);
  if (!worker) return NULL;
  memset(worker, 0, sizeof(*worker));
  worker->path = path;
  worker->index = index;
  worker->tun_fd = tun_fd;
  worker->path_mtu.fd = -1;
  worker->socket_count = 1 + path->settings.source_ports;
  memcpy(worker->sockets, sockets, worker->socket_count * sizeof(*sockets));
  weft_rate_init(&worker->icmp_rate, ICMP_PER_SECOND, ICMP_BURST);
  worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (worker->stop_fd >= 0 && weft_tx_batch_init(&worker->tx) == 0 && weft_rx_batch_init(&worker->rx) == 0)
    return worker;
  if (worker->stop_fd >= 0) close(worker->stop_fd);
  weft_tx_batch_free(&worker->tx);
  weft_rx_batch_free(&worker->rx);
  free(worker);
  return NULL;
}

int weft_worker_start(struct weft_worker *worker) {
  sigset_t all, before;
  char name[16];
  /* The JavaScript thread handles signals. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&worker->thread, NULL, run, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) return -error;
  worker->is_started = true;
  snprintf(name, sizeof(name), "weft-path/%u", worker->index);
  pthread_setname_np(worker->thread, name);
  return 0;
}

void weft_worker_stop(struct weft_worker *worker) {
  const uint64_t one = 1;
  if (!worker->is_started) return;
  atomic_store(&worker->is_stopping, true);
  /* Cannot fail: the counter of the eventfd is 0. */
  if (write(worker->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) pthread_join(worker->thread, NULL);
  worker->is_started = false;
}

void weft_worker_free(struct weft_worker *worker) {
  weft_path_mtu_end(worker);
  for (unsigned index = 0; index < worker->socket_count; index++)
    if (worker->sockets[index] >= 0) close(worker->sockets[index]);
  if (worker->tun_fd >= 0) close(worker->tun_fd);
  close(worker->stop_fd);
  weft_tx_batch_free(&worker->tx);
  weft_rx_batch_free(&worker->rx);
  free(worker);
}
