#include "smaps.h"

#include <limits.h>
#include <stdio.h>

/* The first line of a mapping; others leave `mapping` as it is. */
static bool read_header(const char *line, struct weft_mapping *mapping) {
  struct weft_mapping read = {.written = ULONG_MAX};
  if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &read.start, &read.end, read.rights, &read.inode) != 4) return false;
  *mapping = read;
  return true;
}

/* What is written is nowhere else than in memory ("Anonymous") and swap ("Swap", the later line).
 * Node may have its code in memory without a file (--use-largepages), and debuggers change it. */
bool weft_smaps_is_clean(struct weft_mapping *mapping, const char *line) {
  unsigned long swapped;
  if (read_header(line, mapping) || sscanf(line, "Anonymous: %lu kB", &mapping->written) == 1) return false;
  if (sscanf(line, "Swap: %lu kB", &swapped) != 1) return false;
  return mapping->written == 0 && swapped == 0 && mapping->inode != 0 && mapping->rights[1] != 'w' &&
         mapping->rights[3] == 'p';
}
