/* The file in /opt/cni/bin that container runtimes start, under the name of a plugin of weft's
 * image. Static, so that it runs on hosts without glibc or Node. It starts the plugin with the
 * loader, the libraries and the Node that `weft cni copy` put into a folder beside it:
 *
 *   weft-cni, bridge, …   copies of this program
 *   .weft -> .weft-DIGEST symbolic link, replaced atomically
 *   .weft/ld.so, lib/     loader and libraries
 *   .weft/bin/            node and the standard plugins
 *   .weft/weft-cni.cjs    the plugin of weft
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/fallback.h"

/* `weft cni copy` recognizes its files by this text. */
static const char marker[] = "weft-cni-launcher";

bool weft_cni_is_weft(const char *name) {
  return strcmp(name, "weft-cni") == 0 || strcmp(name, "flannel") == 0;
}

/* Reads a symbolic link; the result ends with a null byte. Returns the length, or -1. */
static ssize_t read_link(const char *path, char *buffer, size_t size) {
  const ssize_t length = readlink(path, buffer, size - 1);
  if (length < 0) return -1;
  buffer[length] = '\0';
  return length;
}

/* An error result of the CNI specification; 5 is an I/O failure. */
static int fail(const char *what, const char *path) {
  printf("{\"cniVersion\":\"1.0.0\",\"code\":5,\"msg\":\"%s: %s %s: %s; restart the pod of weft on this "
         "node, which installs it again\"}\n",
         marker, what, path, strerror(errno));
  return 1;
}

int weft_cni_start_plugin(const char *path) {
  char self[PATH_MAX], link[PATH_MAX + 8], version[NAME_MAX + 1];
  snprintf(self, sizeof self, "%s", path);
  char *const slash = strrchr(self, '/');
  if (slash == NULL) {
    errno = EINVAL;
    return fail("cannot find the folder of", self);
  }
  const char *const name = slash + 1;
  *slash = '\0';
  snprintf(link, sizeof link, "%s/.weft", self);
  /* Resolved once: the link may be replaced while the plugin starts, and the folder behind it
   * stays. */
  if (read_link(link, version, sizeof version) < 0) return fail("cannot read", link);

  char loader[2 * PATH_MAX], library[2 * PATH_MAX], program[2 * PATH_MAX], script[2 * PATH_MAX];
  const bool is_weft = weft_cni_is_weft(name);
  snprintf(loader, sizeof loader, "%s/%s/ld.so", self, version);
  snprintf(library, sizeof library, "%s/%s/lib", self, version);
  snprintf(program, sizeof program, "%s/%s/bin/%s", self, version, is_weft ? "node" : name);
  snprintf(script, sizeof script, "%s/%s/weft-cni.cjs", self, version);
  /* Meant for programs of the host. */
  unsetenv("LD_PRELOAD");
  unsetenv("LD_LIBRARY_PATH");
  unsetenv("NODE_OPTIONS");
  execl(loader, loader, "--inhibit-cache", "--library-path", library, program, is_weft ? script : NULL, NULL);
  return fail("cannot start", loader);
}
