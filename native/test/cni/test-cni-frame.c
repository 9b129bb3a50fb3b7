/* Frames between weft-cni and the daemon: what is written is read again, and what is none is
 * rejected. */
#include "cni/frame.h"

#include <string.h>

#include "support/expect.h"

static void test_round_trip(void) {
  struct weft_cni_buffer buffer = {0};
  weft_cni_append(&buffer, "head", 4);
  weft_cni_begin(&buffer, 'x');
  weft_cni_add_text(&buffer, "/opt/cni/bin/bridge");
  weft_cni_add(&buffer, "a\0b", 3);
  weft_cni_add(&buffer, NULL, 0);
  weft_cni_add_number(&buffer, -1);
  weft_cni_end(&buffer, 4);
  EXPECT(buffer.failed, false);
  const size_t size = buffer.size - 4;
  struct weft_cni_frame frame;
  /* Incomplete at each length but the last. */
  for (size_t length = 0; length < size; length++) EXPECT(weft_cni_parse(buffer.data + 4, length, &frame), 0);
  EXPECT(weft_cni_parse(buffer.data + 4, size, &frame), (ssize_t)size);
  EXPECT(frame.operation, 'x');
  EXPECT(frame.count, 4);
  EXPECT(strcmp(frame.fields[0].data, "/opt/cni/bin/bridge"), 0);
  EXPECT(frame.fields[1].size, 3);
  EXPECT(weft_cni_is_text(&frame.fields[0]), true);
  EXPECT(weft_cni_is_text(&frame.fields[1]), false);
  EXPECT(frame.fields[2].size, 0);
  EXPECT(strcmp(frame.fields[3].data, "-1"), 0);
  weft_cni_free(&buffer);
}

static void test_rejects(void) {
  struct weft_cni_frame frame;
  EXPECT(weft_cni_parse("\0\0\0\0", 4, &frame), -1);
  EXPECT(weft_cni_parse("\xff\xff\xff\xff", 4, &frame), -1);
  /* A field that ends behind its frame, one without its null byte, half a length. */
  EXPECT(weft_cni_parse("\0\0\0\x06x\0\0\0\x01\0", 10, &frame), -1);
  EXPECT(weft_cni_parse("\0\0\0\x07x\0\0\0\x01"
                        "ab",
                        11, &frame),
         -1);
  EXPECT(weft_cni_parse("\0\0\0\x03x\0\0", 7, &frame), -1);
}

static void test_too_many_fields(void) {
  struct weft_cni_buffer buffer = {0};
  struct weft_cni_frame frame;
  weft_cni_begin(&buffer, 'f');
  for (int count = 0; count <= WEFT_CNI_MAX_FIELDS; count++) weft_cni_add_text(&buffer, "");
  weft_cni_end(&buffer, 0);
  EXPECT(weft_cni_parse(buffer.data, buffer.size, &frame), -1);
  weft_cni_free(&buffer);
}

int main(void) {
  test_round_trip();
  test_rejects();
  test_too_many_fields();
}
