/*
 * Argument readers and errors of the addon. C functions return negative errno. Only a binding
 * function converts it to a JavaScript error.
 */
#ifndef WEFT_BINDING_H
#define WEFT_BINDING_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Throws an Error with `syscall`, `errno` (negative) and `code`. Returns NULL for the binding to
 * return.
 */
napi_value weft__throw_errno(napi_env env, const char *syscall, int error);
/* Throws a TypeError; returns NULL. */
napi_value weft__throw_type(napi_env env, const char *message);
/* Reads exactly `count` arguments. Returns 0, or -EINVAL with a TypeError pending. */
int weft__arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
/* Adds function `name` to `exports`. Returns 0 or -EINVAL. */
int weft__export(napi_env env, napi_value exports, const char *name, napi_callback function);

/* Each registers its functions. Returns 0 or -EINVAL. */
int weft_netlink_options_init(napi_env env, napi_value exports);
int weft_netlink_send_init(napi_env env, napi_value exports);
int weft_netlink_watch_init(napi_env env, napi_value exports);
int weft_datagram_init(napi_env env, napi_value exports);
int weft_path_init(napi_env env, napi_value exports);
int weft_echo_init(napi_env env, napi_value exports);
int weft_memory_file_init(napi_env env, napi_value exports);
int weft_file_lock_init(napi_env env, napi_value exports);
int weft_code_pages_init(napi_env env, napi_value exports);
int weft_tool_init(napi_env env, napi_value exports);

#endif
