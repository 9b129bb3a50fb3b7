/* Mappings of /proc/PID/smaps, line by line. */
#ifndef WEFT_SMAPS_H
#define WEFT_SMAPS_H

#include <stdbool.h>

struct weft_mapping {
  unsigned long start, end, inode;
  char rights[5];
  /* Kilobytes that were written and are in memory; ULONG_MAX before that line. */
  unsigned long written;
};

/* Takes the next line. Returns true once for each mapping whose pages the kernel can read again:
 * of a file, private, read-only, and never written to. */
bool weft_smaps_is_clean(struct weft_mapping *mapping, const char *line);

#endif
