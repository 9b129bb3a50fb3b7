/*
 * A fake kernel for tests of the worker: a TUN queue and a UDP socket in memory, with scripted
 * rejections. Programs link it with --wrap for each function below and include it in one source
 * file.
 */
#ifndef WEFT_FAKE_KERNEL_H
#define WEFT_FAKE_KERNEL_H

#include <errno.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "expect.h"
#include "path/socket.h"
#include "probe/echo.h"
#include "route/route.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_HAS_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_HAS_ASAN
#endif
#endif
#ifdef WEFT_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum {
  FAKE_TUN = 1000,
  FAKE_SOCKET = 1001,
  FAKE_SOCKETS = 8,
  FAKE_ITEMS = 2048,
  FAKE_BUFFERS = 16,
  FAKE_MEMORY = 4 << 20
};

/* Bytes that wait or went: of a TUN packet behind its virtio header, or of one datagram. */
struct fake_item {
  struct virtio_net_hdr header;
  union weft_endpoint remote;
  uint16_t segment_bytes; /* of a message; 0: a datagram */
  uint8_t tos;            /* of the underlay packet */
  bool is_truncated;      /* a message received that was longer than the buffer */
  int socket;             /* that a datagram left by */
  const uint8_t *bytes;
  size_t length;
};

struct fake_queue {
  struct fake_item items[FAKE_ITEMS];
  unsigned count, taken;
};

static struct {
  /* `sent` holds datagrams: a message with UDP_SEGMENT comes apart as it would in the kernel. */
  struct fake_queue tun_in, tun_out, udp_in, sent;
  uint8_t memory[FAKE_MEMORY];
  size_t memory_used;
  /* Rejections: 0 or errno. */
  int (*reject_message)(const struct fake_item *message);
  int (*reject_write)(const struct fake_item *packet);
  unsigned messages_a_call; /* that sendmmsg takes at most; 0: all */
  bool is_full;             /* the socket does not get writable */
  uint32_t path_mtu;        /* reported by the error queue for `path_mtu_remote`, path_mtu_count times */
  union weft_endpoint path_mtu_remote;
  unsigned path_mtu_count;
  bool is_path_mtu_of_icmp; /* not a local error */
  size_t largest_echo;      /* that the peer answers, as a whole packet; 0: none */
  uint16_t answers[64];
  unsigned answer_count;
  int receive_error;                    /* what recvmmsg returns, once */
  int read_error;                       /* what read returns, once */
  struct iovec forbidden[FAKE_BUFFERS]; /* ends of the buffers that received last */
  /* What was tried. */
  unsigned messages, super_messages, writes, super_writes, polls, searches, echoes;
  /* Of the last search. */
  int echo_open_error; /* what weft_echo_open returns instead of a socket */
  int echo_fd;
  uint16_t echo_identifier;
  bool has_echo_source;
  union weft_echo_address echo_source;
  char echo_device[IF_NAMESIZE];
} fake;

/* Poisons this memory and unpoisons the previous one. */
static void fake_forbid(struct iovec *forbidden, void *memory, size_t bytes) {
#ifdef WEFT_HAS_ASAN
  __asan_unpoison_memory_region(forbidden->iov_base, forbidden->iov_len);
  __asan_poison_memory_region(memory, bytes);
#endif
  *forbidden = (struct iovec){memory, bytes};
}

static void fake_reset(void) {
  for (unsigned index = 0; index < FAKE_BUFFERS; index++) fake_forbid(&fake.forbidden[index], NULL, 0);
  memset(&fake, 0, sizeof(fake));
}

/* Appends what lies in `iov` to a queue. */
static struct fake_item *fake_put(struct fake_queue *queue, const struct iovec *iov, size_t iov_count) {
  struct fake_item *item = &queue->items[queue->count++];
  EXPECT(queue->count <= FAKE_ITEMS, true);
  *item = (struct fake_item){.bytes = fake.memory + fake.memory_used};
  for (size_t index = 0; index < iov_count; index++) {
    EXPECT(fake.memory_used + iov[index].iov_len <= FAKE_MEMORY, true);
    memcpy(fake.memory + fake.memory_used, iov[index].iov_base, iov[index].iov_len);
    fake.memory_used += iov[index].iov_len;
    item->length += iov[index].iov_len;
  }
  return item;
}

static struct fake_item *fake_put_bytes(struct fake_queue *queue, const uint8_t *bytes, size_t length) {
  const struct iovec iov = {(void *)(uintptr_t)bytes, length};
  return fake_put(queue, &iov, 1);
}

static struct fake_item *fake_next(struct fake_queue *queue) {
  return queue->taken < queue->count ? &queue->items[queue->taken++] : NULL;
}

