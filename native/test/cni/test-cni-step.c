/* The steps that the daemon has weft-cni take, in a folder of the test. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cni/session.h"
#include "support/expect.h"

static char folder[] = "/tmp/weft-test-cni-XXXXXX";
static struct weft_cni_buffer request, reply;
static struct weft_cni_frame answer;
static struct weft_cni_progress progress;
/* Names the folders and files of the tests, which take turns. */
static char config[1024];

static const char *path(const char *name) {
  static char paths[4][256];
  static unsigned next;
  char *const made = paths[next++ % 4];
  snprintf(made, sizeof paths[0], "%s/%s", folder, name);
  return made;
}

static void begin(char operation) {
  request.size = reply.size = 0;
  weft_cni_free(&progress.output);
  progress = (struct weft_cni_progress){0};
  weft_cni_begin(&request, operation);
}

/* Takes the step; `answer` has the reply. */
static bool take(void) {
  struct weft_cni_frame frame;
  weft_cni_end(&request, 0);
  EXPECT(weft_cni_parse(request.data, request.size, &frame), (ssize_t)request.size);
  const struct weft_cni_field input = {config, strlen(config)};
  if (!weft_cni_step(&frame, &input, &progress, &reply)) return false;
  if (!progress.is_done) EXPECT(weft_cni_parse(reply.data, reply.size, &answer), (ssize_t)reply.size);
  return true;
}

static bool take_texts(char operation, size_t count, const char *const texts[]) {
  begin(operation);
  for (size_t index = 0; index < count; index++) weft_cni_add_text(&request, texts[index]);
  return take();
}

static void expect_field(size_t index, const char *text) {
  EXPECT(index < answer.count, true);
  EXPECT(strcmp(answer.fields[index].data, text), 0);
}

static void expect_error(int number, const char *call) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  EXPECT(answer.operation, 'e');
  expect_field(0, text);
  expect_field(1, call);
}

static void save(const char *name, const char *text) {
  char where[64], temporary[256], file[256];
  snprintf(where, sizeof where, "%s/a/b", folder);
  snprintf(temporary, sizeof temporary, "%s/.%s", where, name);
  snprintf(file, sizeof file, "%s/%s", where, name);
  EXPECT(take_texts('s', 4, (const char *const[]){where, temporary, file, text}), true);
}

static void test_files(void) {
  struct stat status;
  save("one", "text");
  EXPECT(answer.operation, 'o');
  EXPECT(stat(path("a/b"), &status), 0);
  EXPECT(status.st_mode & 0777, 0700);
  EXPECT(stat(path("a/b/one"), &status), 0);
  EXPECT(status.st_mode & 0777, 0600);
  EXPECT(take_texts('r', 1, (const char *const[]){path("a/b/one")}), true);
  expect_field(0, "text");
  EXPECT(take_texts('l', 1, (const char *const[]){path("a/b")}), true);
  expect_field(0, "one/");
  /* A folder in place of the file is removed with all in it. */
  EXPECT(mkdir(path("a/b/two"), 0700), 0);
  EXPECT(mkdir(path("a/b/two/x"), 0700), 0);
  save("two", "");
  EXPECT(take_texts('r', 1, (const char *const[]){path("a/b/two")}), true);
  expect_field(0, "");
  for (int round = 0; round < 2; round++) {
    EXPECT(take_texts('d', 1, (const char *const[]){path("a")}), true);
    EXPECT(answer.operation, 'o');
    EXPECT(access(path("a"), F_OK), -1);
  }
}

static void test_errors(void) {
  EXPECT(take_texts('r', 1, (const char *const[]){path("none")}), true);
  expect_error(ENOENT, "open");
  EXPECT(take_texts('r', 1, (const char *const[]){folder}), true);
  expect_error(EISDIR, "read");
  expect_field(2, "");
  EXPECT(take_texts('l', 1, (const char *const[]){path("none")}), true);
  expect_error(ENOENT, "scandir");
  FILE *const file = fopen(path("a"), "w");
  fclose(file);
  save("one", "text");
  expect_error(ENOTDIR, "mkdir");
  EXPECT(unlink(path("a")), 0);
}

static void test_find(void) {
  EXPECT(take_texts('f', 3, (const char *const[]){path("none"), "/bin/sh", "/bin/sh"}), true);
  expect_field(0, "1");
  EXPECT(take_texts('f', 1, (const char *const[]){path("none")}), true);
  EXPECT(answer.count, 0);
  EXPECT(take_texts('f', 0, NULL), true);
  EXPECT(answer.count, 0);
}

static void script(const char *text) {
  FILE *const file = fopen(path("program"), "w");
  fprintf(file, "#!/bin/sh\n%s\n", text);
  fclose(file);
  EXPECT(chmod(path("program"), 0700), 0);
}

