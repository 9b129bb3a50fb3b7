/* Command lines of the tools. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char *program_invocation_short_name;

_Noreturn void fail(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(2);
}

_Noreturn void refuse(const char *argument, const char *why) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, argument, why);
  exit(2);
}

static const struct option_spec *find_option(const char *argument, const struct option_spec *specs, size_t count) {
  if (strncmp(argument, "--", 2) != 0) return NULL;
  for (size_t i = 0; i < count; i++)
    if (strcmp(specs[i].name, argument + 2) == 0) return &specs[i];
  return NULL;
}

static double read_number(const struct option_spec *spec, const char *text) {
  char *end = NULL;
  const double value = text == NULL ? 0 : strtod(text, &end);
  if (text == NULL || end == text || *end != '\0') refuse(spec->name, "wants a number");
  if (!(value >= spec->minimum && value <= spec->maximum)) refuse(spec->name, "is out of range");
  return value;
}

void options_read(int argc, char **argv, int first, const struct option_spec *specs, size_t count) {
  for (int i = first; i < argc; i++) {
    const struct option_spec *spec = find_option(argv[i], specs, count);
    if (spec == NULL) refuse(argv[i], "unknown option");
    if (spec->flag != NULL) *spec->flag = 1;
    else *spec->number = read_number(spec, i + 1 < argc ? argv[++i] : NULL);
  }
}
