/* bpf(2) without a library. */
#include "syscall.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/kernel/shared.h"

enum {
  /* BPF_LD | BPF_IMM | BPF_DW: loads a 64-bit constant, here a map descriptor. */
  CODE_LOAD_64 = 0x18,
  LINK_TYPE_TCX = 11, /* Linux 6.6; headers may be older */
};

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  const long result = syscall(SYS_bpf, command, attributes, sizeof(*attributes));
  return result < 0 ? -errno : (int)result;
}

static uint64_t pointer(const void *address) {
  return (uint64_t)(uintptr_t)address;
}

/* --- Maps --- */

int weft_bpf_map_create(enum bpf_map_type type, size_t key_bytes, size_t value_bytes, unsigned entries) {
  union bpf_attr attributes = {.map_type = type,
                               .key_size = (uint32_t)key_bytes,
                               .value_size = (uint32_t)value_bytes,
                               .max_entries = entries,
                               .map_flags = type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : 0};
  return bpf(BPF_MAP_CREATE, &attributes);
}

int weft_bpf_map_update(int map, const void *key, const void *value) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value), .flags = BPF_ANY};
  return bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}

int weft_bpf_map_lookup(int map, const void *key, void *value) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value)};
  return bpf(BPF_MAP_LOOKUP_ELEM, &attributes);
}

int weft_bpf_map_delete(int map, const void *key) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = pointer(key)};
  return bpf(BPF_MAP_DELETE_ELEM, &attributes);
}

unsigned weft_bpf_possible_cpus(void) {
  /* The largest CONFIG_NR_CPUS, if the list is missing. */
  enum { MOST = 8192 };
  unsigned last = 0, number;
  bool is_known = false;
  FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
  /* Ranges and numbers, for example 0-3,8. The last number is the highest. */
  while (file && fscanf(file, "%*[-,]") != EOF && fscanf(file, "%u", &number) == 1) {
    last = number;
    is_known = true;
  }
  if (file) fclose(file);
  return is_known && last < MOST ? last + 1 : MOST;
}

/* --- Programs --- */

/* Replaces map names in the program with map descriptors. */
static void name_maps(struct bpf_insn *code, size_t count, const int *maps) {
  for (size_t at = 0; at + 1 < count; at++) {
    if (code[at].code != CODE_LOAD_64 || code[at].src_reg != 0) continue;
    if ((uint32_t)code[at + 1].imm == WEFT_MAP_MARK && (uint32_t)code[at].imm < WEFT_MAP_COUNT) {
      code[at].src_reg = BPF_PSEUDO_MAP_FD;
      code[at].imm = maps[code[at].imm];
      code[at + 1].imm = 0;
    }
    at++;
  }
}

int weft_bpf_prog_load(const uint64_t *instructions, size_t bytes, const int *maps) {
  struct bpf_insn *code = malloc(bytes);
  if (!code) return -ENOMEM;
  memcpy(code, instructions, bytes);
  name_maps(code, bytes / sizeof(*code), maps);
  union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
                               .insns = pointer(code),
                               .insn_cnt = (uint32_t)(bytes / sizeof(*code)),
                               .license = pointer("GPL")};
  memcpy(attributes.prog_name, "weft_bpf_path", sizeof("weft_bpf_path"));
  const int fd = bpf(BPF_PROG_LOAD, &attributes);
  free(code);
  return fd;
}

uint32_t weft_bpf_prog_id(int program_fd) {
  struct bpf_prog_info info = {0};
  union bpf_attr attributes = {
      .info = {.bpf_fd = (uint32_t)program_fd, .info_len = sizeof(info), .info = pointer(&info)}};
  return bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) < 0 ? 0 : info.id;
}

/* --- Links --- */

int weft_bpf_link_create(int program_fd, unsigned index, unsigned type) {
  union bpf_attr attributes = {
      .link_create = {.prog_fd = (uint32_t)program_fd, .target_ifindex = index, .attach_type = type}};
  return bpf(BPF_LINK_CREATE, &attributes);
}

int weft_bpf_link_update(int link_fd, int program_fd) {
  union bpf_attr attributes = {.link_update = {.link_fd = (uint32_t)link_fd, .new_prog_fd = (uint32_t)program_fd}};
  return bpf(BPF_LINK_UPDATE, &attributes);
}

unsigned weft_bpf_link_ifindex(int link_fd, unsigned type) {
  struct bpf_link_info info = {0};
  union bpf_attr attributes = {.info = {.bpf_fd = (uint32_t)link_fd, .info_len = sizeof(info), .info = pointer(&info)}};
  if (link_fd < 0 || bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) < 0 || info.type != LINK_TYPE_TCX) return 0;
  /* TCX stores ifindex and attach type at the place of netns. Older headers have netns only. */
  return info.netns.attach_type == type ? info.netns.netns_ino : 0;
}
