/* The calls of bpf(2) that the kernel's share needs. Negative errno on failure; descriptors are closed on exec. */
#ifndef WEFT_BPF_SYSCALL_H
#define WEFT_BPF_SYSCALL_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

int weft_bpf_map_create(enum bpf_map_type type, size_t key_bytes, size_t value_bytes, unsigned entries);
int weft_bpf_map_update(int map, const void *key, const void *value);
int weft_bpf_map_lookup(int map, const void *key, void *value);
int weft_bpf_map_delete(int map, const void *key);
/* How many values a map that has one a CPU gives: one for each that could ever be there. */
unsigned weft_bpf_possible_cpus(void);

/* Loads a program of the traffic control hooks; `maps` are those that it names (bpf/shared.h). */
int weft_bpf_prog_load(const uint64_t *instructions, size_t bytes, const int *maps);

/* Attaches a program to an interface; it stays as long as the link is open anywhere. `type`: one of TCX. */
int weft_bpf_link_create(int program_fd, unsigned index, unsigned type);
/* Puts a program in the place of the one that the link leads to, without a packet between that meets neither. */
int weft_bpf_link_update(int link_fd, int program_fd);
/* Of the interface that a link of this type leads to; 0: to none, for the kernel cuts it off from one that is removed. */
unsigned weft_bpf_link_ifindex(int link_fd, unsigned type);

#endif
