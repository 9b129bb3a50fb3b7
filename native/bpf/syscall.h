/*
 * The bpf(2) commands of the BPF fast path. They return negative errno on failure. Descriptors are
 * close-on-exec.
 */
#ifndef WEFT_BPF_SYSCALL_H
#define WEFT_BPF_SYSCALL_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

int weft_bpf_map_create(enum bpf_map_type type, size_t key_bytes, size_t value_bytes, unsigned entries);
int weft_bpf_map_update(int map, const void *key, const void *value);
int weft_bpf_map_lookup(int map, const void *key, void *value);
int weft_bpf_map_delete(int map, const void *key);
/* Number of values that a per-CPU map returns: one for each possible CPU. */
unsigned weft_bpf_possible_cpus(void);

/* Loads a traffic control program. `maps` are the maps that it names (kernel/shared.h). */
int weft_bpf_prog_load(const uint64_t *instructions, size_t bytes, const int *maps);

/* Number of a loaded program; 0 on failure. */
uint32_t weft_bpf_prog_id(int program_fd);

/*
 * Attaches a program to an interface for as long as the link is open in any process. `type`: a TCX
 * attach type.
 */
int weft_bpf_link_create(int program_fd, unsigned index, unsigned type);
/* Replaces the program of a link atomically. */
int weft_bpf_link_update(int link_fd, int program_fd);
/*
 * Index of the interface of a link of this type. 0: none, as the kernel detaches links of a removed
 * interface.
 */
unsigned weft_bpf_link_ifindex(int link_fd, unsigned type);

#endif
