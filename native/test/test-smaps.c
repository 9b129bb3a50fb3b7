/* Mappings that smaps shows as clean: those that a fault reads from their file again. */
#include "src/smaps.h"

#include <string.h>

#include "support/expect.h"

#define CODE "7f0000400000-7f0002400000 r-xp 00600000 fe:00 1234                       /usr/bin/node\n"
#define REST                                                                                                           \
  "Size:              32768 kB\nRss:               11264 kB\nPrivate_Dirty:         0 kB\nReferenced:     11264 kB\n"

/* Number of clean mappings, the last of which is `mapping`. */
static int count_clean(const char *text, struct weft_mapping *mapping) {
  char line[256];
  int count = 0;
  struct weft_mapping read = {0};
  for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
    memcpy(line, text, (size_t)(end + 1 - text));
    line[end + 1 - text] = '\0';
    if (!weft_smaps_is_clean(&read, line)) continue;
    count++;
    *mapping = read;
  }
  return count;
}

static void expect_clean(const char *text, int expected) {
  struct weft_mapping mapping;
  EXPECT(count_clean(text, &mapping), expected);
}

static void test_clean(void) {
  struct weft_mapping mapping = {0};
  EXPECT(count_clean(CODE REST "Anonymous:             0 kB\nAnonHugePages:         0 kB\nSwap:                  0 kB\n"
                               "SwapPss:               0 kB\nLocked:                0 kB\nVmFlags: rd ex mr mw me\n",
                     &mapping),
         1);
  EXPECT(mapping.start, 0x7f0000400000);
  EXPECT(mapping.end, 0x7f0002400000);
}

/* Pages that were written and swapped out count as swap alone. */
static void test_written(void) {
  expect_clean(CODE REST "Anonymous:             4 kB\nSwap:                  0 kB\nSwapPss:               0 kB\n", 0);
  expect_clean(CODE REST "Anonymous:             0 kB\nSwap:                  8 kB\nSwapPss:               0 kB\n", 0);
  expect_clean(CODE REST "Anonymous:             4 kB\nSwap:                  8 kB\nSwapPss:               8 kB\n", 0);
}

static void test_lines_that_lack(void) {
  expect_clean(CODE REST "Anonymous:             0 kB\nSwapPss:               0 kB\n", 0);
  expect_clean(CODE REST "Swap:                  0 kB\n", 0);
  /* A mapping takes nothing of the one before it. */
  expect_clean(CODE REST "Anonymous:             0 kB\n" CODE "Swap:                  0 kB\n", 0);
  expect_clean("Swap:                  0 kB\n", 0);
}

static void test_others(void) {
#define CLEAN "Anonymous:             0 kB\nSwap:                  0 kB\n"
  expect_clean("7f0000400000-7f0002400000 rw-p 00600000 fe:00 1234 /usr/bin/node\n" CLEAN, 0);
  expect_clean("7f0000400000-7f0002400000 r--s 00000000 fe:00 1234 /file\n" CLEAN, 0);
  expect_clean("7f0000400000-7f0002400000 r-xp 00000000 00:00 0 \n" CLEAN, 0);
  expect_clean(CODE CLEAN CODE CLEAN, 2);
}

int main(void) {
  test_clean();
  test_written();
  test_lines_that_lack();
  test_others();
}
