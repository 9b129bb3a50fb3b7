#include "cni/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

struct pipes {
  /* Ends of this process; -1 once closed. */
  int input, output;
};

static void close_end(int *end) {
  if (*end >= 0) close(*end);
  *end = -1;
}

/* Starts the program. Returns 0, or errno. */
static int start(const char *file, char *const environment[], pid_t *child, struct pipes *pipes) {
  int input[2], output[2];
  /* posix_spawn may give this as the status 127 of a child (POSIX.1-2017), as under qemu. */
  if (access(file, X_OK) < 0) return errno;
  if (pipe2(input, O_CLOEXEC) < 0) return errno;
  if (pipe2(output, O_CLOEXEC) < 0) {
    const int error = errno;
    close(input[0]), close(input[1]);
    return error;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  /* This process ignores SIGPIPE. */
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  char *const arguments[] = {(char *)file, NULL};
  const int error = posix_spawn(child, file, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]), close(output[1]);
  *pipes = (struct pipes){input[1], output[0]};
  if (error != 0) close_end(&pipes->input), close_end(&pipes->output);
  return error;
}

/* Writes what the pipe takes; closes it at the end, or when the program has closed it. */
static void feed(struct pipes *pipes, const struct weft_cni_field *input, size_t *written) {
  const ssize_t count = write(pipes->input, input->data + *written, input->size - *written);
  if (count > 0) *written += (size_t)count;
  const bool is_closed = count < 0 && errno != EAGAIN && errno != EINTR;
  if (is_closed || *written == input->size) close_end(&pipes->input);
}

/* Returns false once there is too much, or no memory for it. */
static bool collect(struct pipes *pipes, struct weft_cni_buffer *output) {
  char chunk[READ_BYTES];
  const ssize_t count = read(pipes->output, chunk, sizeof chunk);
  if (count > 0) {
    const size_t room = WEFT_CNI_MAX_OUTPUT - output->size;
    weft_cni_append(output, chunk, (size_t)count > room ? room : (size_t)count);
    return (size_t)count <= room && !output->failed;
  }
  if (count == 0 || errno != EINTR) close_end(&pipes->output);
  return true;
}

/* Returns 0 with all of the output, or errno. */
static int exchange(struct pipes *pipes, const struct weft_cni_field *input, struct weft_cni_buffer *output) {
  size_t written = 0;
  fcntl(pipes->input, F_SETFL, O_NONBLOCK);
  if (input->size == 0) close_end(&pipes->input);
  while (pipes->output >= 0) {
    struct pollfd polled[] = {{pipes->output, POLLIN, 0}, {pipes->input, POLLOUT, 0}};
    if (poll(polled, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (polled[1].revents != 0) feed(pipes, input, &written);
    if (polled[0].revents != 0 && !collect(pipes, output)) return output->failed ? ENOMEM : ENOBUFS;
  }
  return 0;
}

void weft_cni_run(const char *file, char *const environment[], const struct weft_cni_field *input,
                  struct weft_cni_run *run) {
  *run = (struct weft_cni_run){.status = -1};
  pid_t child;
  struct pipes pipes;
  run->error = start(file, environment, &child, &pipes);
  if (run->error != 0) return;
  run->error = exchange(&pipes, input, &run->output);
  /* Part of an answer is none, whatever the program ends with. */
  if (run->error != 0) kill(child, SIGTERM), weft_cni_free(&run->output);
  close_end(&pipes.input);
  close_end(&pipes.output);
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return;
  if (WIFEXITED(status) && run->error == 0) run->status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) run->signal = WTERMSIG(status);
}
