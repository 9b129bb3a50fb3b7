/* Runs a command-line tool to its end. */
#ifndef WEFT_TOOL_H
#define WEFT_TOOL_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT_TOOL_UNFINISHED = 124, WEFT_TOOL_NOT_FOUND = 127 };

struct weft_tool_text {
  char *data;
  size_t size, room;
};

struct weft_tool {
  /* Ended by NULL; the first is the name of the program, found by PATH of `environment`. */
  char **arguments;
  /* As execve(2) takes it. */
  char **environment;
  /* For standard input. */
  char *input;
  size_t input_bytes;
  /* Time until SIGKILL. */
  int64_t timeout_ms;
  /* Of standard output and standard error, each. */
  size_t max_output_bytes;
  /* Of weft_tool_run: exit code; WEFT_TOOL_NOT_FOUND without a program; WEFT_TOOL_UNFINISHED after
   * a signal, a time-out or too much output, and where it cannot start. */
  int code;
  /* Standard output and standard error. The caller frees their data. */
  struct weft_tool_text output[2];
};

/* Blocks its thread alone: posix_spawn(3) copies no page tables, as fork(2) does. */
void weft_tool_run(struct weft_tool *tool);

#endif
