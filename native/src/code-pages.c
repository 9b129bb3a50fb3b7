/* Resident pages of code and constants. A start maps most of Node's 50 MB of them, and a daemon
 * at rest needs few. The kernel has the pages in its cache and maps those again that are read. */
#include "binding.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

enum { LINE_BYTES = 4352 };

struct mapping {
  unsigned long start, end, inode;
  char rights[5];
};

/* The first line of a mapping; others leave `mapping` as it is. */
static bool read_header(const char *line, struct mapping *mapping) {
  struct mapping read;
  if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &read.start, &read.end, read.rights, &read.inode) != 4) return false;
  *mapping = read;
  return true;
}

/* Of a file, read-only, and never written to: what is written is nowhere else. Node may have its
 * code in memory without a file (--use-largepages), and debuggers change it. */
static void release(const struct mapping *mapping, unsigned long written_kilobytes) {
  if (mapping->inode == 0 || written_kilobytes != 0 || mapping->rights[1] == 'w' || mapping->rights[3] != 'p') return;
  madvise((void *)mapping->start, mapping->end - mapping->start, MADV_DONTNEED);
}

/* releaseCode(): without effect where there is no procfs. */
static napi_value release_code(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  FILE *const maps = fopen("/proc/self/smaps", "re");
  if (maps == NULL) return NULL;
  char line[LINE_BYTES];
  struct mapping mapping = {0};
  unsigned long written;
  while (fgets(line, sizeof line, maps) != NULL)
    if (!read_header(line, &mapping) && sscanf(line, "Anonymous: %lu kB", &written) == 1) release(&mapping, written);
  fclose(maps);
  return NULL;
}

int weft_code_pages_init(napi_env env, napi_value exports) {
  return weft__export(env, exports, "releaseCode", release_code);
}
