/* The file that `weft cni install` writes and packages have is this program with the plugin in
 * JavaScript behind it: ELF, then "#!INTERPRETER [ARGUMENT]" and the rest of the script. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cni/fallback.h"

/* MAX_ARG_STRLEN of the kernel: longest argument of a program. */
enum { MAX_SCRIPT = 128 << 10 };

bool weft_cni_is_weft(const char *name) {
  (void)name;
  return true;
}

/* 5 is an I/O failure. */
static int fail(const char *what, const char *path) {
  printf("{\"cniVersion\":\"1.0.0\",\"code\":5,\"msg\":\"weft-cni: %s %s: %s; run weft cni install again\"}\n", what,
         path, strerror(errno));
  return 1;
}

/* Where a static ELF file ends: the section headers are its last part. Returns -1 if it is none. */
static off_t elf_end(int file) {
  Elf64_Ehdr header;
  if (pread(file, &header, sizeof header, 0) != (ssize_t)sizeof header) return -1;
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return -1;
  return (off_t)(header.e_shoff + (Elf64_Off)header.e_shentsize * header.e_shnum);
}

/* Reads the script; NULL with errno. */
static char *read_script(const char *path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) < 0) return NULL;
  const off_t start = elf_end(file);
  const off_t size = status.st_size - start;
  errno = ENOEXEC;
  if (start < 0 || size < 2 || size >= MAX_SCRIPT) return NULL;
  char *const script = malloc((size_t)size + 1);
  if (script == NULL || pread(file, script, (size_t)size, start) != size) return NULL;
  script[size] = '\0';
  return strncmp(script, "#!", 2) == 0 ? script : NULL;
}

int weft_cni_start_plugin(const char *self) {
  char *const script = read_script(self);
  if (script == NULL) return fail("cannot read the plugin in", self);
  char *const end = strchr(script, '\n');
  errno = ENOEXEC;
  if (end == NULL) return fail("cannot read the plugin in", self);
  *end = '\0';
  char *const interpreter = script + 2;
  char *const argument = strchr(interpreter, ' ');
  if (argument != NULL) *argument = '\0';
  if (argument != NULL) execl(interpreter, interpreter, argument + 1, "-e", end + 1, NULL);
  else execl(interpreter, interpreter, "-e", end + 1, NULL);
  return fail("cannot start", interpreter);
}
