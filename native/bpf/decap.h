/* throwaway */
#ifndef WEFT_DECAP_H
#define WEFT_DECAP_H

#include <stdbool.h>
#include <stdint.h>

struct weft_decap {
  unsigned index; /* 0: none */
  uint32_t vni;
  uint16_t port; /* host order */
  uint8_t mac[6];
};

int weft_decap_open(struct weft_decap *decap, unsigned tun_index);

#endif
