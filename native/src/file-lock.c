/* Locks of open files (flock(2)), which the kernel frees when the process ends. Node has none. */
#include "binding.h"

#include <errno.h>
#include <sys/file.h>

/* tryLockFile(fd): whether the exclusive lock was free. It lasts until the descriptor is closed. */
static napi_value try_lock_file(napi_env env, napi_callback_info info) {
  napi_value value, result;
  int32_t fd;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_int32(env, value, &fd) != napi_ok) return weft__throw_type(env, "tryLockFile takes (fd)");
  const int error = flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
  if (error != 0 && error != EWOULDBLOCK) return weft__throw_errno(env, "flock", -error);
  return napi_get_boolean(env, error == 0, &result) == napi_ok ? result : NULL;
}

int weft_file_lock_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "tryLockFile", try_lock_file);
}
