/* TCX links, and filters where the kernel has none. */
#include "hook.h"

#include <errno.h>
#include <unistd.h>

#include "syscall.h"

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void weft_hook_adopt(struct weft_hook *hook, int link_fd) {
  hook->link_fd = link_fd;
  hook->is_adopted = link_fd >= 0;
}

static bool has_filter(const struct weft_hook *hook, unsigned index, unsigned tun_index) {
  const struct weft_filter *filter = &hook->filter;
  return index != 0 && filter->index == index && filter->tun_index == tun_index &&
         weft_filter_has(filter, weft_bpf_prog_id(hook->program_fd));
}

/* Whether the program is attached to this interface. Replaces the program of an adopted link. */
static bool is_attached(struct weft_hook *hook, unsigned index, unsigned tun_index) {
  if (hook->link_fd < 0) return has_filter(hook, index, tun_index);
  if (index == 0 || weft_bpf_link_ifindex(hook->link_fd, hook->type) != index) return false;
  if (hook->is_adopted) hook->is_adopted = weft_bpf_link_update(hook->link_fd, hook->program_fd) < 0;
  return !hook->is_adopted;
}

static void detach(struct weft_hook *hook) {
  close_fd(&hook->link_fd);
  hook->is_adopted = false;
  if (hook->filter.index != 0) weft_filter_remove(&hook->filter);
  hook->filter.index = 0;
}

static int attach_filter(struct weft_hook *hook, unsigned index, unsigned tun_index) {
  const struct weft_filter filter = {index, hook->type == WEFT_HOOK_EGRESS, tun_index};
  const int error = weft_filter_set(&filter, hook->program_fd);
  if (error == 0) hook->filter = filter;
  return error;
}

int weft_hook_attach(struct weft_hook *hook, unsigned index, unsigned tun_index) {
  if (is_attached(hook, index, tun_index)) return 0;
  detach(hook);
  if (index == 0) return -ENODEV;
  if (hook->avoids_links) return attach_filter(hook, index, tun_index);
  const int link_fd = weft_bpf_link_create(hook->program_fd, index, hook->type);
  if (link_fd == -EINVAL) return attach_filter(hook, index, tun_index); /* no TCX */
  hook->link_fd = link_fd < 0 ? -1 : link_fd;
  return link_fd < 0 ? link_fd : 1;
}

bool weft_hook_is_attached(const struct weft_hook *hook) {
  return hook->link_fd >= 0 || hook->filter.index != 0;
}

void weft_hook_close(struct weft_hook *hook) {
  detach(hook);
  close_fd(&hook->program_fd);
}
