/* Sends and reads the echoes of a sweep. */
#include "echo-sweep.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo-parse.h"

static size_t address_bytes(const struct weft_echo_sweep *sweep) {
  return sweep->family == AF_INET ? 4 : 16;
}

static union weft_echo_address address_at(const struct weft_echo_sweep *sweep, size_t index) {
  const uint8_t *bytes = sweep->addresses + index * address_bytes(sweep);
  union weft_echo_address address;
  memset(&address, 0, sizeof(address));
  address.any.sa_family = (sa_family_t)sweep->family;
  if (sweep->family == AF_INET) memcpy(&address.ipv4.sin_addr, bytes, 4);
  else memcpy(&address.ipv6.sin6_addr, bytes, 16);
  return address;
}

int weft_echo_sweep_open(int family, uint16_t identifier) {
  const int fd = weft_echo_open(family, identifier, NULL, NULL), off = 0;
  if (fd < 0) return fd;
  const int result = family == AF_INET ? setsockopt(fd, SOL_IP, IP_RECVERR, &off, sizeof(off))
                                       : setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &off, sizeof(off));
  if (result == 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

void weft_echo_sweep_send(const struct weft_echo_sweep *sweep) {
  for (size_t index = 0; index < sweep->count; index++) {
    const union weft_echo_address to = address_at(sweep, index);
    double *sent_us = &sweep->sent_us[index];
    if (weft_echo_send(sweep->fd, &to, sweep->identifier, sweep->sequence, WEFT_ECHO_TOKEN_BYTES, sweep->token,
                       sent_us) < 0)
      *sent_us = 0;
  }
}

/*
 * The index of `from`, or `count`. Hosts mostly answer in the order of the echoes, so `next` is
 * tried first.
 */
static size_t find(const struct weft_echo_sweep *sweep, const union weft_echo_address *from, size_t next) {
  const size_t bytes = address_bytes(sweep);
  const void *wanted =
      sweep->family == AF_INET ? (const void *)&from->ipv4.sin_addr : (const void *)&from->ipv6.sin6_addr;
  for (size_t step = 0; step < sweep->count; step++) {
    const size_t index = (next + step) % sweep->count;
    if (memcmp(sweep->addresses + index * bytes, wanted, bytes) == 0) return index;
  }
  return sweep->count;
}

/* Messages of one call. An echo of a sweep is far shorter than MESSAGE_BYTES. */
enum { MESSAGES = 32, MESSAGE_BYTES = 256, CONTROL_BYTES = 128 };

struct messages {
  struct mmsghdr headers[MESSAGES];
  struct iovec parts[MESSAGES];
  union weft_echo_address from[MESSAGES];
  uint8_t packets[MESSAGES][MESSAGE_BYTES];
  _Alignas(struct cmsghdr) uint8_t control[MESSAGES][CONTROL_BYTES];
};

/* Returns the number of messages, or 0. */
static int receive(int fd, struct messages *all) {
  memset(all->headers, 0, sizeof(all->headers));
  for (size_t index = 0; index < MESSAGES; index++) {
    all->parts[index] = (struct iovec){all->packets[index], MESSAGE_BYTES};
    all->headers[index].msg_hdr = (struct msghdr){.msg_name = &all->from[index],
                                                  .msg_namelen = sizeof(all->from[index]),
                                                  .msg_iov = &all->parts[index],
                                                  .msg_iovlen = 1,
                                                  .msg_control = all->control[index],
                                                  .msg_controllen = CONTROL_BYTES};
  }
  const int count = recvmmsg(fd, all->headers, MESSAGES, MSG_DONTWAIT, NULL);
  return count > 0 ? count : 0;
}

/* Stores the round trip if the message answers an echo of the sweep. */
static bool take(const struct weft_echo_sweep *sweep, struct messages *all, int message, size_t *next, double *rtt_us) {
  struct weft_echo_answer answer = {.kind = WEFT_ECHO_REPLY, .from = all->from[message]};
  const size_t length = all->headers[message].msg_len;
  weft_echo_parse_control(&all->headers[message].msg_hdr, &answer);
  if (answer.kind != WEFT_ECHO_REPLY || answer.time_us == 0) return false;
  if (!weft_echo_parse(sweep->family, sweep->token, all->packets[message], length, &answer)) return false;
  if (answer.sequence != sweep->sequence || !answer.has_token) return false;
  const size_t index = find(sweep, &answer.from, *next);
  if (index == sweep->count || sweep->sent_us[index] == 0) return false;
  *next = index + 1;
  rtt_us[index] = answer.time_us > sweep->sent_us[index] ? answer.time_us - sweep->sent_us[index] : 0;
  return true;
}

int weft_echo_sweep_read(const struct weft_echo_sweep *sweep, double *rtt_us) {
  struct messages all;
  size_t next = 0;
  int answers = 0, count;
  while ((count = receive(sweep->fd, &all)) > 0)
    for (int message = 0; message < count; message++) answers += take(sweep, &all, message, &next, rtt_us);
  return answers;
}
