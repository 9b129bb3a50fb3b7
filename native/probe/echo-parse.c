/* Parses bytes from echo sockets. Pure. */
#include "echo-parse.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <string.h>

static void parse_error(const uint8_t *data, size_t bytes, struct weft_echo_answer *answer) {
  struct sock_extended_err error;
  if (bytes < sizeof(error)) return;
  memcpy(&error, data, sizeof(error));
  const size_t offender_bytes = bytes - sizeof(error);
  if (offender_bytes <= sizeof(answer->from)) memcpy(&answer->from, data + sizeof(error), offender_bytes);
  answer->kind = error.ee_origin == SO_EE_ORIGIN_LOCAL ? WEFT_ECHO_LOCAL : WEFT_ECHO_ERROR;
  answer->type = error.ee_type;
  answer->code = error.ee_code;
  answer->error = (int)error.ee_errno;
  answer->mtu = error.ee_errno == EMSGSIZE ? error.ee_info : 0;
}

void weft_echo_parse_control(struct msghdr *message, struct weft_echo_answer *answer) {
  const uint8_t *end = (const uint8_t *)message->msg_control + message->msg_controllen;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
    const uint8_t *data = CMSG_DATA(part);
    if (part->cmsg_len < CMSG_LEN(0) || part->cmsg_len - CMSG_LEN(0) > (size_t)(end - data)) return;
    const size_t bytes = part->cmsg_len - CMSG_LEN(0);
    const bool is_error = (part->cmsg_level == SOL_IP && part->cmsg_type == IP_RECVERR) ||
                          (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_RECVERR);
    struct timespec time;
    if (is_error) parse_error(data, bytes, answer);
    else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS && bytes >= sizeof(time)) {
      memcpy(&time, data, sizeof(time));
      answer->time_us = weft_echo_to_us(&time);
    }
  }
}

/*
 * Bytes before the ICMP header. Raw IPv4 sockets receive the IP header, except in quotes of errors.
 */
static size_t header_offset(int family, bool is_error, const uint8_t *packet, size_t length) {
  if (family != AF_INET || is_error || length == 0 || packet[0] >> 4 != 4) return 0;
  return (size_t)(packet[0] & 15) * 4;
}

bool weft_echo_parse(int family, const uint8_t *token, const uint8_t *packet, size_t length,
                     struct weft_echo_answer *answer) {
  const bool is_error = answer->kind == WEFT_ECHO_ERROR;
  const uint8_t expected = is_error ? (family == AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST)
                                    : (family == AF_INET ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY);
  struct weft_echo_header header;
  const size_t offset = header_offset(family, is_error, packet, length);
  if (length < offset + sizeof(header)) return false;
  memcpy(&header, packet + offset, sizeof(header));
  if (header.type != expected) return false;
  answer->sequence = ntohs(header.sequence);
  answer->bytes = length - offset;
  answer->has_token = length >= offset + sizeof(header) + WEFT_ECHO_TOKEN_BYTES &&
                      memcmp(packet + offset + sizeof(header), token, WEFT_ECHO_TOKEN_BYTES) == 0;
  return true;
}
