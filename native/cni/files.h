/* What the daemon has weft-cni do with files. Each adds the fields of its result to `reply`, or
 * returns the error with the system call that Node names for it, so that messages are those of the
 * plugin in JavaScript. */
#ifndef WEFT_CNI_FILES_H
#define WEFT_CNI_FILES_H

#include "cni/frame.h"

/* Longest file that is read. */
enum { WEFT_CNI_MAX_FILE = 1 << 20 };

struct weft_cni_error {
  /* errno; 0 means success. */
  int number;
  const char *call, *path, *target;
};

struct weft_cni_error weft_cni_read(const char *path, struct weft_cni_buffer *reply);
struct weft_cni_error weft_cni_list(const char *path, struct weft_cni_buffer *reply);
/* Replaces FOLDER/NAME by way of FOLDER/TEMPORARY. Folders in place of either are removed. */
struct weft_cni_error weft_cni_save(const char *folder, const char *temporary, const char *file,
                                    const struct weft_cni_field *text);
/* Removes a file or a folder; one that is gone is no error. */
struct weft_cni_error weft_cni_remove(const char *path);
bool weft_cni_is_executable(const char *path);

#endif
