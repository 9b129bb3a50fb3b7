#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STDIO = 3, CHUNK_BYTES = 65536, MAX_PATH_BYTES = 4096 };

/* Between questions whether a tool without output has ended. */
enum { FIRST_PAUSE_NS = 50000, LAST_PAUSE_NS = 10000000 };

/* Ends of this process of the pipes to standard input, output and error; -1 once closed. */
struct pipes {
  int end[STDIO];
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_end(int *end) {
  if (*end >= 0) close(*end);
  *end = -1;
}

/* Finds the program as execvp(3) does, in the PATH that it will have. */
static bool find_program(const struct weft_tool *tool, char *path) {
  const char *name = tool->arguments[0], *folders = "";
  if (strchr(name, '/') != NULL)
    return snprintf(path, MAX_PATH_BYTES, "%s", name) < MAX_PATH_BYTES && access(path, X_OK) == 0;
  for (char **variable = tool->environment; *variable != NULL; variable++)
    if (strncmp(*variable, "PATH=", 5) == 0) folders = *variable + 5;
  while (*folders != '\0') {
    const size_t length = strcspn(folders, ":");
    const int written = snprintf(path, MAX_PATH_BYTES, "%.*s/%s", (int)length, folders, name);
    if (length > 0 && written < MAX_PATH_BYTES && access(path, X_OK) == 0) return true;
    folders += length + (folders[length] == ':');
  }
  return false;
}

/* Both ends of each pipe, of which `child` are the tool's. On failure none is open. */
static bool open_pipes(struct pipes *pipes, int child[STDIO]) {
  for (int stream = 0; stream < STDIO; stream++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
      while (stream-- > 0) close(pipes->end[stream]), close(child[stream]);
      return false;
    }
    pipes->end[stream] = ends[stream == 0];
    child[stream] = ends[stream != 0];
  }
  return true;
}

/* Every signal as at the start of a process: Node ignores SIGPIPE. Returns 0 or errno. */
static int spawn_program(const char *path, const struct weft_tool *tool, const int child[STDIO], pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  for (int stream = 0; stream < STDIO; stream++) posix_spawn_file_actions_adddup2(&actions, child[stream], stream);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawn(pid, path, &actions, &attributes, tool->arguments, tool->environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static bool start(const char *path, const struct weft_tool *tool, struct pipes *pipes, pid_t *pid) {
  int child[STDIO];
  if (!open_pipes(pipes, child)) return false;
  const bool is_started = spawn_program(path, tool, child, pid) == 0;
  for (int stream = 0; stream < STDIO; stream++) {
    close(child[stream]);
    if (!is_started) close_end(&pipes->end[stream]);
  }
  return is_started;
}

/* Writes what the pipe takes; closes it at the end, or when the tool has closed it. */
static void feed(struct pipes *pipes, const struct weft_tool *tool, size_t *written) {
  const ssize_t count = write(pipes->end[0], tool->input + *written, tool->input_bytes - *written);
  if (count > 0) *written += (size_t)count;
  const bool is_closed = count < 0 && errno != EAGAIN && errno != EINTR;
  if (is_closed || *written == tool->input_bytes) close_end(&pipes->end[0]);
}

/* Returns false without room for what came. */
static bool collect(int *end, struct weft_tool_text *text, size_t max_bytes) {
  if (text->room - text->size < CHUNK_BYTES) {
    const size_t room = text->room * 2 + CHUNK_BYTES;
    char *const data = realloc(text->data, room);
    if (data == NULL) return false;
    text->data = data;
    text->room = room;
  }
  const ssize_t count = read(*end, text->data + text->size, CHUNK_BYTES);
  if (count > 0) text->size += (size_t)count;
  if (count == 0 || (count < 0 && errno != EINTR)) close_end(end);
  return text->size <= max_bytes;
}

/* Returns whether the tool closed its output in time, and all of it is there. */
static bool exchange(struct weft_tool *tool, struct pipes *pipes, int64_t deadline_ms) {
  size_t written = 0;
  fcntl(pipes->end[0], F_SETFL, O_NONBLOCK);
  if (tool->input_bytes == 0) close_end(&pipes->end[0]);
  while (pipes->end[1] >= 0 || pipes->end[2] >= 0) {
    struct pollfd polled[] = {{pipes->end[0], POLLOUT, 0}, {pipes->end[1], POLLIN, 0}, {pipes->end[2], POLLIN, 0}};
    const int64_t left_ms = deadline_ms - now_ms();
    if (left_ms <= 0) return false;
    if (poll(polled, STDIO, (int)(left_ms > INT32_MAX ? INT32_MAX : left_ms)) < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (polled[0].revents != 0) feed(pipes, tool, &written);
    for (int stream = 1; stream < STDIO; stream++)
      if (polled[stream].revents != 0 &&
          !collect(&pipes->end[stream], &tool->output[stream - 1], tool->max_output_bytes))
        return false;
  }
  return true;
}

/*
 * Waits for the end of the tool, which may keep running without output. Returns whether its status
 * is known; sends SIGKILL at the deadline. The pauses grow: most tools end at once.
 */
static bool reap(pid_t pid, int64_t deadline_ms, int *status) {
  struct timespec pause = {0, FIRST_PAUSE_NS};
  pid_t ended;
  while ((ended = waitpid(pid, status, WNOHANG)) == 0 && now_ms() < deadline_ms) {
    nanosleep(&pause, NULL);
    if (pause.tv_nsec < LAST_PAUSE_NS) pause.tv_nsec *= 2;
  }
  if (ended == 0) kill(pid, SIGKILL);
  while (ended <= 0 && (ended = waitpid(pid, status, 0)) < 0)
    if (errno != EINTR) return false;
  return true;
}

void weft_tool_run(struct weft_tool *tool) {
  struct pipes pipes;
  pid_t pid;
  char path[MAX_PATH_BYTES];
  tool->code = find_program(tool, path) ? WEFT_TOOL_UNFINISHED : WEFT_TOOL_NOT_FOUND;
  if (tool->code == WEFT_TOOL_NOT_FOUND || !start(path, tool, &pipes, &pid)) return;
  const int64_t deadline_ms = now_ms() + tool->timeout_ms;
  const bool is_complete = exchange(tool, &pipes, deadline_ms);
  if (!is_complete) kill(pid, SIGKILL);
  for (int stream = 0; stream < STDIO; stream++) close_end(&pipes.end[stream]);
  int status;
  if (reap(pid, deadline_ms, &status) && is_complete && WIFEXITED(status)) tool->code = WEXITSTATUS(status);
}
