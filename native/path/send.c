/* Runs of datagrams to the socket, one message a run, one system call for many (sendmmsg(2), udp(7) UDP_SEGMENT). */
#include "send.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "packet/wire.h"
#include "worker.h"

enum {
  /* A full socket buffer empties at wire speed; longer means that the wire is gone. */
  FULL_WAIT_MS = 20,
};

/* How long a smaller path MTU is believed; the kernel keeps it for 10 minutes (route mtu_expires) and will say so again. */
static const uint64_t PATH_MTU_NS = 60ull * 1000 * 1000 * 1000;

static void count_sent(struct weft_worker *worker, const struct weft_run *run, unsigned segments, uint64_t payload_bytes) {
  const uint64_t bytes = payload_bytes - (uint64_t)segments * worker->path->settings.encap->header_bytes;
  weft_worker_count(worker, WEFT_TX_PACKETS, segments);
  weft_worker_count(worker, WEFT_TX_BYTES, bytes);
  weft_worker_count(worker, WEFT_TX_SENDS, 1);
  atomic_fetch_add_explicit(&run->route->peer->tx_packets, segments, memory_order_relaxed);
  atomic_fetch_add_explicit(&run->route->peer->tx_bytes, bytes, memory_order_relaxed);
}

static void make_message(struct weft_tx *tx, unsigned index) {
  const struct weft_run *run = &tx->runs[index];
  struct msghdr *message = &tx->messages[index].msg_hdr;
  const int family = run->route->remote.any.sa_family;
  const uint16_t segment_bytes = run->count > 1 ? run->segment_bytes : 0;
  *message = (struct msghdr){.msg_name = (void *)(uintptr_t)&run->route->remote,
                             .msg_namelen = weft_endpoint_bytes(&run->route->remote),
                             .msg_iov = &tx->iov[run->first_iov],
                             .msg_iovlen = run->iov_count};
  message->msg_controllen = weft_udp_write_control(tx->control[index], family, run->tos, segment_bytes);
  message->msg_control = message->msg_controllen > 0 ? tx->control[index] : NULL;
}

/* Errors that came in by ICMP, or of one's own; the path MTU to `remote`, or 0. */
static uint32_t drain_errors(int fd, const union weft_endpoint *remote) {
  union weft_endpoint about;
  uint32_t mtu, found = 0;
  while (weft_udp_take_error(fd, &about, &mtu))
    if (mtu != 0 && weft_endpoint_same_address(&about, remote)) found = mtu;
  return found;
}

/* Remembers how much the path takes. False if nothing sensible was learned. */
static bool learn_path_mtu(struct weft_worker *worker, const struct weft_run *run) {
  const uint32_t mtu = drain_errors(worker->sockets[run->socket], &run->route->remote);
  /* RFC 791: 68 bytes pass everywhere; less would leave no inner packet at all. */
  if (mtu < worker->path->overhead + 68) return false;
  atomic_store_explicit(&run->route->peer->path_mtu_until_ns, weft_now_ns() + PATH_MTU_NS, memory_order_relaxed);
  atomic_store_explicit(&run->route->peer->path_mtu, mtu, memory_order_relaxed);
  return true;
}

/*
 * Whether sending may be tried once more after `error`. A full buffer empties; most others can be the error of an earlier
 * datagram, told by ICMP, of which this message knows nothing (EMSGSIZE, too; sock_error in the kernel).
 */
static bool may_try_again(int fd, int error) {
  struct pollfd wait = {.fd = fd, .events = POLLOUT};
  if (error == EAGAIN) return poll(&wait, 1, FULL_WAIT_MS) > 0 && (wait.revents & POLLOUT);
  return error != ENOBUFS && error != ENOMEM;
}

/* Sends one message, trying twice. Returns 0 or errno. */
static int send_one(int fd, const struct msghdr *message) {
  if (sendmsg(fd, message, MSG_DONTWAIT) >= 0) return 0;
  const int error = errno;
  if (!may_try_again(fd, error)) return error;
  return sendmsg(fd, message, MSG_DONTWAIT) >= 0 ? 0 : errno;
}

static void count_refused(struct weft_worker *worker, int error, unsigned segments) {
  const bool is_full = error == EAGAIN || error == ENOBUFS;
  weft_worker_count(worker, is_full ? WEFT_DROP_TX_BUFFER_FULL : WEFT_DROP_TX_REFUSED, segments);
}

/* Copies the inner packet of one datagram to a place of its own, as its pieces are about to be used again. */
static size_t flatten(const struct msghdr *message, size_t skip, uint8_t *out) {
  size_t length = 0;
  for (size_t index = 0; index < message->msg_iovlen; index++) {
    const struct iovec *piece = &message->msg_iov[index];
    memcpy(out + length, piece->iov_base, piece->iov_len);
    length += piece->iov_len;
  }
  memmove(out, out + skip, length - skip);
  return length - skip;
}

/* Sends the datagrams of a run one by one. Returns how many were taken; too big ones are left to `too_big`. */
struct singles {
  unsigned sent, too_big;
};

static size_t next_single(const struct weft_tx *tx, const struct weft_run *run, unsigned *iov, struct msghdr *message) {
  const size_t wanted = run->count > 1 ? run->segment_bytes : run->total_bytes;
  size_t bytes = 0;
  message->msg_iov = (struct iovec *)(uintptr_t)&tx->iov[*iov];
  message->msg_iovlen = 0;
  while (bytes < wanted && *iov < run->first_iov + run->iov_count) {
    bytes += tx->iov[(*iov)++].iov_len;
    message->msg_iovlen++;
  }
  return bytes;
}

