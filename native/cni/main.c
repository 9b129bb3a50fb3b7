/* weft-cni as container runtimes start it. The daemon, whose code is loaded already, answers;
 * this program takes its steps. Without a daemon it starts the plugin in JavaScript, which gives
 * the same answers after a start of Node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cni/fallback.h"
#include "cni/session.h"

static const char DEFAULT_SOCKET[] = "/run/weft/weft.sock";
enum { READ_BYTES = 65536 };

/* Standard input: what was read of it, and whether that is all. */
struct input {
  struct weft_cni_buffer content;
  bool is_complete;
};

/* Reads until the end, or until there is more than the daemon takes. */
static void read_input(struct input *input) {
  char chunk[READ_BYTES];
  while (input->content.size <= WEFT_CNI_MAX_INPUT && !input->content.failed) {
    const ssize_t count = read(STDIN_FILENO, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      input->is_complete = count == 0;
      return;
    }
    weft_cni_append(&input->content, chunk, (size_t)count);
  }
}

static bool write_all(int file, const char *data, size_t size) {
  while (size > 0) {
    const ssize_t count = write(file, data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data += count;
    size -= (size_t)count;
  }
  return true;
}

/* Puts what was read, and the rest, back to standard input. An error of reading is left to the
 * plugin. */
static bool restore_input(const struct input *input) {
  if (input->content.failed) return false;
  if (input->content.size == 0) return true;
  const int file = memfd_create("weft-cni", 0);
  if (file < 0 || !write_all(file, input->content.data, input->content.size)) return false;
  char chunk[READ_BYTES];
  for (ssize_t count = 1; !input->is_complete && count > 0;) {
    count = read(STDIN_FILENO, chunk, sizeof chunk);
    if (count > 0 && !write_all(file, chunk, (size_t)count)) return false;
  }
  return lseek(file, 0, SEEK_SET) == 0 && dup2(file, STDIN_FILENO) == STDIN_FILENO && close(file) == 0;
}

/* 11 asks the runtime to try again later. */
static int report_loss(void) {
  puts("{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"weft daemon ended while it added the container: remove "
       "the container, and add it again\"}");
  return 1;
}

static int report_memory(void) {
  puts("{\"cniVersion\":\"1.0.0\",\"code\":5,\"msg\":\"weft-cni cannot keep its standard input: free memory\"}");
  return 1;
}

int main(void) {
  /* The path that execve(2) got, without procfs. Runtimes give an absolute one. */
  const char *const self = (const char *)getauxval(AT_EXECFN);
  const char *const slash = strrchr(self, '/');
  if (getenv("CNI_COMMAND") == NULL || !weft_cni_is_weft(slash == NULL ? self : slash + 1))
    return weft_cni_start_plugin(self);
  struct input input = {0};
  read_input(&input);
  if (input.is_complete && !input.content.failed) {
    const char *const named = getenv("WEFT_SOCKET");
    const struct weft_cni_field field = {input.content.data, input.content.size};
    int exit_code = 0;
    /* A plugin may end without reading its input. */
    void (*const former)(int) = signal(SIGPIPE, SIG_IGN);
    /* A parent that ignores it has passed that on; the exit codes of plugins would be lost. */
    signal(SIGCHLD, SIG_DFL);
    const enum weft_cni_outcome outcome =
        weft_cni_ask(named != NULL && named[0] != '\0' ? named : DEFAULT_SOCKET, &field, &exit_code);
    signal(SIGPIPE, former);
    if (outcome == WEFT_CNI_ANSWERED) return exit_code;
    if (outcome == WEFT_CNI_LOST) return report_loss();
  }
  return restore_input(&input) ? weft_cni_start_plugin(self) : report_memory();
}
