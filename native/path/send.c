/*
 * Runs of datagrams to the socket: one message per run, one sendmmsg(2) for many (udp(7)
 * UDP_SEGMENT).
 */
#include "send.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "packet/wire.h"
#include "worker.h"

enum {
  /* A full socket buffer empties at wire speed. A longer wait means that the link is down. */
  FULL_WAIT_MS = 20,
};

/*
 * Lifetime of a path MTU that a local error gave. The kernel reports it again.
 */
static const uint64_t PATH_MTU_NS = 60ull * 1000 * 1000 * 1000;

static void count_sent(struct weft_worker *worker, const struct weft_run *run, unsigned segments,
                       uint64_t payload_bytes) {
  const uint64_t bytes = payload_bytes - (uint64_t)segments * worker->path->settings.encap->header_bytes;
  weft_worker_count(worker, WEFT_TX_PACKETS, segments);
  weft_worker_count(worker, WEFT_TX_BYTES, bytes);
  weft_worker_count(worker, WEFT_TX_SENDS, 1);
  atomic_fetch_add_explicit(&run->route->peer->tx_packets, segments, memory_order_relaxed);
  atomic_fetch_add_explicit(&run->route->peer->tx_bytes, bytes, memory_order_relaxed);
}

static void make_message(struct weft_tx_batch *batch, unsigned index) {
  const struct weft_run *run = &batch->runs[index];
  struct msghdr *message = &batch->messages[index].msg_hdr;
  const int family = run->route->remote.any.sa_family;
  const uint16_t segment_bytes = run->count > 1 ? run->segment_bytes : 0;
  *message = (struct msghdr){.msg_name = (void *)(uintptr_t)&run->route->remote,
                             .msg_namelen = weft_endpoint_bytes(&run->route->remote),
                             .msg_iov = &batch->iov[run->first_iov],
                             .msg_iovlen = run->iov_count};
  message->msg_controllen = weft_udp_write_control(batch->control[index], family, run->tos, segment_bytes);
  message->msg_control = message->msg_controllen > 0 ? batch->control[index] : NULL;
}

/* Records the path MTU from the error queue. False: it has none for this peer. */
static bool learn_path_mtu(struct weft_worker *worker, const struct weft_run *run) {
  const uint32_t mtu = weft_path_mtu_drain(worker, worker->sockets[run->socket], &run->route->remote);
  /* RFC 791: each link carries 68 bytes. Less leaves no room for an inner packet. */
  if (mtu < worker->path->overhead + 68) return false;
  atomic_store_explicit(&run->route->peer->path_mtu_until_ns, weft_now_ns() + PATH_MTU_NS, memory_order_relaxed);
  atomic_store_explicit(&run->route->peer->path_mtu, mtu, memory_order_relaxed);
  return true;
}

/*
 * Whether sending is worth a retry after `error`. A full buffer empties. Most other errors can
 * belong to an earlier datagram, reported by ICMP (sock_error in the kernel), EMSGSIZE included.
 */
static bool is_retryable(int fd, int error) {
  struct pollfd wait = {.fd = fd, .events = POLLOUT};
  if (error == EAGAIN) return poll(&wait, 1, FULL_WAIT_MS) > 0 && (wait.revents & POLLOUT);
  return error != ENOBUFS && error != ENOMEM;
}

/* Sends one message with one retry. Returns 0 or errno. */
static int send_one(int fd, const struct msghdr *message) {
  if (sendmsg(fd, message, MSG_DONTWAIT) >= 0) return 0;
  const int error = errno;
  if (!is_retryable(fd, error)) return error;
  return sendmsg(fd, message, MSG_DONTWAIT) >= 0 ? 0 : errno;
}

static void count_rejected(struct weft_worker *worker, int error, unsigned segments) {
  const bool is_full = error == EAGAIN || error == ENOBUFS;
  weft_worker_count(worker, is_full ? WEFT_DROP_TX_BUFFER_FULL : WEFT_DROP_TX_REFUSED, segments);
}

/*
 * Copies the inner packet of one datagram into one piece: the batch is about to reuse its memory.
 */
static size_t linearize(const struct msghdr *message, size_t skip, uint8_t *out) {
  size_t length = 0;
  for (size_t index = 0; index < message->msg_iovlen; index++) {
    const struct iovec *piece = &message->msg_iov[index];
    memcpy(out + length, piece->iov_base, piece->iov_len);
    length += piece->iov_len;
  }
  memmove(out, out + skip, length - skip);
  return length - skip;
}

/* Result of sending the datagrams of a run one by one. */
struct one_by_one {
  unsigned sent, oversized;
};

static size_t next_datagram(const struct weft_tx_batch *batch, const struct weft_run *run, unsigned *iov,
                            struct msghdr *message) {
  const size_t wanted = run->count > 1 ? run->segment_bytes : run->total_bytes;
  size_t bytes = 0;
  message->msg_iov = (struct iovec *)(uintptr_t)&batch->iov[*iov];
  message->msg_iovlen = 0;
  while (bytes < wanted && *iov < run->first_iov + run->iov_count) {
    bytes += batch->iov[(*iov)++].iov_len;
    message->msg_iovlen++;
  }
  return bytes;
}

