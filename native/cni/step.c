#include "cni/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/files.h"
#include "cni/rights.h"
#include "cni/run.h"

static const char CNI_PREFIX[] = "CNI_";

static void add_error(struct weft_cni_buffer *reply, struct weft_cni_error error) {
  weft_cni_begin(reply, 'e');
  weft_cni_add_number(reply, error.number);
  weft_cni_add_text(reply, error.call);
  weft_cni_add_text(reply, error.path);
  weft_cni_add_text(reply, error.target);
}

/* Turns the reply that began at `start` into an error, if there is one. */
static void finish(struct weft_cni_buffer *reply, size_t start, struct weft_cni_error error) {
  if (error.number != 0) {
    reply->size = start;
    add_error(reply, error);
  }
  weft_cni_end(reply, start);
}

/* The number of the first executable file, or none. */
static void find(const struct weft_cni_frame *frame, struct weft_cni_buffer *reply) {
  size_t index = 0;
  while (index < frame->count && !weft_cni_is_executable(frame->fields[index].data)) index++;
  if (index < frame->count) weft_cni_add_number(reply, (long)index);
}

/* This process' environment with the variables of CNI that the daemon gives. */
static char **make_environment(const struct weft_cni_field *fields, size_t count) {
  size_t size = 0, used = 0;
  while (environ[size] != NULL) size++;
  char **const made = calloc(size + count + 1, sizeof(char *));
  if (made == NULL) return NULL;
  for (size_t index = 0; index < size; index++)
    if (strncmp(environ[index], CNI_PREFIX, strlen(CNI_PREFIX)) != 0) made[used++] = environ[index];
  for (size_t index = 0; index < count; index++) made[used++] = (char *)fields[index].data;
  return made;
}

/* Fields: whether the output of success is the answer, file, input, variables. */
static bool run(const struct weft_cni_frame *frame, struct weft_cni_progress *progress, struct weft_cni_buffer *reply) {
  const struct weft_cni_field *const fields = frame->fields;
  char **const environment = make_environment(fields + 3, frame->count - 3);
  if (environment == NULL) return false;
  struct weft_cni_run result;
  progress->has_run = true;
  weft_cni_run(fields[1].data, environment, &fields[2], &result);
  free((void *)environment);
  if (result.status == 0 && fields[0].data[0] == '1') {
    progress->is_done = true;
    progress->exit_code = 0;
    progress->output = result.output;
    return true;
  }
  weft_cni_add_number(reply, result.status);
  weft_cni_add_number(reply, result.signal);
  weft_cni_add_number(reply, result.error);
  weft_cni_add(reply, result.output.data, result.output.size);
  weft_cni_free(&result.output);
  return true;
}

/* Fields: exit code, text. */
static bool answer(const struct weft_cni_frame *frame, struct weft_cni_progress *progress) {
  progress->is_done = true;
  progress->exit_code = atoi(frame->fields[0].data);
  weft_cni_append(&progress->output, frame->fields[1].data, frame->fields[1].size);
  return !progress->output.failed;
}

/* Operations with their least number of fields; each takes fields of text alone but for the one
 * named. */
static const struct {
  char operation;
  size_t fields;
  /* Index of the field that may be anything. */
  size_t content;
} OPERATIONS[] = {{'r', 1, SIZE_MAX}, {'l', 1, SIZE_MAX}, {'f', 0, SIZE_MAX}, {'d', 1, SIZE_MAX},
                  {'s', 4, 3},        {'x', 3, 2},        {'a', 2, 1}};

static bool is_valid(const struct weft_cni_frame *frame) {
  for (size_t kind = 0; kind < sizeof OPERATIONS / sizeof OPERATIONS[0]; kind++) {
    if (OPERATIONS[kind].operation != frame->operation) continue;
    if (frame->count < OPERATIONS[kind].fields) return false;
    for (size_t index = 0; index < frame->count; index++)
      if (index != OPERATIONS[kind].content && !weft_cni_is_text(&frame->fields[index])) return false;
    return true;
  }
  return false;
}

bool weft_cni_step(const struct weft_cni_frame *frame, const struct weft_cni_field *input,
                   struct weft_cni_progress *progress, struct weft_cni_buffer *reply) {
  if (!is_valid(frame) || !weft_cni_is_allowed(frame, input)) return false;
  const struct weft_cni_field *const fields = frame->fields;
  const size_t start = reply->size;
  struct weft_cni_error error = {0, "", "", ""};
  if (frame->operation == 'a') return answer(frame, progress);
  weft_cni_begin(reply, 'o');
  switch (frame->operation) {
    case 'r': error = weft_cni_read(fields[0].data, reply); break;
    case 'l': error = weft_cni_list(fields[0].data, reply); break;
    case 'f': find(frame, reply); break;
    case 'd': error = weft_cni_remove(fields[0].data); break;
    case 's': error = weft_cni_save(fields[0].data, fields[1].data, fields[2].data, &fields[3]); break;
    default:
      if (!run(frame, progress, reply)) return false;
  }
  finish(reply, start, error);
  return !reply->failed;
}
