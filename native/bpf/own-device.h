/*
 * Devices that the BPF fast path makes beside a TUN device. The index of that device is in their
 * names. There are two names a kind: for the device of this process, and for that of the process
 * before, which stays until the program that uses it is replaced.
 */
#ifndef WEFT_OWN_DEVICE_H
#define WEFT_OWN_DEVICE_H

#include <net/if.h>
#include <stdbool.h>

#define WEFT_OWN_DEVICE_PREFIX "weft-"

enum { WEFT_OWN_DEVICE_NAMES = 2 };

/*
 * `which`: below WEFT_OWN_DEVICE_NAMES. The kind has seven characters: WEFT_OWN_DEVICE_PREFIX and
 * two.
 */
void weft_own_device_name(char *name, const char *kind, unsigned tun_index, unsigned which);

/*
 * Returns which name to take: the first free one. Both are taken only if two processes died before
 * they removed theirs; the device of the second is then removed.
 */
unsigned weft_own_device_choose(const char *kind, unsigned tun_index);

/* Whether the name is one of any kind. */
bool weft_own_device_is(const char *name);
void weft_own_device_remove(const char *name);

/* Whether there are devices of this kind and TUN device but for `kept` (empty: none). */
bool weft_own_device_has_others(const char *kind, unsigned tun_index, const char *kept);
/* Removes them. */
void weft_own_device_remove_others(const char *kind, unsigned tun_index, const char *kept);
/* Removes those of all TUN devices that are gone. */
void weft_own_device_remove_stale(const char *kind);

#endif
