/* Messages between weft-cni and the daemon, after the upgrade of the connection:
 *
 *   length of the rest, 4 bytes · operation, 1 byte · fields
 *
 * A field is its length, 4 bytes, its bytes and a null byte that the length leaves out, so that
 * fields of text are strings of C. Numbers are big-endian. */
#ifndef WEFT_CNI_FRAME_H
#define WEFT_CNI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WEFT_CNI_MAX_FRAME = 4 << 20, WEFT_CNI_MAX_FIELDS = 128, WEFT_CNI_LENGTH_BYTES = 4 };

struct weft_cni_field {
  const char *data;
  size_t size;
};

/* Fields point into the bytes that were parsed. */
struct weft_cni_frame {
  char operation;
  size_t count;
  struct weft_cni_field fields[WEFT_CNI_MAX_FIELDS];
};

/* Bytes that grow. An allocation that fails sets `failed`; what is added later is ignored. */
struct weft_cni_buffer {
  char *data;
  size_t size, capacity;
  bool failed;
};

/* Parses the frame at the begin of `data`. Returns its length, 0 while it is incomplete, -1 if
 * it is none. */
ssize_t weft_cni_parse(const char *data, size_t size, struct weft_cni_frame *frame);

/* Whether a field is text: no null byte inside. */
bool weft_cni_is_text(const struct weft_cni_field *field);

void weft_cni_append(struct weft_cni_buffer *buffer, const void *data, size_t size);
void weft_cni_begin(struct weft_cni_buffer *buffer, char operation);
void weft_cni_add(struct weft_cni_buffer *buffer, const void *data, size_t size);
void weft_cni_add_text(struct weft_cni_buffer *buffer, const char *text);
void weft_cni_add_number(struct weft_cni_buffer *buffer, long number);
/* Sets the length of the frame that begins at `start`. */
void weft_cni_end(struct weft_cni_buffer *buffer, size_t start);
void weft_cni_free(struct weft_cni_buffer *buffer);

#endif
