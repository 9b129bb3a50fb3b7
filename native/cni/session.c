#include "cni/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A daemon that is busy for longer costs more than a start of Node. */
enum { TIMEOUT_S = 2, READ_BYTES = 16384 };

static const char UPGRADE[] =
    "GET /v1/cni HTTP/1.1\r\nHost: weft\r\nConnection: Upgrade\r\nUpgrade: weft-cni/1\r\n\r\n";
static const char SWITCHING[] = "HTTP/1.1 101 ";
static const char HEAD_END[] = "\r\n\r\n";

/* The daemon chooses what is done with this process' rights, within those of rights.h: it must be
 * of root, or of the same user. */
static bool is_trusted(int connection) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

/* Connects, with limits for each wait. Returns -1 without a daemon. */
static int open_connection(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  const struct timeval limit = {.tv_sec = TIMEOUT_S};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0 && is_trusted(connection))
    return connection;
  close(connection);
  return -1;
}

static bool send_all(int connection, const struct weft_cni_buffer *buffer) {
  if (buffer->failed) return false;
  for (size_t done = 0; done < buffer->size;) {
    const ssize_t count = send(connection, buffer->data + done, buffer->size - done, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) done += (size_t)count;
  }
  return true;
}

static bool receive(int connection, struct weft_cni_buffer *received) {
  char chunk[READ_BYTES];
  for (;;) {
    const ssize_t count = recv(connection, chunk, sizeof chunk, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    weft_cni_append(received, chunk, (size_t)count);
    return !received->failed;
  }
}

static void consume(struct weft_cni_buffer *received, size_t count) {
  received->size -= count;
  memmove(received->data, received->data + count, received->size);
}

/* The request follows the head at once: an older daemon ignores it, and rejects the head. */
static bool send_request(int connection, const struct weft_cni_field *input) {
  struct weft_cni_buffer request = {0};
  weft_cni_append(&request, UPGRADE, strlen(UPGRADE));
  weft_cni_begin(&request, 'q');
  weft_cni_add(&request, input->data, input->size);
  for (char **variable = environ; *variable != NULL; variable++)
    if (strncmp(*variable, "CNI_", 4) == 0) weft_cni_add_text(&request, *variable);
  weft_cni_end(&request, strlen(UPGRADE));
  const bool is_sent = send_all(connection, &request);
  weft_cni_free(&request);
  return is_sent;
}

/* Removes the head of the answer. Returns false if the daemon does not switch protocols. */
static bool receive_head(int connection, struct weft_cni_buffer *received) {
  for (;;) {
    if (!receive(connection, received)) return false;
    const size_t compared = received->size < strlen(SWITCHING) ? received->size : strlen(SWITCHING);
    if (memcmp(received->data, SWITCHING, compared) != 0) return false;
    const char *const end = memmem(received->data, received->size, HEAD_END, strlen(HEAD_END));
    if (end == NULL) continue;
    consume(received, (size_t)(end - received->data) + strlen(HEAD_END));
    return true;
  }
}

/* Takes steps until there is an answer. Returns false if the daemon is lost, or for a step that is
 * refused. */
static bool take_steps(int connection, const struct weft_cni_field *input, struct weft_cni_buffer *received,
                       struct weft_cni_progress *progress) {
  struct weft_cni_frame frame;
  for (;;) {
    const ssize_t length = weft_cni_parse(received->data, received->size, &frame);
    if (length < 0) return false;
    if (length == 0) {
      if (!receive(connection, received)) return false;
      continue;
    }
    struct weft_cni_buffer reply = {0};
    bool goes_on = weft_cni_step(&frame, input, progress, &reply);
    if (goes_on && !progress->is_done) goes_on = send_all(connection, &reply);
    weft_cni_free(&reply);
    if (!goes_on || progress->is_done) return goes_on;
    consume(received, (size_t)length);
  }
}

static bool print(const struct weft_cni_buffer *output) {
  for (size_t done = 0; done < output->size;) {
    const ssize_t count = write(STDOUT_FILENO, output->data + done, output->size - done);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) done += (size_t)count;
  }
  return true;
}

enum weft_cni_outcome weft_cni_ask(const char *path, const struct weft_cni_field *input, int *exit_code) {
  const int connection = open_connection(path);
  if (connection < 0) return WEFT_CNI_NO_DAEMON;
  struct weft_cni_buffer received = {0};
  struct weft_cni_progress progress = {0};
  const bool is_answered = send_request(connection, input) && receive_head(connection, &received) &&
                           take_steps(connection, input, &received, &progress);
  close(connection);
  weft_cni_free(&received);
  if (is_answered) print(&progress.output);
  weft_cni_free(&progress.output);
  *exit_code = progress.exit_code;
  if (is_answered) return WEFT_CNI_ANSWERED;
  const char *const command = getenv("CNI_COMMAND");
  const bool is_add = command != NULL && strcmp(command, "ADD") == 0;
  return is_add && progress.has_run ? WEFT_CNI_LOST : WEFT_CNI_NO_DAEMON;
}
