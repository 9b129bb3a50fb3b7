/* Messages of rtnetlink(7), one request at a time, without a library. */
#ifndef WEFT_RTNETLINK_H
#define WEFT_RTNETLINK_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct weft_rtnl_request {
  struct nlmsghdr header;
  uint8_t body[512]; /* the type's own header, then attributes */
};

/* Begins a request of `type` (RTM_*) with `flags` (NLM_F_*) and the type's own header. */
void weft_rtnl_begin(struct weft_rtnl_request *request, unsigned type, unsigned flags, const void *own, size_t bytes);
/* Appends an attribute. The caller's attributes fit into the body. */
struct rtattr *weft_rtnl_put(struct weft_rtnl_request *request, unsigned type, const void *value, size_t bytes);
/* Ends an attribute that contains those after it. */
void weft_rtnl_end(struct weft_rtnl_request *request, struct rtattr *attribute);

/* Sends the request. Returns 0, or the kernel's negative errno. */
int weft_rtnl_send(struct weft_rtnl_request *request);

typedef void weft_rtnl_visit(const struct nlmsghdr *message, void *context);
/* Sends a request for many objects (NLM_F_DUMP) and visits each. Returns 0, or negative errno. */
int weft_rtnl_dump(struct weft_rtnl_request *request, weft_rtnl_visit *visit, void *context);

#endif
