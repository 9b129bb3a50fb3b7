/*
 * What the fuzz targets share: a property that must hold, and first inputs for a target that has
 * none.
 */
#ifndef WEFT_PROPERTY_H
#define WEFT_PROPERTY_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Ends the run; libFuzzer then keeps the input. */
#define HOLDS(condition)                                                                                               \
  do {                                                                                                                 \
    if (condition) break;                                                                                              \
    fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                                     \
    abort();                                                                                                           \
  } while (0)

/* The corpus folder that libFuzzer was given, if it is empty; else NULL. */
static inline const char *empty_corpus(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    unsigned entries = 0;
    DIR *folder = opendir(argv[i]);
    if (!folder) return NULL;
    while (readdir(folder)) entries++;
    closedir(folder);
    return entries <= 2 ? argv[i] : NULL; /* . and .. */
  }
  return NULL;
}

static inline void write_seed(const char *corpus, const char *name, const uint8_t *data, size_t size) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s", corpus, name);
  FILE *file = fopen(path, "wb");
  if (!file) return;
  fwrite(data, 1, size, file);
  fclose(file);
}

#endif
