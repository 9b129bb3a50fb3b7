/* Anything at the connection to the daemon: fields stay within the frame, and a frame that is
 * written again is the same. */
#include "cni/frame.h"

#include <string.h>

#include "property.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  /* Memory of its own length, so that reading on is seen. */
  char *const data = malloc(size == 0 ? 1 : size);
  if (!data) abort();
  memcpy(data, input, size);
  struct weft_cni_frame frame;
  const ssize_t length = weft_cni_parse(data, size, &frame);
  HOLDS(length >= -1 && length <= (ssize_t)size);
  if (length > 0) {
    struct weft_cni_buffer written = {0};
    weft_cni_begin(&written, frame.operation);
    for (size_t index = 0; index < frame.count; index++) {
      const struct weft_cni_field *const field = &frame.fields[index];
      HOLDS(field->data >= data && field->data + field->size < data + length);
      HOLDS(!weft_cni_is_text(field) || strlen(field->data) == field->size);
      weft_cni_add(&written, field->data, field->size);
    }
    weft_cni_end(&written, 0);
    HOLDS(written.size == (size_t)length && memcmp(written.data, data, written.size) == 0);
    weft_cni_free(&written);
  }
  free(data);
  return 0;
}

/* A request with an empty field. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *corpus = empty_corpus(*argc, *argv);
  static const uint8_t seed[] = {0, 0, 0, 13, 'q', 0, 0, 0, 2, '{', '}', 0, 0, 0, 0, 0, 0};
  if (corpus) write_seed(corpus, "request", seed, sizeof(seed));
  return 0;
}
