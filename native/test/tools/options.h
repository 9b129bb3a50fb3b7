/* Command lines of the tools: `--name VALUE` and `--flag` in any order, numbers only. */
#ifndef WEFT_TOOLS_OPTIONS_H
#define WEFT_TOOLS_OPTIONS_H

#include <stddef.h>

struct option_spec {
  const char *name; /* without the dashes */
  double *number;   /* set to the value; NULL for a flag */
  int *flag;        /* set to 1; NULL for a number */
  double minimum, maximum;
};

/* Reads argv[first..]; ends the process with a message that names the option if one is wrong. */
void options_read(int argc, char **argv, int first, const struct option_spec *specs, size_t count);

/* Ends the process: "tool: what: strerror(errno)". */
_Noreturn void fail(const char *what);
/* Ends the process: "tool: argument: why". */
_Noreturn void refuse(const char *argument, const char *why);

#endif
