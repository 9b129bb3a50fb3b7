/* TCX links. */
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

/* Whether the link is on this interface. Replaces the program of an adopted link. */
static bool is_attached(struct weft_hook *hook, unsigned index) {
  if (index == 0 || weft_bpf_link_ifindex(hook->link_fd, hook->type) != index) return false;
  if (hook->is_adopted) hook->is_adopted = weft_bpf_link_update(hook->link_fd, hook->program_fd) < 0;
  return !hook->is_adopted;
}

int weft_hook_attach(struct weft_hook *hook, unsigned index) {
  if (is_attached(hook, index)) return 0;
  close_fd(&hook->link_fd);
  hook->is_adopted = false;
  if (index == 0) return -ENODEV;
  hook->link_fd = weft_bpf_link_create(hook->program_fd, index, hook->type);
  return hook->link_fd < 0 ? hook->link_fd : 1;
}

void weft_hook_close(struct weft_hook *hook) {
  close_fd(&hook->link_fd);
  close_fd(&hook->program_fd);
}
