#include "cni/rights.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As of containers/cni/network.ts. */
static const char DATA_DIR[] = "/var/lib/cni/flannel", SUBNET_FILE[] = "/run/flannel/subnet.env";

static struct weft_cni_field text(const char *string) {
  return (struct weft_cni_field){string, strlen(string)};
}

static void skip(struct weft_cni_field *rest, size_t count) {
  rest->data += count;
  rest->size -= count;
}

static bool is_same(struct weft_cni_field one, struct weft_cni_field other) {
  return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

/* The next part of a path, without slashes and `.`; empty at the end. */
static struct weft_cni_field next_part(struct weft_cni_field *rest) {
  struct weft_cni_field part;
  do {
    while (rest->size > 0 && rest->data[0] == '/') skip(rest, 1);
    part = (struct weft_cni_field){rest->data, 0};
    while (part.size < rest->size && part.data[part.size] != '/') part.size++;
    skip(rest, part.size);
  } while (is_same(part, text(".")));
  return part;
}

static bool is_absolute(struct weft_cni_field path) {
  return path.size > 0 && path.data[0] == '/';
}

/* Whether a path is FOLDER/NAME. Node's join makes it so of FOLDER with `//` or a slash at its end.
 * Paths with `..` are in no folder. */
static bool is_in(struct weft_cni_field path, struct weft_cni_field folder) {
  const struct weft_cni_field parent = text("..");
  if (!is_absolute(path) || !is_absolute(folder)) return false;
  for (;;) {
    const struct weft_cni_field expected = next_part(&folder);
    const struct weft_cni_field part = next_part(&path);
    if (part.size == 0 || is_same(part, parent)) return false;
    if (expected.size == 0) return path.size == 0;
    if (!is_same(part, expected)) return false;
  }
}

/* Whether a path is FOLDER/NAME with a folder of CNI_PATH. */
static bool is_plugin(struct weft_cni_field path) {
  const char *folders = getenv("CNI_PATH");
  while (folders != NULL) {
    const char *const end = strchrnul(folders, ':');
    if (is_in(path, (struct weft_cni_field){folders, (size_t)(end - folders)})) return true;
    folders = *end == '\0' ? NULL : end + 1;
  }
  return false;
}

/* Whether a variable is the runtime's, or one that plans change: for VERSION, and for containers
 * that are gone. */
static bool is_variable(struct weft_cni_field variable) {
  static const char *const changed[] = {"CNI_COMMAND=", "CNI_CONTAINERID=", "CNI_IFNAME="};
  for (size_t index = 0; index < sizeof changed / sizeof changed[0]; index++)
    if (strncmp(variable.data, changed[index], strlen(changed[index])) == 0) return true;
  if (is_same(variable, text("CNI_NETNS="))) return true;
  for (char **own = environ; *own != NULL; own++)
    if (strncmp(*own, "CNI_", 4) == 0 && is_same(variable, text(*own))) return true;
  return false;
}

/* JSON from `rest` on. */
struct json {
  struct weft_cni_field rest;
  int depth;
};

/* The string whose opening quote has been read, with its escapes. */
static struct weft_cni_field read_string(struct json *json) {
  struct weft_cni_field string = {json->rest.data, 0};
  while (string.size < json->rest.size && string.data[string.size] != '"')
    string.size += string.data[string.size] == '\\' ? 2 : 1;
  if (string.size > json->rest.size) string.size = json->rest.size;
  skip(&json->rest, string.size);
  if (json->rest.size > 0) skip(&json->rest, 1);
  return string;
}

/* The next string that is a value of `key` in the outermost object. */
static bool next_value(struct json *json, const char *key, struct weft_cni_field *value) {
  struct weft_cni_field last = {"", 0};
  bool is_value = false;
  while (json->rest.size > 0) {
    const char character = json->rest.data[0];
    skip(&json->rest, 1);
    if (character == '"') {
      last = read_string(json);
      if (is_value) {
        *value = last;
        return true;
      }
    } else if (character == ':') {
      is_value = json->depth == 1 && is_same(last, text(key));
    } else if (strchr(" \t\r\n", character) == NULL) {
      is_value = false;
      json->depth += (character == '{' || character == '[') - (character == '}' || character == ']');
    }
  }
  return false;
}

typedef bool (*compare)(struct weft_cni_field path, struct weft_cni_field named);

/* Whether `is_match` holds of a path and what the config names as `key`, or the usual path. */
static bool is_named(const struct weft_cni_field *input, const char *key, const char *usual, compare is_match,
                     struct weft_cni_field path) {
  struct json json = {*input, 0};
  struct weft_cni_field value = text(usual);
  do {
    if (is_match(path, value)) return true;
  } while (next_value(&json, key, &value));
  return false;
}

static bool is_folder(const struct weft_cni_field *input, struct weft_cni_field path) {
  return is_named(input, "dataDir", DATA_DIR, is_same, path);
}

static bool is_attachment(const struct weft_cni_field *input, struct weft_cni_field path) {
  return is_named(input, "dataDir", DATA_DIR, is_in, path);
}

static bool is_subnet_file(const struct weft_cni_field *input, struct weft_cni_field path) {
  return is_named(input, "subnetFile", SUBNET_FILE, is_same, path);
}

static bool is_run(const struct weft_cni_frame *frame) {
  for (size_t index = 3; index < frame->count; index++)
    if (!is_variable(frame->fields[index])) return false;
  return is_plugin(frame->fields[1]);
}

static bool is_search(const struct weft_cni_frame *frame) {
  for (size_t index = 0; index < frame->count; index++)
    if (!is_plugin(frame->fields[index])) return false;
  return true;
}

bool weft_cni_is_allowed(const struct weft_cni_frame *frame, const struct weft_cni_field *input) {
  const struct weft_cni_field *const fields = frame->fields;
  switch (frame->operation) {
    case 'x': return is_run(frame);
    case 'f': return is_search(frame);
    case 's': return is_folder(input, fields[0]) && is_in(fields[1], fields[0]) && is_in(fields[2], fields[0]);
    case 'd': return is_attachment(input, fields[0]);
    case 'r': return is_attachment(input, fields[0]) || is_subnet_file(input, fields[0]);
    case 'l': return is_folder(input, fields[0]);
    default: return frame->operation == 'a';
  }
}
