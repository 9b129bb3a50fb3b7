/* A worker: a thread with its own TUN queue, UDP sockets and buffers. Internal to native/path. */
#ifndef WEFT_WORKER_H
#define WEFT_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "packet/icmp.h"
#include "path-mtu.h"
#include "path.h"
#include "rx-batch.h"
#include "tx-batch.h"

struct weft_worker {
  struct weft_path *path;
  unsigned index; /* also its reader number in the routes */
  int tun_fd;
  int stop_fd; /* eventfd(2) that wakes the thread */
  _Atomic bool is_stopping;
  unsigned socket_count;                  /* 1 + source_ports */
  int sockets[1 + WEFT_MAX_SOURCE_PORTS]; /* the first one receives */
  bool is_started;
  bool is_tun_gone; /* the device was deleted */
  pthread_t thread;
  struct weft_rate icmp_rate;
  struct weft_path_mtu path_mtu;
  struct weft_tx_batch tx;
  struct weft_rx_batch rx;
  _Alignas(64) weft_count counters[WEFT_COUNTER_COUNT];
};

/*
 * Creates a worker. Takes ownership of the descriptors on success. Without memory returns NULL and
 * the caller closes them.
 */
struct weft_worker *weft_worker_new(struct weft_path *path, unsigned index, int tun_fd, const int *sockets);
int weft_worker_start(struct weft_worker *worker);
/* Ends the thread. Descriptors stay open. */
void weft_worker_stop(struct weft_worker *worker);
/* Closes the descriptors and frees the worker. Call it after weft_worker_stop. */
void weft_worker_free(struct weft_worker *worker);

static inline void weft_worker_count(struct weft_worker *worker, unsigned which, uint64_t amount) {
  weft_count_add(worker->counters, which, amount);
}

#endif
