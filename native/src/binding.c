/* Argument readers and errors of the addon. */
#include "binding.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Part of libuv's stable ABI, exported by the node binary. musl lacks strerrorname_np(3). */
extern const char *uv_err_name(int error);

static void set_string(napi_env env, napi_value object, const char *name, const char *text) {
  napi_value value;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
    napi_set_named_property(env, object, name, value);
}

napi_value weft__throw_errno(napi_env env, const char *syscall, int error) {
  char text[256];
  napi_value message, exception, number;
  snprintf(text, sizeof(text), "%s: %s (%s)", syscall, strerror(-error), uv_err_name(error));
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok) return NULL;
  if (napi_create_error(env, NULL, message, &exception) != napi_ok) return NULL;
  set_string(env, exception, "syscall", syscall);
  set_string(env, exception, "code", uv_err_name(error));
  if (napi_create_int32(env, error, &number) == napi_ok) napi_set_named_property(env, exception, "errno", number);
  napi_throw(env, exception);
  return NULL;
}

napi_value weft__throw_type(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

int weft__arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given == count) return 0;
  weft__throw_type(env, "wrong number of arguments");
  return -EINVAL;
}

int weft__export(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) != napi_ok) return -EINVAL;
  return napi_set_named_property(env, exports, name, value) == napi_ok ? 0 : -EINVAL;
}