static bool run(const char *is_answer, const char *input) {
  const char *const texts[] = {is_answer, path("program"), input, "CNI_COMMAND=DEL"};
  return take_texts('x', 4, texts);
}

static void test_run(void) {
  setenv("CNI_COMMAND", "ADD", 1);
  setenv("CNI_IFNAME", "eth0", 1);
  setenv("OTHER", "kept", 1);
  /* Of CNI's variables the program has those of the daemon alone. */
  script("cat; printf ' %s %s %s' \"$CNI_COMMAND\" \"$CNI_IFNAME\" \"$OTHER\"; exit 3");
  EXPECT(run("1", "in"), true);
  EXPECT(progress.has_run, true);
  EXPECT(progress.is_done, false);
  expect_field(0, "3");
  expect_field(1, "0");
  expect_field(2, "0");
  expect_field(3, "in DEL  kept");
  script("kill -9 $$");
  EXPECT(run("1", ""), true);
  expect_field(0, "-1");
  expect_field(1, "9");
  script("printf done");
  EXPECT(run("0", "unread"), true);
  EXPECT(progress.is_done, false);
  expect_field(3, "done");
  EXPECT(run("1", "unread"), true);
  EXPECT(progress.is_done, true);
  EXPECT(progress.output.size, 4);
  EXPECT(unlink(path("program")), 0);
  EXPECT(run("1", ""), true);
  expect_field(2, "2");
}

/* Part of an output is no answer, also of a program that succeeds. */
static void test_long_output(void) {
  char expected[16];
  snprintf(expected, sizeof expected, "%d", ENOBUFS);
  script("trap '' TERM PIPE; head -c 1048577 /dev/zero 2>/dev/null; exit 0");
  EXPECT(run("1", ""), true);
  EXPECT(progress.is_done, false);
  expect_field(0, "-1");
  expect_field(2, expected);
  expect_field(3, "");
  script("head -c 1048576 /dev/zero");
  EXPECT(run("1", ""), true);
  EXPECT(progress.is_done, true);
  EXPECT(progress.output.size, 1048576);
  EXPECT(unlink(path("program")), 0);
}

/* What rights.h leaves out is not done. */
static void test_refusals(void) {
  EXPECT(mkdir(path("kept"), 0700), 0);
  script("exit 0");
  EXPECT(take_texts('d', 1, (const char *const[]){path("kept/..")}), false);
  EXPECT(take_texts('d', 1, (const char *const[]){path("kept/x")}), false);
  EXPECT(take_texts('s', 4, (const char *const[]){path("kept"), path("kept/.x"), path("kept/x"), ""}), false);
  EXPECT(access(path("kept/x"), F_OK), -1);
  EXPECT(take_texts('r', 1, (const char *const[]){"/etc/passwd"}), false);
  EXPECT(take_texts('l', 1, (const char *const[]){"/etc"}), false);
  EXPECT(take_texts('x', 3, (const char *const[]){"0", "/usr/bin/env", ""}), false);
  EXPECT(take_texts('x', 4, (const char *const[]){"0", path("program"), "", "LD_PRELOAD=x"}), false);
  EXPECT(progress.has_run, false);
  EXPECT(rmdir(path("kept")), 0);
  EXPECT(unlink(path("program")), 0);
}

static void test_answer(void) {
  EXPECT(take_texts('a', 2, (const char *const[]){"1", "text"}), true);
  EXPECT(progress.is_done, true);
  EXPECT(progress.exit_code, 1);
  EXPECT(progress.output.size, 4);
}

static void test_rejects(void) {
  EXPECT(take_texts('?', 1, (const char *const[]){"x"}), false);
  EXPECT(take_texts('r', 0, NULL), false);
  EXPECT(take_texts('s', 3, (const char *const[]){"a", "b", "c"}), false);
  EXPECT(take_texts('x', 2, (const char *const[]){"1", "/bin/sh"}), false);
  begin('r');
  weft_cni_add(&request, "/etc\0/x", 7);
  EXPECT(take(), false);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(config, sizeof config,
           "{\"dataDir\":\"%s\",\"dataDir\":\"%s/a/b\",\"dataDir\":\"%s/none\",\"subnetFile\":\"%s\"}", folder, folder,
           folder, folder);
  char folders[64];
  snprintf(folders, sizeof folders, "%s:/bin", folder);
  setenv("CNI_PATH", folders, 1);
  test_files();
  test_errors();
  test_find();
  test_run();
  test_long_output();
  test_answer();
  test_rejects();
  test_refusals();
  weft_cni_free(&request);
  weft_cni_free(&reply);
  weft_cni_free(&progress.output);
  EXPECT(rmdir(folder), 0);
}
