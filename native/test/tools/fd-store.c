/*
 * A tiny service manager for tests: `fd-store CMD...` runs CMD with NOTIFY_SOCKET, keeps the
 * descriptors that it sends with FDSTORE=1 (sd_pid_notify_with_fds(3)) and passes them to the next
 * start (sd_listen_fds(3)). SIGHUP restarts CMD with SIGTERM and SIGUSR1 with SIGKILL, SIGTERM and
 * SIGINT end it; ends as CMD does. Trusts all senders to its socket. Ignores other messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_STORED = 256, MAX_NAME = 256, TEXT_BYTES = 4096, FDS_A_MESSAGE = 16, FIRST_FD = 3, KILL_AFTER_MS = 10000 };

struct stored {
  int fd;
  char name[MAX_NAME];
};

static struct stored store[MAX_STORED];
static unsigned store_count;

static void die(const char *what) {
  fprintf(stderr, "fd-store: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_socket(char *name, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int length = snprintf(name, size, "@weft-fd-store-%d", (int)getpid());
  memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
  const socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&address, bytes) < 0) die("cannot make a socket");
  return fd;
}

static int open_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGCHLD);
  sigaddset(set, SIGHUP);
  sigaddset(set, SIGUSR1);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  const int fd = sigprocmask(SIG_BLOCK, set, NULL) < 0 ? -1 : signalfd(-1, set, SFD_CLOEXEC);
  if (fd < 0) die("cannot wait for signals");
  return fd;
}

static void set_env(const char *name, const char *format, ...) {
  static char value[MAX_STORED * (MAX_NAME + 1)];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(value, sizeof(value), format, arguments);
  va_end(arguments);
  if (setenv(name, value, 1) < 0) die("setenv");
}

/* In the child: sets descriptors 3 and up and their environment variables. */
static void hand_over(void) {
  static char names[MAX_STORED * (MAX_NAME + 1)];
  int high[MAX_STORED];
  for (unsigned i = 0; i < store_count; i++) {
    high[i] = fcntl(store[i].fd, F_DUPFD_CLOEXEC, FIRST_FD + MAX_STORED);
    if (high[i] < 0) die("cannot copy a descriptor");
    if (i > 0) strcat(names, ":");
    strcat(names, store[i].name);
  }
  /*
   * dup2 clears close-on-exec; whatever has these numbers now is our own and not needed any more.
   */
  for (unsigned i = 0; i < store_count; i++)
    if (dup2(high[i], FIRST_FD + (int)i) < 0) die("cannot hand over a descriptor");
  set_env("LISTEN_PID", "%d", (int)getpid());
  set_env("LISTEN_FDS", "%u", store_count);
  set_env("LISTEN_FDNAMES", "%s", names);
}

static pid_t start(char **command, const char *socket_name, const sigset_t *blocked) {
  const pid_t pid = fork();
  if (pid < 0) die("cannot fork");
  if (pid > 0) return pid;
  set_env("NOTIFY_SOCKET", "%s", socket_name);
  if (store_count > 0) hand_over();
  sigprocmask(SIG_UNBLOCK, blocked, NULL);
  execvp(command[0], command);
  die(command[0]);
  return -1;
}

static void forget(const char *name) {
  unsigned kept = 0;
  for (unsigned i = 0; i < store_count; i++)
    if (strcmp(store[i].name, name) == 0) close(store[i].fd);
    else store[kept++] = store[i];
  store_count = kept;
}

static void keep(const char *name, int fd) {
  if (store_count == MAX_STORED) {
    fprintf(stderr, "fd-store: full\n");
    close(fd);
    return;
  }
  store[store_count].fd = fd;
  snprintf(store[store_count++].name, MAX_NAME, "%s", name);
}

/* Acts on one notification, whose lines are assignments. */
static void take(char *text, const int *fds, size_t count) {
  const char *name = "stored";
  bool is_store = false, is_remove = false;
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    is_store |= strcmp(line, "FDSTORE=1") == 0;
    is_remove |= strcmp(line, "FDSTOREREMOVE=1") == 0;
    if (strncmp(line, "FDNAME=", 7) == 0) name = line + 7;
  }
  if (is_remove) forget(name);
  for (size_t i = 0; i < count; i++)
    if (is_store) keep(name, fds[i]);
    else close(fds[i]);
}

/* Reads one notification; false if there is none. */
static bool receive(int fd) {
  _Alignas(struct cmsghdr) char room[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
  char text[TEXT_BYTES + 1];
  int fds[FDS_A_MESSAGE];
  size_t count = 0;
  struct iovec part = {.iov_base = text, .iov_len = TEXT_BYTES};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
  const ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return false;
  text[length] = '\0';
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
    count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
  }
  take(text, fds, count);
  return true;
}

int main(int argc, char **argv) {
  char socket_name[64];
  sigset_t signals;
  if (argc < 2) {
    fprintf(stderr, "usage: fd-store CMD...\n");
    return 2;
  }
  const int notify = open_socket(socket_name, sizeof(socket_name));
  const int signal_fd = open_signals(&signals);
  pid_t child = start(argv + 1, socket_name, &signals);
  bool is_restarting = false, is_stopping = false;
  for (;;) {
    struct pollfd waiting[] = {{.fd = notify, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    const int ready = poll(waiting, 2, is_restarting || is_stopping ? KILL_AFTER_MS : -1);
    if (ready < 0) die("poll");
    if (ready == 0) kill(child, SIGKILL);
    while (receive(notify)) continue;
    if ((waiting[1].revents & POLLIN) == 0 || read(signal_fd, &info, sizeof(info)) != sizeof(info)) continue;
    if (info.ssi_signo == SIGCHLD) {
      int status;
      if (waitpid(child, &status, WNOHANG) != child) continue;
      /* What it said last. */
      while (receive(notify)) continue;
      if (!is_restarting || is_stopping) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      is_restarting = false;
      child = start(argv + 1, socket_name, &signals);
      continue;
    }
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1) is_restarting = true;
    else is_stopping = true;
    kill(child, info.ssi_signo == SIGUSR1 ? SIGKILL : SIGTERM);
  }
}
