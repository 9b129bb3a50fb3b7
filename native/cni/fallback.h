/* The plugin in JavaScript, for when no daemon answers. script.c has it behind this program, in one
 * file; launcher.c in a folder beside it. */
#ifndef WEFT_CNI_FALLBACK_H
#define WEFT_CNI_FALLBACK_H

#include <stdbool.h>

/* Whether the program of this name is the plugin of weft, which a daemon can answer. */
bool weft_cni_is_weft(const char *name);

/* Replaces this process by the plugin; `self` is the path of this file. Returns the exit code after
 * an error, which it has printed as one of CNI. */
int weft_cni_start_plugin(const char *self);

#endif
