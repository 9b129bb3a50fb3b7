/* One command of CNI, answered by the daemon: it sends steps, this process takes them, in its own
 * namespaces and with its own rights, and returns the results. */
#ifndef WEFT_CNI_SESSION_H
#define WEFT_CNI_SESSION_H

#include "cni/frame.h"

/* Longest network config that goes to the daemon. */
enum { WEFT_CNI_MAX_INPUT = 1 << 20 };

enum weft_cni_outcome {
  /* The answer has been printed. */
  WEFT_CNI_ANSWERED,
  /* No daemon answers, or it is lost, or asks for what it may not, before anything that must not
   * happen twice. */
  WEFT_CNI_NO_DAEMON,
  /* The same after ADD ran a plugin. */
  WEFT_CNI_LOST
};

/* Asks the daemon at `path`. `exit_code` is set with WEFT_CNI_ANSWERED. */
enum weft_cni_outcome weft_cni_ask(const char *path, const struct weft_cni_field *input, int *exit_code);

/* Takes one step of the daemon and adds the result to `reply`; exported for tests. `input` is the
 * network config. Returns false if the frame is none, or no step that the daemon may ask for.
 * `has_run` is set before a plugin runs; `is_done` with `exit_code` and the text in `output` when
 * there is an answer. */
struct weft_cni_progress {
  bool is_done, has_run;
  int exit_code;
  struct weft_cni_buffer output;
};
bool weft_cni_step(const struct weft_cni_frame *frame, const struct weft_cni_field *input,
                   struct weft_cni_progress *progress, struct weft_cni_buffer *reply);

#endif
