/* Resident pages of code and constants. A start maps most of Node's 50 MB of them, and a daemon
 * at rest needs few. The kernel has the pages in its cache and maps those again that are read. */
#include "binding.h"

#include <stdio.h>
#include <sys/mman.h>

#include "smaps.h"

enum { LINE_BYTES = 4352 };

/* releaseCode(): without effect where there is no procfs. */
static napi_value release_code(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  FILE *const maps = fopen("/proc/self/smaps", "re");
  if (maps == NULL) return NULL;
  char line[LINE_BYTES];
  struct weft_mapping mapping = {0};
  while (fgets(line, sizeof line, maps) != NULL)
    if (weft_smaps_is_clean(&mapping, line)) madvise((void *)mapping.start, mapping.end - mapping.start, MADV_DONTNEED);
  fclose(maps);
  return NULL;
}

int weft_code_pages_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "releaseCode", release_code);
}