static int fail(int error) {
  errno = error;
  return -1;
}

/* --- The TUN queue --- */

ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size) {
  EXPECT(fd, FAKE_TUN);
  const int error = fake.read_error;
  fake.read_error = 0;
  if (error != 0) return fail(error);
  const struct fake_item *item = fake_next(&fake.tun_in);
  if (!item) return fail(EAGAIN);
  EXPECT(sizeof(item->header) + item->length <= size, true);
  memcpy(buffer, &item->header, sizeof(item->header));
  memcpy((uint8_t *)buffer + sizeof(item->header), item->bytes, item->length);
  return (ssize_t)(sizeof(item->header) + item->length);
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int count);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int count) {
  EXPECT(fd, FAKE_TUN);
  EXPECT(count >= 2 && iov[0].iov_len == sizeof(struct virtio_net_hdr), true);
  struct fake_item *item = fake_put(&fake.tun_out, iov + 1, (size_t)count - 1);
  memcpy(&item->header, iov[0].iov_base, sizeof(item->header));
  fake.writes++;
  if (item->header.gso_type != VIRTIO_NET_HDR_GSO_NONE) fake.super_writes++;
  const int error = fake.reject_write ? fake.reject_write(item) : 0;
  if (error == 0) return (ssize_t)(sizeof(item->header) + item->length);
  fake.tun_out.count--;
  return fail(error);
}

/* --- The socket --- */

static uint16_t segment_bytes_of(const struct msghdr *message) {
  uint16_t bytes = 0;
  struct msghdr copy = *message;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&copy); item; item = CMSG_NXTHDR(&copy, item))
    if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_SEGMENT)
      memcpy(&bytes, CMSG_DATA(item), sizeof(bytes));
  return bytes;
}

static uint8_t tos_of(const struct msghdr *message) {
  struct msghdr copy = *message;
  int tos = 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&copy); item; item = CMSG_NXTHDR(&copy, item))
    if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) memcpy(&tos, CMSG_DATA(item), sizeof(tos));
  return (uint8_t)tos;
}

static void fake_send(const struct fake_item *message) {
  const size_t step = message->segment_bytes ? message->segment_bytes : message->length;
  for (size_t at = 0; at < message->length; at += step) {
    const size_t bytes = message->length - at < step ? message->length - at : step;
    struct fake_item *datagram = fake_put_bytes(&fake.sent, message->bytes + at, bytes);
    datagram->remote = message->remote;
    datagram->socket = message->socket;
    datagram->tos = message->tos;
  }
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  static struct fake_queue scratch;
  EXPECT(fd >= FAKE_SOCKET && fd < FAKE_SOCKET + FAKE_SOCKETS, true);
  EXPECT(flags, MSG_DONTWAIT);
  scratch.count = 0;
  struct fake_item *item = fake_put(&scratch, message->msg_iov, message->msg_iovlen);
  memcpy(&item->remote, message->msg_name, message->msg_namelen);
  item->segment_bytes = segment_bytes_of(message);
  item->tos = tos_of(message);
  item->socket = fd;
  /* Limits that no kernel lacks: UDP_MAX_SEGMENTS, and the length of a UDP datagram. */
  EXPECT(item->length <= 65507, true);
  EXPECT(item->segment_bytes == 0 || item->length <= 64u * item->segment_bytes, true);
  fake.messages++;
  if (item->segment_bytes) fake.super_messages++;
  const int error = fake.reject_message ? fake.reject_message(item) : 0;
  if (error != 0) return fail(error);
  fake_send(item);
  return (ssize_t)item->length;
}

/* As sendmmsg(2): reports an error only of the first message. */
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  unsigned sent = 0;
  while (sent < count && (fake.messages_a_call == 0 || sent < fake.messages_a_call)) {
    const ssize_t bytes = __wrap_sendmsg(fd, &messages[sent].msg_hdr, flags);
    if (bytes < 0 && sent == 0) return -1;
    if (bytes < 0) break;
    messages[sent++].msg_len = (unsigned)bytes;
  }
  return (int)sent;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
  EXPECT(count, 1);
  EXPECT(fds[0].fd, FAKE_SOCKET);
  EXPECT(timeout_ms >= 0 && timeout_ms <= 100, true); /* the other direction waits meanwhile */
  fake.polls++;
  if (fake.is_full) return 0;
  fds[0].revents = fds[0].events;
  return 1;
}