static uint8_t *keep_oversized(struct weft_worker *worker, const struct msghdr *message, size_t *length) {
  static _Thread_local uint8_t whole[WEFT_MAX_PACKET + WEFT_MAX_ENCAP_HEADER];
  *length = linearize(message, worker->path->settings.encap->header_bytes, whole);
  return whole;
}

static struct one_by_one send_one_by_one(struct weft_worker *worker, unsigned index, uint8_t **first_oversized,
                                         size_t *length) {
  struct weft_tx_batch *batch = &worker->tx;
  const struct weft_run *run = &batch->runs[index];
  struct msghdr message = batch->messages[index].msg_hdr;
  struct one_by_one result = {0};
  unsigned iov = run->first_iov;
  message.msg_controllen = weft_udp_write_control(batch->control[index], run->route->remote.any.sa_family, run->tos, 0);
  if (message.msg_controllen == 0) message.msg_control = NULL;
  for (unsigned segment = 0; segment < run->count; segment++) {
    const size_t bytes = next_datagram(batch, run, &iov, &message);
    const int error = send_one(worker->sockets[run->socket], &message);
    if (error == 0) count_sent(worker, run, 1, bytes);
    if (error == 0) result.sent++;
    else if (error != EMSGSIZE) count_rejected(worker, error, 1);
    else if (result.oversized++ == 0 && !batch->is_resending)
      *first_oversized = keep_oversized(worker, &message, length);
  }
  return result;
}

/*
 * Handles a run that the kernel rejected as a whole. Sending one by one separates the causes: an
 * offload that the device lacks (EIO without checksum offload, EINVAL, EMSGSIZE; udp_send_skb in
 * the kernel), or a smaller path MTU.
 */
static void send_rejected(struct weft_worker *worker, unsigned index, int error) {
  const struct weft_run run = worker->tx.runs[index];
  uint8_t *inner = NULL;
  size_t length = 0;
  const bool may_be_size = error == EMSGSIZE || error == EINVAL || error == EIO;
  if (!may_be_size) return count_rejected(worker, error, run.count);
  const struct one_by_one result = send_one_by_one(worker, index, &inner, &length);
  if (run.count > 1 && result.sent == run.count) {
    if (atomic_exchange(&worker->path->offloads.gso, false)) weft_worker_count(worker, WEFT_OFFLOADS_DROPPED, 1);
  }
  if (result.oversized == 0) return;
  /*
   * The first is resent in fragments or reported. The others are dropped: their senders retransmit.
   */
  weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, result.oversized - 1);
  if (!learn_path_mtu(worker, &run) || inner == NULL) return weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  if (worker->tx.oversized.route != NULL) weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  worker->tx.oversized = (struct weft_oversized){run.route, inner, length, run.tos, run.socket};
}

/* Sends messages [first, end) of one socket. */
static void send_batch(struct weft_worker *worker, unsigned first, unsigned end) {
  struct weft_tx_batch *batch = &worker->tx;
  const int fd = worker->sockets[batch->runs[first].socket];
  bool has_failed = false;
  while (first < end) {
    const int sent = sendmmsg(fd, &batch->messages[first], end - first, MSG_DONTWAIT);
    const int error = errno;
    for (int index = 0; index < sent; index++)
      count_sent(worker, &batch->runs[first + (unsigned)index], batch->runs[first + (unsigned)index].count,
                 batch->runs[first + (unsigned)index].total_bytes);
    /* An ICMP error. Those of this host come again when the messages are sent one by one. */
    if (sent < 0 && error == EMSGSIZE) weft_path_mtu_drain(worker, fd, NULL);
    if (sent > 0) {
      first += (unsigned)sent;
      has_failed = false;
    } else if (has_failed || !is_retryable(fd, error)) {
      send_rejected(worker, first++, error);
      has_failed = false;
    } else {
      has_failed = true;
    }
  }
}

/* Sends the first `count` runs, in groups of one socket. */
static void send_leading_runs(struct weft_worker *worker, unsigned count) {
  struct weft_tx_batch *batch = &worker->tx;
  unsigned first = 0;
  for (unsigned index = 0; index < count; index++) make_message(batch, index);
  while (first < count) {
    unsigned end = first + 1;
    while (end < count && batch->runs[end].socket == batch->runs[first].socket) end++;
    send_batch(worker, first, end);
    first = end;
  }
}

void weft_send_runs(struct weft_worker *worker) {
  struct weft_tx_batch *batch = &worker->tx;
  send_leading_runs(worker, batch->runs_used);
  batch->runs_used = batch->iov_used = batch->slots_used = 0;
}

void weft_send_all_but_last_run(struct weft_worker *worker) {
  struct weft_tx_batch *batch = &worker->tx;
  if (batch->runs_used <= 1) return;
  const struct weft_run last = batch->runs[batch->runs_used - 1];
  send_leading_runs(worker, batch->runs_used - 1);
  memmove(batch->iov, &batch->iov[last.first_iov], last.iov_count * sizeof(*batch->iov));
  batch->iov_used = last.iov_count;
  batch->runs[0] = last;
  batch->runs[0].first_iov = 0;
  batch->runs_used = 1;
}
