#include "cni/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_OPEN_FOLDERS = 16, READ_BYTES = 16384 };

static const struct weft_cni_error OK = {0, "", "", ""};

static struct weft_cni_error failed(const char *call, const char *path) {
  return (struct weft_cni_error){errno, call, path, ""};
}

/* Reads until the end. Returns false with errno. */
static bool read_all(int file, struct weft_cni_buffer *content) {
  char chunk[READ_BYTES];
  for (;;) {
    const ssize_t count = read(file, chunk, sizeof chunk);
    if (count == 0) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    weft_cni_append(content, chunk, (size_t)count);
    if (content->failed || content->size > WEFT_CNI_MAX_FILE) {
      errno = EFBIG;
      return false;
    }
  }
}

struct weft_cni_error weft_cni_read(const char *path, struct weft_cni_buffer *reply) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed("open", path);
  struct weft_cni_buffer content = {0};
  struct weft_cni_error error = OK;
  /* Node names no path here. */
  if (read_all(file, &content)) weft_cni_add(reply, content.data, content.size);
  else error = failed("read", "");
  weft_cni_free(&content);
  close(file);
  return error;
}

struct weft_cni_error weft_cni_list(const char *path, struct weft_cni_buffer *reply) {
  DIR *const folder = opendir(path);
  if (folder == NULL) return failed("scandir", path);
  /* Separated by slashes, which no name has. */
  struct weft_cni_buffer names = {0};
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    weft_cni_append(&names, entry->d_name, strlen(entry->d_name));
    weft_cni_append(&names, "/", 1);
  }
  closedir(folder);
  weft_cni_add(reply, names.data, names.size);
  reply->failed |= names.failed;
  weft_cni_free(&names);
  return OK;
}

/* mkdir -p. Returns false with errno. */
static bool make_folder(const char *path) {
  char part[PATH_MAX];
  const size_t length = strlen(path);
  if (length >= sizeof part) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(part, path, length + 1);
  for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(part, 0700) < 0 && errno != EEXIST) return false;
    *slash = '/';
  }
  if (mkdir(path, 0700) == 0) return true;
  struct stat status;
  const int error = errno;
  if (error == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return true;
  errno = error;
  return false;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

struct weft_cni_error weft_cni_remove(const char *path) {
  if (unlink(path) == 0 || errno == ENOENT) return OK;
  if (errno != EISDIR) return failed("unlink", path);
  if (nftw(path, remove_entry, MAX_OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return OK;
  return failed("rmdir", path);
}

static struct weft_cni_error remove_if_folder(const char *path) {
  struct stat status;
  if (lstat(path, &status) < 0) return errno == ENOENT || errno == ENOTDIR ? OK : failed("lstat", path);
  return S_ISDIR(status.st_mode) ? weft_cni_remove(path) : OK;
}

static struct weft_cni_error write_file(const char *path, const struct weft_cni_field *text) {
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return failed("open", path);
  struct weft_cni_error error = OK;
  for (size_t done = 0; done < text->size && error.number == 0;) {
    const ssize_t count = write(file, text->data + done, text->size - done);
    if (count >= 0) done += (size_t)count;
    else if (errno != EINTR) error = failed("write", "");
  }
  close(file);
  return error;
}

struct weft_cni_error weft_cni_save(const char *folder, const char *temporary, const char *file,
                                    const struct weft_cni_field *text) {
  if (!make_folder(folder)) return failed("mkdir", folder);
  struct weft_cni_error error = remove_if_folder(temporary);
  if (error.number == 0) error = remove_if_folder(file);
  if (error.number == 0) error = write_file(temporary, text);
  if (error.number != 0) return error;
  if (rename(temporary, file) == 0) return OK;
  return (struct weft_cni_error){errno, "rename", temporary, file};
}

bool weft_cni_is_executable(const char *path) {
  return access(path, X_OK) == 0;
}