/* What lies behind the bytes may not be read, as the address sanitizer sees. */
static void fill_buffer(unsigned index, const struct iovec *buffer, const struct fake_item *item) {
  EXPECT(item->length <= buffer->iov_len && index < FAKE_BUFFERS, true);
  fake_forbid(&fake.forbidden[index], NULL, 0);
  memcpy(buffer->iov_base, item->bytes, item->length);
  fake_forbid(&fake.forbidden[index], (uint8_t *)buffer->iov_base + item->length, buffer->iov_len - item->length);
}

static void add_control(struct msghdr *message, struct cmsghdr **item, int level, int type, const void *value,
                        size_t bytes) {
  (*item)->cmsg_level = level;
  (*item)->cmsg_type = type;
  (*item)->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(*item), value, bytes);
  *item = (struct cmsghdr *)((uint8_t *)*item + CMSG_SPACE(bytes));
  message->msg_controllen = (size_t)((uint8_t *)*item - (uint8_t *)message->msg_control);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  unsigned received = 0;
  EXPECT(fd == FAKE_SOCKET && flags == MSG_DONTWAIT && timeout == NULL, true);
  const int error = fake.receive_error;
  fake.receive_error = 0;
  if (error != 0) return fail(error);
  for (const struct fake_item *item; received < count && (item = fake_next(&fake.udp_in)) != NULL; received++) {
    struct msghdr *message = &messages[received].msg_hdr;
    struct cmsghdr *control = message->msg_control;
    const int segment_bytes = item->segment_bytes;
    fill_buffer(received, &message->msg_iov[0], item);
    memcpy(message->msg_name, &item->remote, sizeof(item->remote));
    messages[received].msg_len = (unsigned)item->length;
    message->msg_controllen = 0;
    message->msg_flags = item->is_truncated ? MSG_TRUNC : 0;
    if (item->tos) add_control(message, &control, IPPROTO_IP, IP_TOS, &item->tos, sizeof(item->tos));
    if (segment_bytes) add_control(message, &control, IPPROTO_UDP, UDP_GRO, &segment_bytes, sizeof(segment_bytes));
  }
  return received > 0 ? (int)received : fail(EAGAIN);
}

/* --- The error queue, in place of socket.c's reading of it --- */

bool __wrap_weft_udp_take_error(int fd, struct weft_udp_error *error);
bool __wrap_weft_udp_take_error(int fd, struct weft_udp_error *error) {
  EXPECT(fd, FAKE_SOCKET);
  if (fake.path_mtu_count == 0) return false;
  fake.path_mtu_count--;
  *error = (struct weft_udp_error){fake.path_mtu_remote, true, !fake.is_path_mtu_of_icmp, fake.path_mtu};
  return true;
}

/* --- The echo socket of a search --- */

int __wrap_weft_echo_open(int family, uint16_t identifier, const char *device, const union weft_echo_address *source);
int __wrap_weft_echo_open(int family, uint16_t identifier, const char *device, const union weft_echo_address *source) {
  EXPECT(family, AF_INET);
  fake.searches++;
  fake.echo_identifier = identifier;
  fake.has_echo_source = source != NULL;
  if (source) fake.echo_source = *source;
  snprintf(fake.echo_device, sizeof(fake.echo_device), "%s", device);
  return fake.echo_fd = fake.echo_open_error != 0 ? -fake.echo_open_error : dup(STDIN_FILENO);
}

/* The peer answers at once: echoes to 10.4.5.0 up to `largest_echo` bytes, as whole packets. */
int __wrap_weft_echo_send(int fd, const union weft_echo_address *to, uint16_t identifier, uint16_t sequence,
                          size_t payload_bytes, const uint8_t *token, double *time_us);
int __wrap_weft_echo_send(int fd, const union weft_echo_address *to, uint16_t identifier, uint16_t sequence,
                          size_t payload_bytes, const uint8_t *token, double *time_us) {
  (void)token, (void)time_us;
  EXPECT(fd, fake.echo_fd);
  EXPECT(identifier, fake.echo_identifier);
  EXPECT(to->ipv4.sin_family, AF_INET);
  EXPECT(to->ipv4.sin_addr.s_addr, htonl(0x0a040500));
  fake.echoes++;
  if (payload_bytes + 28 <= fake.largest_echo) fake.answers[fake.answer_count++] = sequence;
  return 0;
}

int __wrap_weft_echo_read(int fd, int family, const uint8_t *token, struct weft_echo_answer *answer);
int __wrap_weft_echo_read(int fd, int family, const uint8_t *token, struct weft_echo_answer *answer) {
  (void)token;
  EXPECT(family, AF_INET);
  EXPECT(fd, fake.echo_fd);
  if (fake.answer_count == 0) return 0;
  *answer = (struct weft_echo_answer){
      .kind = WEFT_ECHO_REPLY, .sequence = fake.answers[--fake.answer_count], .has_token = true};
  return 1;
}

#endif
