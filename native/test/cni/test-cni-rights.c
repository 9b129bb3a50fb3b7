/* What the daemon may have weft-cni do: paths as its plans make them, and others. */
#include "cni/rights.h"

#include <stdlib.h>
#include <string.h>

#include "support/expect.h"

static const char CONFIG[] = "{\"name\":\"a \\\"dataDir\\\":\\\"/name\\\"\", \"dataDir\" :\t\"/data//weft/\","
                             "\"ipam\":{\"dataDir\":\"/ipam\"},\"list\":[{}],\"subnetFile\":\"/run/own.env\"}";

static bool is_allowed_with(const char *config, char operation, size_t count, const char *const texts[]) {
  struct weft_cni_frame frame = {.operation = operation, .count = count};
  for (size_t index = 0; index < count; index++)
    frame.fields[index] = (struct weft_cni_field){texts[index], strlen(texts[index])};
  const struct weft_cni_field input = {config, strlen(config)};
  return weft_cni_is_allowed(&frame, &input);
}

static bool is_allowed(char operation, const char *path) {
  return is_allowed_with(CONFIG, operation, 1, &path);
}

static bool may_run(const char *path, const char *variable) {
  return is_allowed_with(CONFIG, 'x', 4, (const char *const[]){"1", path, "", variable});
}

static bool may_save(const char *folder, const char *temporary, const char *file) {
  return is_allowed_with(CONFIG, 's', 4, (const char *const[]){folder, temporary, file, ""});
}

static void test_plugins(void) {
  static const char *const allowed[] = {"/opt/cni/bin/bridge", "/usr/lib/cni/.hidden", "/last/..."};
  static const char *const refused[] = {"/bin/sh",
                                        "/opt/cni/bin/sub/bridge",
                                        "/opt/cni/bin",
                                        "/opt/cni/bin/",
                                        "/opt/cni/bin/.",
                                        "/opt/cni/bin/..",
                                        "/opt/cni/bin/../../../bin/sh",
                                        "/opt/cni/bin/bridge/",
                                        "/opt/cni/binary",
                                        "/up/sh",
                                        "/x/../up/sh",
                                        "relative/bridge",
                                        "bridge",
                                        ""};
  setenv("CNI_PATH", "/opt//cni/bin/::relative:/x/../up:/usr/./lib/cni:/last", 1);
  for (size_t index = 0; index < sizeof allowed / sizeof allowed[0]; index++) {
    EXPECT(may_run(allowed[index], "CNI_COMMAND=ADD"), true);
    EXPECT(is_allowed('f', allowed[index]), true);
  }
  for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++) {
    EXPECT(may_run(refused[index], "CNI_COMMAND=ADD"), false);
    EXPECT(is_allowed('f', refused[index]), false);
  }
  EXPECT(is_allowed_with(CONFIG, 'f', 0, NULL), true);
  EXPECT(is_allowed_with(CONFIG, 'f', 2, (const char *const[]){"/last/a", "/etc/passwd"}), false);
  unsetenv("CNI_PATH");
  EXPECT(is_allowed('f', "/opt/cni/bin/bridge"), false);
}

/* A plugin finds others by CNI_PATH. */
static void test_variables(void) {
  static const char *const allowed[] = {"CNI_PATH=/p:/q",      "CNI_NETNS=/n",    "CNI_NETNS=",  "CNI_COMMAND=DEL",
                                        "CNI_CONTAINERID=old", "CNI_IFNAME=net1", "CNI_ARGS=A=1"};
  static const char *const refused[] = {"CNI_PATH=/tmp",
                                        "CNI_PATH=/p",
                                        "CNI_NETNS=/proc/1/ns/net",
                                        "CNI_ARGS=A=2",
                                        "CNI_OTHER=1",
                                        "LD_PRELOAD=/x",
                                        "CNI_COMMAND",
                                        ""};
  setenv("CNI_PATH", "/p:/q", 1);
  setenv("CNI_NETNS", "/n", 1);
  setenv("CNI_ARGS", "A=1", 1);
  setenv("LD_PRELOAD", "/x", 1);
  for (size_t index = 0; index < sizeof allowed / sizeof allowed[0]; index++)
    EXPECT(may_run("/q/bridge", allowed[index]), true);
  for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++)
    EXPECT(may_run("/q/bridge", refused[index]), false);
}

static void test_attachments(void) {
  static const char *const allowed[] = {"/data/weft/c1", "/data/weft/c1@net1", "/var/lib/cni/flannel/c1"};
  static const char *const refused[] = {"/data/weft", "/data/weft/",         "/data/weft/c1/", "/data/weft/c1/x",
                                        "/data/c1",   "/data/weft/../x",     "/data/weft/..",  "/ipam/x",
                                        "/name/x",    "/etc/passwd",         "/var/lib/cni/x", "/run/own.env/x",
                                        "data/weft/", "/var/lib/cni/flannel"};
  for (size_t index = 0; index < sizeof allowed / sizeof allowed[0]; index++) {
    EXPECT(is_allowed('d', allowed[index]), true);
    EXPECT(is_allowed('r', allowed[index]), true);
  }
  for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++) {
    EXPECT(is_allowed('d', refused[index]), false);
    EXPECT(is_allowed('r', refused[index]), false);
  }
  EXPECT(is_allowed('r', "/run/own.env"), true);
  EXPECT(is_allowed('r', "/run/flannel/subnet.env"), true);
  EXPECT(is_allowed('d', "/run/own.env"), false);
  EXPECT(is_allowed('l', "/data//weft/"), true);
  EXPECT(is_allowed('l', "/var/lib/cni/flannel"), true);
  EXPECT(is_allowed('l', "/data"), false);
}

static void test_saves(void) {
  EXPECT(may_save("/data//weft/", "/data/weft/.c1.weft", "/data/weft/c1"), true);
  EXPECT(may_save("/var/lib/cni/flannel", "/var/lib/cni/flannel/.a", "/var/lib/cni/flannel/a"), true);
  EXPECT(may_save("/data//weft/", "/etc/.c1.weft", "/data/weft/c1"), false);
  EXPECT(may_save("/data//weft/", "/data/weft/.c1.weft", "/etc/c1"), false);
  EXPECT(may_save("/etc", "/etc/.a", "/etc/a"), false);
  EXPECT(may_save("/data//weft/", "/data/weft/sub/a", "/data/weft/a"), false);
}

/* What is no JSON names no folder, and is read to its end alone. */
static void test_configs(void) {
  static const char *const configs[] = {
      "",
      "{",
      "\"",
      "{\"dataDir\":\"",
      "{\"dataDir\":\"\\",
      "{\"dataDir\":null,\"x\":\"/d\"}",
      "{\"x\":\"dataDir\",\"y\":\"/d\"}",
      "{\"dataDir\":1 \"/d\"}",
      "{\"dataDir\":[\"/d\"]}",
      "[{\"dataDir\":\"/d\"}]",
      "{\"dataDir\\\":\":\"/d\"}",
  };
  for (size_t index = 0; index < sizeof configs / sizeof configs[0]; index++) {
    EXPECT(is_allowed_with(configs[index], 'd', 1, (const char *const[]){"/d/x"}), false);
    EXPECT(is_allowed_with(configs[index], 'd', 1, (const char *const[]){"/var/lib/cni/flannel/x"}), true);
  }
  EXPECT(is_allowed_with("{\"dataDir\":\"/d\"", 'd', 1, (const char *const[]){"/d/x"}), true);
}

int main(void) {
  test_plugins();
  test_variables();
  test_attachments();
  test_saves();
  test_configs();
  EXPECT(is_allowed('a', ""), true);
}
