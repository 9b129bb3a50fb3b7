/* One socket a request: requests are rare, and no answer of an earlier one can come late. */
#include "rtnetlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32768 }; /* the largest message of a dump (NLMSG_GOODSIZE, netlink_dump) */

void weft_rtnl_begin(struct weft_rtnl_request *request, unsigned type, unsigned flags, const void *own, size_t bytes) {
  memset(request, 0, sizeof(*request));
  request->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_SPACE(bytes),
                                      .nlmsg_type = (uint16_t)type,
                                      .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST)};
  memcpy(request->body, own, bytes);
}

struct rtattr *weft_rtnl_put(struct weft_rtnl_request *request, unsigned type, const void *value, size_t bytes) {
  struct rtattr *attribute = (void *)((uint8_t *)request + request->header.nlmsg_len);
  attribute->rta_type = (unsigned short)type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
  if (bytes > 0) memcpy(RTA_DATA(attribute), value, bytes);
  request->header.nlmsg_len += (uint32_t)RTA_SPACE(bytes);
  return attribute;
}

void weft_rtnl_end(struct weft_rtnl_request *request, struct rtattr *attribute) {
  attribute->rta_len = (unsigned short)((uint8_t *)request + request->header.nlmsg_len - (uint8_t *)attribute);
}

static int open_and_send(const struct weft_rtnl_request *request) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  if (send(fd, request, request->header.nlmsg_len, 0) >= 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

/* Visits the messages of one answer. Returns 1 if more follow, 0 after the last, or -errno. */
static int visit_all(const struct nlmsghdr *message, size_t bytes, weft_rtnl_visit *visit, void *context) {
  for (; NLMSG_OK(message, bytes); message = NLMSG_NEXT(message, bytes)) {
    if (message->nlmsg_type == NLMSG_DONE) return 0;
    if (message->nlmsg_type == NLMSG_ERROR) return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
    if (visit) visit(message, context);
  }
  return 1;
}

static int receive_all(int fd, weft_rtnl_visit *visit, void *context) {
  _Alignas(NLMSG_ALIGNTO) uint8_t answer[ANSWER_BYTES];
  int result = 1;
  while (result > 0) {
    const ssize_t bytes = recv(fd, answer, sizeof(answer), 0);
    if (bytes >= 0) result = visit_all((void *)answer, (size_t)bytes, visit, context);
    else if (errno != EINTR) result = -errno;
  }
  return result;
}

static int transact(const struct weft_rtnl_request *request, weft_rtnl_visit *visit, void *context) {
  const int fd = open_and_send(request);
  if (fd < 0) return fd;
  const int result = receive_all(fd, visit, context);
  close(fd);
  return result;
}

int weft_rtnl_send(struct weft_rtnl_request *request) {
  request->header.nlmsg_flags |= NLM_F_ACK;
  return transact(request, NULL, NULL);
}

int weft_rtnl_dump(struct weft_rtnl_request *request, weft_rtnl_visit *visit, void *context) {
  request->header.nlmsg_flags |= NLM_F_DUMP;
  return transact(request, visit, context);
}
