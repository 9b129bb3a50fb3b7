/*
 * Sends datagrams to the kernel in a thread of libuv's pool. The kernel does all requests of a
 * datagram before sendto(2) returns, some 40 us each among thousands of routes: in the event loop
 * nothing else would be done meanwhile. All datagrams of an environment go through one queue, in
 * order, so that a kernel that does not return holds one thread of the pool.
 */
#include "binding.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct datagram {
  struct datagram *next;
  napi_ref on_error;
  /* A duplicate: the caller may close its own meanwhile, whose number is then another file's. */
  int fd;
  /* Positive errno once it was sent, or 0. */
  int error;
  size_t length;
  uint8_t bytes[];
};

/* Datagrams in order. */
struct list {
  struct datagram *first, **end;
};

struct sender {
  pthread_mutex_t lock;
  struct list waiting, sent;
  /* Whether a thread takes datagrams from `waiting`. */
  bool is_running;
};

/* One stay of a thread in `sender`: while datagrams come. */
struct run {
  struct sender *sender;
  napi_async_work work;
};

static void append(struct list *list, struct datagram *datagram) {
  datagram->next = NULL;
  *list->end = datagram;
  list->end = &datagram->next;
}

static struct datagram *take_all(struct list *list) {
  struct datagram *const first = list->first;
  list->first = NULL;
  list->end = &list->first;
  return first;
}

static struct datagram *take_first(struct list *list) {
  struct datagram *const datagram = list->first;
  list->first = datagram->next;
  if (list->first == NULL) list->end = &list->first;
  return datagram;
}

static int send_to_kernel(const struct datagram *datagram) {
  const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  for (;;) {
    if (sendto(datagram->fd, datagram->bytes, datagram->length, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) >=
        0)
      return 0;
    if (errno != EINTR) return errno;
  }
}

/* In the pool. */
static void send_waiting(napi_env env, void *data) {
  struct sender *const sender = ((struct run *)data)->sender;
  (void)env;
  pthread_mutex_lock(&sender->lock);
  while (sender->waiting.first != NULL) {
    struct datagram *const datagram = take_first(&sender->waiting);
    pthread_mutex_unlock(&sender->lock);
    datagram->error = send_to_kernel(datagram);
    close(datagram->fd);
    pthread_mutex_lock(&sender->lock);
    append(&sender->sent, datagram);
  }
  sender->is_running = false;
  pthread_mutex_unlock(&sender->lock);
}

static void report(napi_env env, const struct datagram *datagram) {
  napi_value receiver, callback, error;
  if (napi_get_undefined(env, &receiver) == napi_ok &&
      napi_get_reference_value(env, datagram->on_error, &callback) == napi_ok &&
      napi_create_string_utf8(env, strerror(datagram->error), NAPI_AUTO_LENGTH, &error) == napi_ok)
    napi_call_function(env, receiver, callback, 1, &error, NULL);
}

static void free_datagram(napi_env env, struct datagram *datagram) {
  napi_delete_reference(env, datagram->on_error);
  free(datagram);
}

/* In the event loop, as are all functions below. */
static void finish(napi_env env, napi_status status, void *data) {
  struct run *const run = data;
  struct sender *const sender = run->sender;
  (void)status;
  napi_delete_async_work(env, run->work);
  free(run);
  pthread_mutex_lock(&sender->lock);
  struct datagram *datagram = take_all(&sender->sent);
  pthread_mutex_unlock(&sender->lock);
  while (datagram != NULL) {
    struct datagram *const next = datagram->next;
    if (datagram->error != 0) report(env, datagram);
    free_datagram(env, datagram);
    datagram = next;
  }
}

/* Returns 0 or negative errno. */
static int start(napi_env env, struct sender *sender) {
  napi_value name;
  struct run *const run = malloc(sizeof *run);
  if (run == NULL) return -ENOMEM;
  run->sender = sender;
  if (napi_create_string_utf8(env, "weft netlink", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_async_work(env, NULL, name, send_waiting, finish, run, &run->work) == napi_ok) {
    if (napi_queue_async_work(env, run->work) == napi_ok) return 0;
    napi_delete_async_work(env, run->work);
  }
  free(run);
  return -ENOMEM;
}

/* Returns 0 or negative errno; the datagram is the sender's, or gone. */
static int enqueue(napi_env env, struct sender *sender, struct datagram *datagram) {
  pthread_mutex_lock(&sender->lock);
  const bool must_start = !sender->is_running;
  append(&sender->waiting, datagram);
  sender->is_running = true;
  pthread_mutex_unlock(&sender->lock);
  const int error = must_start ? start(env, sender) : 0;
  if (error == 0) return 0;
  /* No thread runs, so that it is alone. */
  take_all(&sender->waiting);
  sender->is_running = false;
  close(datagram->fd);
  free_datagram(env, datagram);
  return error;
}

static void free_sender(napi_env env, void *data, void *hint) {
  struct sender *const sender = data;
  (void)env, (void)hint;
  pthread_mutex_destroy(&sender->lock);
  free(sender);
}

/* A copy, with a descriptor of its own. Returns NULL with errno. */
static struct datagram *copy_datagram(int fd, const void *bytes, size_t length) {
  struct datagram *const datagram = malloc(sizeof *datagram + length);
  if (datagram == NULL) return NULL;
  *datagram = (struct datagram){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .length = length};
  memcpy(datagram->bytes, bytes, length);
  if (datagram->fd >= 0) return datagram;
  free(datagram);
  return NULL;
}

/*
 * sendNetlink(fd, bytes, onError): to be sent after all earlier ones. `onError` is called with a
 * text, at most once.
 */
static napi_value send_netlink(napi_env env, napi_callback_info info) {
  napi_value values[3];
  int32_t fd;
  void *bytes, *sender;
  size_t length;
  napi_valuetype type;
  if (weft__arguments(env, info, 3, values) < 0) return NULL;
  if (napi_get_value_int32(env, values[0], &fd) != napi_ok ||
      napi_get_buffer_info(env, values[1], &bytes, &length) != napi_ok ||
      napi_typeof(env, values[2], &type) != napi_ok || type != napi_function ||
      napi_get_instance_data(env, &sender) != napi_ok)
    return weft__throw_type(env, "sendNetlink takes (fd, bytes, onError)");
  errno = 0;
  struct datagram *const datagram = copy_datagram(fd, bytes, length);
  if (datagram == NULL) return weft__throw_errno(env, "fcntl", -errno);
  int error = napi_create_reference(env, values[2], 1, &datagram->on_error) == napi_ok ? 0 : -ENOMEM;
  if (error < 0) {
    close(datagram->fd);
    free(datagram);
  } else error = enqueue(env, sender, datagram);
  return error < 0 ? weft__throw_errno(env, "uv_queue_work", error) : NULL;
}

int weft_netlink_send_init(napi_env env, napi_value exports) {
  struct sender *const sender = calloc(1, sizeof *sender);
  if (sender == NULL) return -ENOMEM;
  pthread_mutex_init(&sender->lock, NULL);
  sender->waiting.end = &sender->waiting.first;
  sender->sent.end = &sender->sent.first;
  if (napi_set_instance_data(env, sender, free_sender, NULL) == napi_ok)
    return weft__export(env, exports, "sendNetlink", send_netlink);
  free_sender(env, sender, NULL);
  return -EINVAL;
}
