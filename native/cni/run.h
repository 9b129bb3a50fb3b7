/* Runs another plugin: input on standard input, output up to 1 MiB, standard error shared. */
#ifndef WEFT_CNI_RUN_H
#define WEFT_CNI_RUN_H

#include "cni/frame.h"

/* As of Node's spawnSync; a program that prints more is ended, and has failed. */
enum { WEFT_CNI_MAX_OUTPUT = 1 << 20 };

struct weft_cni_run {
  /* Exit code, or -1. */
  int status;
  /* Signal that ended it, or 0. */
  int signal;
  /* errno if it did not start, or its output is not complete: ENOBUFS if it is too long; or 0. */
  int error;
  /* Empty after an error. */
  struct weft_cni_buffer output;
};

/* `environment` as execve(2) takes it. */
void weft_cni_run(const char *file, char *const environment[], const struct weft_cni_field *input,
                  struct weft_cni_run *run);

#endif
