/* Sends and reads the echoes of a sweep. */
#include "echo-sweep.h"

#include <string.h>

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

int weft_echo_sweep_read(const struct weft_echo_sweep *sweep, double *rtt_us) {
  struct weft_echo_answer answer;
  size_t next = 0;
  int answers = 0;
  for (;;) {
    const int result = weft_echo_read(sweep->fd, sweep->family, sweep->token, &answer);
    if (result < 0) return result;
    if (result == 0) return answers;
    if (answer.kind != WEFT_ECHO_REPLY || answer.sequence != sweep->sequence || !answer.has_token) continue;
    const size_t index = find(sweep, &answer.from, next);
    if (index == sweep->count || sweep->sent_us[index] == 0) continue;
    next = index + 1;
    rtt_us[index] = answer.time_us > sweep->sent_us[index] ? answer.time_us - sweep->sent_us[index] : 0;
    answers++;
  }
}
