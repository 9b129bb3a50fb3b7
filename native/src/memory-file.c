/* Anonymous files in memory (memfd_create(2)). Node has no API for them. */
#include "binding.h"

#include <errno.h>
#include <sys/mman.h>

enum { NAME_BYTES = 128 };

/* openMemoryFile(name): a descriptor of an empty file; the name is for /proc only. */
static napi_value open_memory_file(napi_env env, napi_callback_info info) {
  napi_value value, result;
  char name[NAME_BYTES];
  size_t length;
  if (weft__arguments(env, info, 1, &value) < 0) return NULL;
  if (napi_get_value_string_utf8(env, value, name, sizeof(name), &length) != napi_ok)
    return weft__throw_type(env, "openMemoryFile takes (name)");
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return weft__throw_errno(env, "memfd_create", -errno);
  return napi_create_int32(env, fd, &result) == napi_ok ? result : NULL;
}

int weft_memory_file_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "openMemoryFile", open_memory_file);
}
