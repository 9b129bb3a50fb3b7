#include "cni/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 4096 };

static uint32_t read_number(const char *data) {
  const uint8_t *const bytes = (const uint8_t *)data;
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void write_number(char *data, size_t number) {
  for (int byte = 0; byte < WEFT_CNI_LENGTH_BYTES; byte++) data[byte] = (char)(number >> (24 - 8 * byte) & 0xff);
}

/* Parses one field of the `left` bytes at `data`. Returns the bytes that it takes, 0 if it is
 * none. */
static size_t parse_field(const char *data, size_t left, struct weft_cni_field *field) {
  if (left < WEFT_CNI_LENGTH_BYTES + 1) return 0;
  const size_t size = read_number(data);
  if (size > left - WEFT_CNI_LENGTH_BYTES - 1) return 0;
  *field = (struct weft_cni_field){data + WEFT_CNI_LENGTH_BYTES, size};
  if (field->data[size] != '\0') return 0;
  return WEFT_CNI_LENGTH_BYTES + size + 1;
}

ssize_t weft_cni_parse(const char *data, size_t size, struct weft_cni_frame *frame) {
  if (size < WEFT_CNI_LENGTH_BYTES) return 0;
  const size_t length = read_number(data);
  if (length < 1 || length > WEFT_CNI_MAX_FRAME) return -1;
  if (size - WEFT_CNI_LENGTH_BYTES < length) return 0;
  const char *const end = data + WEFT_CNI_LENGTH_BYTES + length;
  const char *at = data + WEFT_CNI_LENGTH_BYTES;
  frame->operation = *at++;
  for (frame->count = 0; at < end; frame->count++) {
    if (frame->count == WEFT_CNI_MAX_FIELDS) return -1;
    const size_t taken = parse_field(at, (size_t)(end - at), &frame->fields[frame->count]);
    if (taken == 0) return -1;
    at += taken;
  }
  return (ssize_t)(WEFT_CNI_LENGTH_BYTES + length);
}

bool weft_cni_is_text(const struct weft_cni_field *field) {
  return memchr(field->data, '\0', field->size) == NULL;
}

void weft_cni_append(struct weft_cni_buffer *buffer, const void *data, size_t size) {
  if (buffer->failed) return;
  if (size > buffer->capacity - buffer->size) {
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity;
    while (capacity - buffer->size < size) capacity *= 2;
    char *const grown = realloc(buffer->data, capacity);
    if (grown == NULL) {
      buffer->failed = true;
      return;
    }
    buffer->data = grown;
    buffer->capacity = capacity;
  }
  if (size > 0) memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
}

void weft_cni_begin(struct weft_cni_buffer *buffer, char operation) {
  const char head[WEFT_CNI_LENGTH_BYTES + 1] = {0, 0, 0, 0, operation};
  weft_cni_append(buffer, head, sizeof head);
}

void weft_cni_add(struct weft_cni_buffer *buffer, const void *data, size_t size) {
  char length[WEFT_CNI_LENGTH_BYTES];
  write_number(length, size);
  weft_cni_append(buffer, length, sizeof length);
  weft_cni_append(buffer, data, size);
  weft_cni_append(buffer, "", 1);
}

void weft_cni_add_text(struct weft_cni_buffer *buffer, const char *text) {
  weft_cni_add(buffer, text, strlen(text));
}

void weft_cni_add_number(struct weft_cni_buffer *buffer, long number) {
  char text[24];
  snprintf(text, sizeof text, "%ld", number);
  weft_cni_add_text(buffer, text);
}

void weft_cni_end(struct weft_cni_buffer *buffer, size_t start) {
  if (buffer->failed) return;
  const size_t length = buffer->size - start - WEFT_CNI_LENGTH_BYTES;
  if (length > WEFT_CNI_MAX_FRAME) buffer->failed = true;
  else write_number(buffer->data + start, length);
}

void weft_cni_free(struct weft_cni_buffer *buffer) {
  free(buffer->data);
  *buffer = (struct weft_cni_buffer){0};
}
