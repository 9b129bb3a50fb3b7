/* What the daemon may have this process do with the rights of the container runtime, which may be
 * more than the daemon's own: what plans of the plugin need. Paths are compared as text. */
#ifndef WEFT_CNI_RIGHTS_H
#define WEFT_CNI_RIGHTS_H

#include "cni/frame.h"

/* Whether a valid step stays within
 *   x f  files of the folders in CNI_PATH, with the runtime's variables of CNI
 *   s d  files of the folder of attachments: the usual one, or dataDir in `input`
 *   r l  that folder and its files, and subnet.env: the usual one, or subnetFile in `input`
 * `input` is the network config. */
bool weft_cni_is_allowed(const struct weft_cni_frame *frame, const struct weft_cni_field *input);

#endif
