/* Filters of the clsact qdisc by rtnetlink(7). */
#include "filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <string.h>

#include "own-device.h"
#include "rtnetlink.h"

/* Of all filters of weft; tc-bpf(8) lets programs of others have others. Lower ones are first. */
enum { PRIORITY = 0x5746, MOST = 64 };
static const char kind[] = "bpf", name[] = "weft";

static uint32_t parent_of(bool is_egress) {
  return TC_H_MAKE(TC_H_CLSACT, is_egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static struct tcmsg place_of(const struct weft_filter *filter) {
  return (struct tcmsg){.tcm_family = AF_UNSPEC,
                        .tcm_ifindex = (int)filter->index,
                        .tcm_handle = filter->tun_index,
                        .tcm_parent = parent_of(filter->is_egress),
                        .tcm_info = TC_H_MAKE((uint32_t)PRIORITY << 16, htons(ETH_P_ALL))};
}

static int add_qdisc(unsigned index) {
  struct weft_rtnl_request request;
  const struct tcmsg own = {
      .tcm_ifindex = (int)index, .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0), .tcm_parent = TC_H_CLSACT};
  weft_rtnl_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &own, sizeof(own));
  weft_rtnl_put(&request, TCA_KIND, "clsact", sizeof("clsact"));
  const int error = weft_rtnl_send(&request);
  return error == -EEXIST ? 0 : error;
}

int weft_filter_set(const struct weft_filter *filter, int program_fd) {
  const int error = add_qdisc(filter->index);
  if (error < 0) return error;
  struct weft_rtnl_request request;
  const struct tcmsg own = place_of(filter);
  const uint32_t fd = (uint32_t)program_fd, flags = TCA_BPF_FLAG_ACT_DIRECT;
  weft_rtnl_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE, &own, sizeof(own));
  weft_rtnl_put(&request, TCA_KIND, kind, sizeof(kind));
  struct rtattr *options = weft_rtnl_put(&request, TCA_OPTIONS, NULL, 0);
  weft_rtnl_put(&request, TCA_BPF_FD, &fd, sizeof(fd));
  weft_rtnl_put(&request, TCA_BPF_NAME, name, sizeof(name));
  weft_rtnl_put(&request, TCA_BPF_FLAGS, &flags, sizeof(flags));
  weft_rtnl_end(&request, options);
  return weft_rtnl_send(&request);
}

void weft_filter_remove(const struct weft_filter *filter) {
  struct weft_rtnl_request request;
  const struct tcmsg own = place_of(filter);
  weft_rtnl_begin(&request, RTM_DELTFILTER, 0, &own, sizeof(own));
  weft_rtnl_put(&request, TCA_KIND, kind, sizeof(kind));
  weft_rtnl_send(&request);
}

/* --- What is there --- */

struct found {
  uint32_t handle, program_id;
};

/* Filters of weft at one place. */
struct finds {
  unsigned count;
  struct found items[MOST];
};

static const struct rtattr *find_attribute(const struct rtattr *attribute, size_t bytes, unsigned type) {
  for (; RTA_OK(attribute, bytes); attribute = RTA_NEXT(attribute, bytes))
    if ((attribute->rta_type & NLA_TYPE_MASK) == type) return attribute;
  return NULL;
}

static const struct rtattr *find_option(const struct rtattr *options, unsigned type) {
  return options ? find_attribute(RTA_DATA(options), RTA_PAYLOAD(options), type) : NULL;
}

static void visit(const struct nlmsghdr *message, void *context) {
  struct finds *finds = context;
  const struct tcmsg *own = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWTFILTER || message->nlmsg_len < NLMSG_SPACE(sizeof(*own))) return;
  const struct rtattr *first = (const void *)((const uint8_t *)message + NLMSG_SPACE(sizeof(*own)));
  const struct rtattr *options = find_attribute(first, message->nlmsg_len - NLMSG_SPACE(sizeof(*own)), TCA_OPTIONS);
  const struct rtattr *label = find_option(options, TCA_BPF_NAME), *id = find_option(options, TCA_BPF_ID);
  if (!label || RTA_PAYLOAD(label) != sizeof(name) || memcmp(RTA_DATA(label), name, sizeof(name)) != 0) return;
  if (finds->count == MOST || own->tcm_info >> 16 != PRIORITY) return;
  struct found *found = &finds->items[finds->count++];
  found->handle = own->tcm_handle;
  if (id && RTA_PAYLOAD(id) == sizeof(found->program_id)) memcpy(&found->program_id, RTA_DATA(id), sizeof(uint32_t));
}

static void find_all(unsigned index, bool is_egress, struct finds *finds) {
  struct weft_rtnl_request request;
  const struct tcmsg own = {.tcm_ifindex = (int)index, .tcm_parent = parent_of(is_egress)};
  memset(finds, 0, sizeof(*finds));
  weft_rtnl_begin(&request, RTM_GETTFILTER, 0, &own, sizeof(own));
  weft_rtnl_dump(&request, visit, finds);
}

bool weft_filter_has(const struct weft_filter *filter, uint32_t program_id) {
  struct finds finds;
  find_all(filter->index, filter->is_egress, &finds);
  for (unsigned at = 0; at < finds.count; at++)
    if (finds.items[at].handle == filter->tun_index) return finds.items[at].program_id == program_id;
  return false;
}

enum sweep { COUNT_ALL, REMOVE_ALL, REMOVE_STALE };

static bool has_tun(const struct weft_filter *filter) {
  char ignored[IF_NAMESIZE];
  return if_indextoname(filter->tun_index, ignored) != NULL;
}

static unsigned sweep_place(unsigned index, bool is_egress, enum sweep sweep) {
  struct finds finds;
  unsigned count = 0;
  find_all(index, is_egress, &finds);
  for (unsigned at = 0; at < finds.count; at++) {
    const struct weft_filter filter = {index, is_egress, finds.items[at].handle};
    if (sweep == REMOVE_STALE && has_tun(&filter)) continue;
    if (sweep != COUNT_ALL) weft_filter_remove(&filter);
    count++;
  }
  return count;
}

static unsigned sweep_all(enum sweep sweep) {
  struct if_nameindex *interfaces = if_nameindex();
  unsigned count = 0;
  for (const struct if_nameindex *at = interfaces; at && at->if_index != 0; at++) {
    if (weft_own_device_is(at->if_name)) continue; /* its filter goes with it */
    count += sweep_place(at->if_index, false, sweep) + sweep_place(at->if_index, true, sweep);
  }
  if (interfaces) if_freenameindex(interfaces);
  return count;
}

void weft_filter_remove_stale(void) {
  sweep_all(REMOVE_STALE);
}

unsigned weft_filter_find_all(bool removes) {
  return sweep_all(removes ? REMOVE_ALL : COUNT_ALL);
}
