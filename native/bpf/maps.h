/*
 * The maps of the BPF programs (kernel/shared.h): their config, the routes and the counts. Routes
 * mirror those of the workers. After an error the programs pass all packets to the workers.
 */
#ifndef WEFT_BPF_MAPS_H
#define WEFT_BPF_MAPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/kernel/shared.h"
#include "route/route.h"

enum { WEFT_BPF_IPV4_BITS = 32, WEFT_BPF_IPV6_BITS = 128 };

/* The two maps of the subnets of one family. */
struct weft_bpf_table {
  unsigned bits; /* of an address */
  enum weft_bpf_map main, overflow;
  unsigned routes_of[WEFT_BPF_IPV6_BITS + 1]; /* number of routes by prefix length */
  unsigned overflow_routes;                   /* of these, in `overflow` */
};

struct weft_bpf_maps {
  int fds[WEFT_MAP_COUNT];
  struct weft_bpf_config config;   /* as of the next weft_bpf_maps_publish, which computes parts of it */
  bool is_attached;                /* the programs of both interfaces */
  struct weft_bpf_table tables[2]; /* of IPv4 and IPv6 */
  pthread_mutex_t routes_lock;     /* workers change MTUs */
  unsigned cpus;
  int error; /* negative errno once its routes differ from those of the workers */
};

/* Returns 0 or negative errno. To be closed in either case. */
int weft_bpf_maps_open(struct weft_bpf_maps *maps, bool is_over6);
void weft_bpf_maps_close(struct weft_bpf_maps *maps);

/*
 * Publishes the config: which prefix lengths and maps are in use, and what the caller has set. A
 * packet that meets the old state goes to the workers.
 */
void weft_bpf_maps_publish(struct weft_bpf_maps *maps);

void weft_bpf_maps_set_route(struct weft_bpf_maps *maps, const struct weft_route *route);
/* Only this function may be called by workers: it changes the MTU of a route that is there. */
void weft_bpf_maps_update_mtu(struct weft_bpf_maps *maps, const struct weft_route *route);
void weft_bpf_maps_remove_route(struct weft_bpf_maps *maps, unsigned family, const uint8_t *subnet,
                                unsigned prefix_bits);

struct weft_bpf_counts weft_bpf_maps_totals(const struct weft_bpf_maps *maps);
/* Zero without such a route. */
struct weft_bpf_counts weft_bpf_maps_route_counts(const struct weft_bpf_maps *maps, const struct weft_route *route);

#endif