static uint8_t *keep_too_big(struct weft_worker *worker, const struct msghdr *message, size_t *length) {
  static _Thread_local uint8_t whole[WEFT_MAX_PACKET + WEFT_MAX_ENCAP_HEADER];
  *length = flatten(message, worker->path->settings.encap->header_bytes, whole);
  return whole;
}

static struct singles send_singly(struct weft_worker *worker, unsigned index, uint8_t **first_too_big, size_t *length) {
  struct weft_tx *tx = &worker->tx;
  const struct weft_run *run = &tx->runs[index];
  struct msghdr message = tx->messages[index].msg_hdr;
  struct singles result = {0};
  unsigned iov = run->first_iov;
  message.msg_controllen = weft_udp_write_control(tx->control[index], run->route->remote.any.sa_family, run->tos, 0);
  if (message.msg_controllen == 0) message.msg_control = NULL;
  for (unsigned segment = 0; segment < run->count; segment++) {
    const size_t bytes = next_single(tx, run, &iov, &message);
    const int error = send_one(worker->sockets[run->socket], &message);
    if (error == 0) count_sent(worker, run, 1, bytes);
    if (error == 0) result.sent++;
    else if (error != EMSGSIZE) count_refused(worker, error, 1);
    else if (result.too_big++ == 0 && !tx->is_resending) *first_too_big = keep_too_big(worker, &message, length);
  }
  return result;
}

/*
 * The kernel refused a run whole. One by one its datagrams tell why: an offload that the device cannot do (EIO without
 * checksum offload, EINVAL, EMSGSIZE; udp_send_skb in the kernel), or a path with a smaller MTU.
 */
static void send_refused(struct weft_worker *worker, unsigned index, int error) {
  const struct weft_run run = worker->tx.runs[index];
  uint8_t *whole = NULL;
  size_t length = 0;
  const bool is_about_size = error == EMSGSIZE || error == EINVAL || error == EIO;
  if (!is_about_size) return count_refused(worker, error, run.count);
  const struct singles singles = send_singly(worker, index, &whole, &length);
  if (run.count > 1 && singles.sent == run.count) {
    if (atomic_exchange(&worker->path->offloads.gso, false)) weft_worker_count(worker, WEFT_OFFLOADS_DROPPED, 1);
  }
  if (singles.too_big == 0) return;
  /* The first is handled; the rest of the run is lost, and its senders repeat it once they know. */
  weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, singles.too_big - 1);
  if (!learn_path_mtu(worker, &run) || whole == NULL) return weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  if (worker->tx.pending.route != NULL) weft_worker_count(worker, WEFT_DROP_TX_TOO_BIG, 1);
  worker->tx.pending = (struct weft_pending){run.route, whole, length, run.tos, run.socket};
}

/* Sends messages [first, end), which share a socket. */
static void send_batch(struct weft_worker *worker, unsigned first, unsigned end) {
  struct weft_tx *tx = &worker->tx;
  const int fd = worker->sockets[tx->runs[first].socket];
  bool has_failed = false;
  while (first < end) {
    const int sent = sendmmsg(fd, &tx->messages[first], end - first, MSG_DONTWAIT);
    const int error = errno;
    for (int index = 0; index < sent; index++)
      count_sent(worker, &tx->runs[first + (unsigned)index], tx->runs[first + (unsigned)index].count,
                 tx->runs[first + (unsigned)index].total_bytes);
    if (sent > 0) {
      first += (unsigned)sent;
      has_failed = false;
    } else if (has_failed || !may_try_again(fd, error)) {
      send_refused(worker, first++, error);
      has_failed = false;
    } else {
      has_failed = true;
    }
  }
}

static void send_first(struct weft_worker *worker, unsigned count) {
  struct weft_tx *tx = &worker->tx;
  unsigned first = 0;
  for (unsigned index = 0; index < count; index++) make_message(tx, index);
  while (first < count) {
    unsigned end = first + 1;
    while (end < count && tx->runs[end].socket == tx->runs[first].socket) end++;
    send_batch(worker, first, end);
    first = end;
  }
}

void weft_send_runs(struct weft_worker *worker) {
  struct weft_tx *tx = &worker->tx;
  send_first(worker, tx->runs_used);
  tx->runs_used = tx->iov_used = tx->slots_used = 0;
  if (tx->pending.route == NULL) return;
  const struct weft_pending pending = tx->pending;
  tx->pending.route = NULL;
  tx->is_resending = true;
  weft_tx_resend(worker, pending.route, pending.tos, pending.socket, pending.data, pending.length);
  weft_send_runs(worker);
  tx->is_resending = false;
}

void weft_send_full_runs(struct weft_worker *worker) {
  struct weft_tx *tx = &worker->tx;
  if (tx->runs_used == 0) return;
  struct weft_run *last = &tx->runs[tx->runs_used - 1];
  if (last->is_closed || last->count == WEFT_TX_MAX_SEGMENTS) return weft_send_runs(worker);
  if (tx->runs_used == 1) return;
  send_first(worker, tx->runs_used - 1);
  memmove(tx->iov, &tx->iov[last->first_iov], last->iov_count * sizeof(*tx->iov));
  tx->iov_used = last->iov_count;
  tx->runs[0] = *last;
  tx->runs[0].first_iov = 0;
  tx->runs_used = 1;
}
