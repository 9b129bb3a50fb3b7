/*
 * The thread of a worker, with socket pairs in place of its TUN queue and its UDP socket: what
 * wakes it, what it counts, how it ends, and what it closes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path/worker.h"
#include "support/expect.h"

enum { SOURCE_PORTS = 2, SOCKETS = 1 + SOURCE_PORTS, INDEX = 3, WAIT_MS = 20000 };

static struct weft_path path;
static struct weft_worker *worker;
/* The other ends. */
static int tun, udp;
static int fds[SOCKETS + 2];

static int make_pair(int *other) {
  int both[2];
  EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
  *other = both[1];
  return both[0];
}

static void begin(void) {
  int sockets[SOCKETS], unused;
  memset(&path, 0, sizeof(path));
  pthread_mutex_init(&path.config_lock, NULL);
  path.settings = (struct weft_path_settings){
      .encap = &weft_encap_vxlan, .workers = 1, .source_ports = SOURCE_PORTS, .is_source_checked = true};
  path.settings.local.v4.sin_family = AF_INET;
  path.routes = weft_routes_new(INDEX + 1);
  const int queue = make_pair(&tun);
  sockets[0] = make_pair(&udp);
  for (unsigned at = 1; at < SOCKETS; at++) {
    sockets[at] = make_pair(&unused);
    close(unused);
  }
  worker = weft_worker_new(&path, INDEX, queue, sockets);
  EXPECT(worker != NULL, true);
  EXPECT(worker->socket_count, SOCKETS);
  memcpy(fds, sockets, sizeof(sockets));
  fds[SOCKETS] = queue;
  fds[SOCKETS + 1] = worker->stop_fd;
}

static void end(void) {
  weft_worker_free(worker);
  for (unsigned index = 0; index < SOCKETS + 2; index++) {
    EXPECT(fcntl(fds[index], F_GETFD), -1);
    EXPECT(errno, EBADF);
  }
  close(tun);
  close(udp);
  weft_routes_free(path.routes);
  pthread_mutex_destroy(&path.config_lock);
}

static uint64_t counted(unsigned which) {
  return atomic_load(&worker->counters[which]);
}

static void wait_for(unsigned which, uint64_t count) {
  for (unsigned waited_ms = 0; counted(which) < count && waited_ms < WAIT_MS; waited_ms++) usleep(1000);
  EXPECT(counted(which), count);
}

/* No packet of any version. */
static void give_tun(void) {
  uint8_t bytes[sizeof(struct virtio_net_hdr) + 40] = {0};
  EXPECT(write(tun, bytes, sizeof(bytes)), sizeof(bytes));
}

static void give_udp(void) {
  EXPECT(write(udp, "x", 1), 1);
}

/* SigBlk of the thread of this name; 0 without one. */
static unsigned long long blocked_signals(const char *name) {
  char file[300], line[300];
  unsigned long long blocked = 0;
  DIR *tasks = opendir("/proc/self/task");
  for (const struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
    bool is_named = false;
    snprintf(file, sizeof(file), "/proc/self/task/%.20s/status", task->d_name);
    FILE *status = fopen(file, "r");
    while (status && fgets(line, sizeof(line), status)) {
      char text[64];
      if (sscanf(line, "Name: %63s", text) == 1) is_named = strcmp(text, name) == 0;
      if (is_named) sscanf(line, "SigBlk: %llx", &blocked);
    }
    if (status) fclose(status);
  }
  if (tasks) closedir(tasks);
  return blocked;
}

static void test_wakes_for_each_side(void) {
  begin();
  EXPECT(weft_worker_start(worker), 0);
  EXPECT(worker->is_started, true);
  give_tun();
  wait_for(WEFT_DROP_TX_MALFORMED, 1);
  EXPECT(counted(WEFT_DROP_RX_HEADER), 0);
  give_udp();
  wait_for(WEFT_DROP_RX_HEADER, 1);
  EXPECT(counted(WEFT_DROP_TX_MALFORMED), 1);
  give_tun();
  wait_for(WEFT_DROP_TX_MALFORMED, 2);
  EXPECT(counted(WEFT_WAKEUPS), 3);
  weft_worker_stop(worker);
  EXPECT(worker->is_started, false);
  EXPECT(counted(WEFT_WAKEUPS), 4);
  end();
}

/* Threads do not take the signals of the process, and the caller keeps its own. */
static void test_leaves_signals(void) {
  sigset_t before, after;
  sigemptyset(&before);
  sigaddset(&before, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  begin();
  EXPECT(weft_worker_start(worker), 0);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  EXPECT(sigismember(&after, SIGUSR1), 1);
  EXPECT(sigismember(&after, SIGTERM), 0);
  give_tun();
  wait_for(WEFT_DROP_TX_MALFORMED, 1);
  /* qemu's user mode does not show the names of threads. */
  const unsigned long long blocked = blocked_signals("weft-path/3");
  if (blocked != 0) EXPECT(blocked >> (SIGTERM - 1) & blocked >> (SIGINT - 1) & 1, 1);
  weft_worker_stop(worker);
  end();
  sigdelset(&before, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A device that is gone would be readable for good. */
static void test_leaves_a_tun_that_is_gone(void) {
  begin();
  worker->is_tun_gone = true;
  give_tun();
  EXPECT(weft_worker_start(worker), 0);
  give_udp();
  wait_for(WEFT_DROP_RX_HEADER, 1);
  EXPECT(counted(WEFT_DROP_TX_MALFORMED), 0);
  EXPECT(counted(WEFT_WAKEUPS), 1);
  weft_worker_stop(worker);
  end();
}

static void test_stops(void) {
  begin();
  weft_worker_stop(worker); /* not started */
  EXPECT(weft_worker_start(worker), 0);
  weft_worker_stop(worker);
  give_tun();
  give_udp();
  EXPECT(counted(WEFT_DROP_TX_MALFORMED) + counted(WEFT_DROP_RX_HEADER), 0);
  weft_worker_stop(worker); /* again */
  end();
}

int main(void) {
  alarm(60);
  test_wakes_for_each_side();
  test_leaves_signals();
  test_leaves_a_tun_that_is_gone();
  test_stops();
}
