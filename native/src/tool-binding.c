/*
 * Runs a tool in a thread of its own: those of libuv's pool are few, and a tool may wait for
 * seconds.
 */
#include "binding.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct job {
  struct weft_tool tool;
  napi_threadsafe_function callback;
};

static void free_texts(char **texts) {
  for (char **text = texts; text != NULL && *text != NULL; text++) free(*text);
  free(texts);
}

static void free_job(struct job *job) {
  free_texts(job->tool.arguments);
  free_texts(job->tool.environment);
  free(job->tool.input);
  free(job->tool.output[0].data);
  free(job->tool.output[1].data);
  free(job);
}

/* A copy with a terminator; NULL if `value` is no string or there is no memory. */
static char *read_text(napi_env env, napi_value value, size_t *size) {
  if (napi_get_value_string_utf8(env, value, NULL, 0, size) != napi_ok) return NULL;
  char *const text = malloc(*size + 1);
  if (text != NULL) napi_get_value_string_utf8(env, value, text, *size + 1, size);
  return text;
}

/* Copies of an array of strings, ended by NULL. */
static char **read_texts(napi_env env, napi_value value) {
  uint32_t count;
  napi_value element;
  size_t size;
  if (napi_get_array_length(env, value, &count) != napi_ok) return NULL;
  char **const texts = calloc((size_t)count + 1, sizeof *texts);
  for (uint32_t index = 0; texts != NULL && index < count; index++)
    if (napi_get_element(env, value, index, &element) != napi_ok ||
        (texts[index] = read_text(env, element, &size)) == NULL) {
      free_texts(texts);
      return NULL;
    }
  return texts;
}

/* In the main thread. Without an environment the process ends. */
static void answer(napi_env env, napi_value callback, void *context, void *data) {
  struct job *const job = data;
  (void)context;
  napi_value values[3], receiver, result;
  const struct weft_tool_text *const output = job->tool.output;
  if (env != NULL && napi_create_int32(env, job->tool.code, &values[0]) == napi_ok &&
      napi_create_string_utf8(env, output[0].data, output[0].size, &values[1]) == napi_ok &&
      napi_create_string_utf8(env, output[1].data, output[1].size, &values[2]) == napi_ok &&
      napi_get_undefined(env, &receiver) == napi_ok)
    napi_call_function(env, receiver, callback, 3, values, &result);
  free_job(job);
}

static void *run(void *argument) {
  struct job *const job = argument;
  const napi_threadsafe_function callback = job->callback;
  weft_tool_run(&job->tool);
  if (napi_call_threadsafe_function(callback, job, napi_tsfn_blocking) == napi_ok)
    napi_release_threadsafe_function(callback, napi_tsfn_release);
  else free_job(job); /* A call that finds the function closing has released it. */
  return NULL;
}

/* Returns whether a thread has the job. */
static bool start_thread(struct job *job) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  const int error = pthread_create(&thread, &attributes, run, job);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

/* Reads all arguments but the callback. */
static bool read_job(napi_env env, const napi_value *values, struct job *job) {
  int64_t max_output_bytes;
  job->tool.arguments = read_texts(env, values[0]);
  job->tool.environment = read_texts(env, values[1]);
  job->tool.input = read_text(env, values[2], &job->tool.input_bytes);
  if (napi_get_value_int64(env, values[3], &job->tool.timeout_ms) != napi_ok ||
      napi_get_value_int64(env, values[4], &max_output_bytes) != napi_ok || max_output_bytes < 0)
    return false;
  job->tool.max_output_bytes = (size_t)max_output_bytes;
  const bool has_program = job->tool.arguments != NULL && job->tool.arguments[0] != NULL;
  return has_program && job->tool.environment != NULL && job->tool.input != NULL;
}

/* runTool(arguments, environment, input, timeoutMs, maxOutputBytes, callback) */
static napi_value run_tool(napi_env env, napi_callback_info info) {
  napi_value values[6], name;
  if (weft__arguments(env, info, 6, values) < 0) return NULL;
  struct job *const job = calloc(1, sizeof *job);
  if (job == NULL) return weft__throw_errno(env, "calloc", -ENOMEM);
  if (!read_job(env, values, job) || napi_create_string_utf8(env, "weft.runTool", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, values[5], NULL, name, 0, 1, NULL, NULL, NULL, answer, &job->callback) !=
          napi_ok) {
    free_job(job);
    return weft__throw_type(env, "runTool takes (arguments, environment, input, timeoutMs, maxOutputBytes, callback)");
  }
  if (!start_thread(job)) {
    napi_release_threadsafe_function(job->callback, napi_tsfn_abort);
    free_job(job);
    return weft__throw_errno(env, "pthread_create", -EAGAIN);
  }
  return NULL;
}

int weft_tool_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "runTool", run_tool);
}
