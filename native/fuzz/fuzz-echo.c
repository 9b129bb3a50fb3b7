/* Anything at an echo socket: an answer says no more than what came, and nothing is read beyond. */
#include "probe/echo-parse.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>

#include "property.h"

enum { TOKEN_AT = 2, CONTROL_AT = TOKEN_AT + WEFT_ECHO_TOKEN_BYTES };

/* Memory of its own length, so that reading on is seen. */
static uint8_t *copy(const uint8_t *data, size_t size) {
  uint8_t *bytes = malloc(size);
  if (!bytes) abort();
  memcpy(bytes, data, size);
  return bytes;
}

static void parse_control(const uint8_t *data, size_t size, struct weft_echo_answer *answer) {
  uint8_t *control = copy(data, size);
  struct msghdr message = {.msg_control = control, .msg_controllen = size};
  weft_echo_parse_control(&message, answer);
  HOLDS(answer->kind == WEFT_ECHO_REPLY || size >= CMSG_LEN(sizeof(struct sock_extended_err)));
  HOLDS(answer->mtu == 0 || answer->error == EMSGSIZE);
  free(control);
}

static void parse_packet(int family, const uint8_t *token, const uint8_t *data, size_t size,
                         struct weft_echo_answer *answer) {
  uint8_t *packet = copy(data, size);
  const bool is_echo = weft_echo_parse(family, token, packet, size, answer);
  HOLDS(!is_echo || (answer->bytes >= WEFT_ECHO_HEADER_BYTES && answer->bytes <= size));
  HOLDS(!is_echo || !answer->has_token || answer->bytes >= WEFT_ECHO_HEADER_BYTES + WEFT_ECHO_TOKEN_BYTES);
  HOLDS(is_echo || !answer->has_token);
  free(packet);
}

/* Family, length of the ancillary data, token, ancillary data, packet. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  struct weft_echo_answer answer = {0};
  if (size < CONTROL_AT) return 0;
  const int family = input[0] & 1 ? AF_INET6 : AF_INET;
  const size_t left = size - CONTROL_AT, control_bytes = input[1] < left ? input[1] : left;
  parse_control(input + CONTROL_AT, control_bytes, &answer);
  parse_packet(family, input + TOKEN_AT, input + CONTROL_AT + control_bytes, left - control_bytes, &answer);
  return 0;
}

/* An error with its offender and what it quotes; a reply with its IP header and its time. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *corpus = empty_corpus(*argc, *argv);
  if (!corpus) return 0;
  uint8_t seed[256] = {0, CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in))};
  struct cmsghdr part = {.cmsg_len = CMSG_LEN(seed[1] - CMSG_LEN(0)), .cmsg_level = SOL_IP, .cmsg_type = IP_RECVERR};
  const struct sock_extended_err error = {
      .ee_errno = EMSGSIZE, .ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = 3, .ee_code = 4, .ee_info = 1400};
  memcpy(seed + CONTROL_AT, &part, sizeof(part));
  memcpy(seed + CONTROL_AT + sizeof(part), &error, sizeof(error));
  seed[CONTROL_AT + seed[1]] = 8;
  write_seed(corpus, "error", seed, CONTROL_AT + seed[1] + 16U);
  memset(seed, 0, sizeof(seed));
  part = (struct cmsghdr){
      .cmsg_len = CMSG_LEN(sizeof(struct timespec)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_TIMESTAMPNS};
  seed[1] = CMSG_SPACE(sizeof(struct timespec));
  memcpy(seed + CONTROL_AT, &part, sizeof(part));
  seed[CONTROL_AT + seed[1]] = 0x45;
  write_seed(corpus, "reply", seed, CONTROL_AT + seed[1] + 36U);
  return 0;
}
