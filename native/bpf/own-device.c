/* Names by if_nametoindex(3), removal by rtnetlink(7). */
#include "own-device.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "rtnetlink.h"

enum { MOST_INDEX = 1000000 }; /* keeps a name below IF_NAMESIZE */

void weft_own_device_name(char *name, const char *kind, unsigned tun_index, unsigned which) {
  snprintf(name, IF_NAMESIZE, "%.7s%u%c", kind, tun_index % MOST_INDEX, (char)('a' + which));
}

bool weft_own_device_is(const char *name) {
  return strncmp(name, WEFT_OWN_DEVICE_PREFIX, strlen(WEFT_OWN_DEVICE_PREFIX)) == 0;
}

void weft_own_device_remove(const char *name) {
  struct weft_rtnl_request request;
  const struct ifinfomsg link = {.ifi_index = (int)if_nametoindex(name)};
  weft_rtnl_begin(&request, RTM_DELLINK, 0, &link, sizeof(link));
  if (link.ifi_index != 0) weft_rtnl_send(&request);
}

unsigned weft_own_device_choose(const char *kind, unsigned tun_index) {
  char name[IF_NAMESIZE];
  for (unsigned which = 0; which < WEFT_OWN_DEVICE_NAMES; which++) {
    weft_own_device_name(name, kind, tun_index, which);
    if (if_nametoindex(name) == 0) return which;
  }
  weft_own_device_remove(name);
  return WEFT_OWN_DEVICE_NAMES - 1;
}

static bool is_other(char *name, const char *kind, unsigned tun_index, unsigned which, const char *kept) {
  weft_own_device_name(name, kind, tun_index, which);
  return strcmp(name, kept) != 0 && if_nametoindex(name) != 0;
}

bool weft_own_device_has_others(const char *kind, unsigned tun_index, const char *kept) {
  char name[IF_NAMESIZE];
  for (unsigned which = 0; which < WEFT_OWN_DEVICE_NAMES; which++)
    if (is_other(name, kind, tun_index, which, kept)) return true;
  return false;
}

void weft_own_device_remove_others(const char *kind, unsigned tun_index, const char *kept) {
  char name[IF_NAMESIZE];
  for (unsigned which = 0; which < WEFT_OWN_DEVICE_NAMES; which++)
    if (is_other(name, kind, tun_index, which, kept)) weft_own_device_remove(name);
}

/* Whether the name is one of this kind, of a TUN device that is gone. */
static bool is_stale(const char *name, const char *kind) {
  unsigned tun_index;
  char suffix, ignored[IF_NAMESIZE];
  const size_t bytes = strlen(kind);
  if (strncmp(name, kind, bytes) != 0 || sscanf(name + bytes, "%6u%c", &tun_index, &suffix) != 2) return false;
  return suffix >= 'a' && suffix < 'a' + WEFT_OWN_DEVICE_NAMES && !if_indextoname(tun_index, ignored);
}

void weft_own_device_remove_stale(const char *kind) {
  struct if_nameindex *interfaces = if_nameindex();
  for (const struct if_nameindex *at = interfaces; at && at->if_index != 0; at++)
    if (is_stale(at->if_name, kind)) weft_own_device_remove(at->if_name);
  if (interfaces) if_freenameindex(interfaces);
}
