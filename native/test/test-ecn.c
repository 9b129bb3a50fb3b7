/* Congestion marks across the tunnel: all sixteen cases of RFC 6040 figure 4, in both families. */
#include "packet/ecn.h"

#include "support/build-packet.h"
#include "support/expect.h"

enum { NOT_ECT = 0, ECT_1 = 1, ECT_0 = 2, CE = 3, DROP = -1 };

static const struct {
  unsigned inner, outer;
  int result;
} FIGURE_4[] = {
    {NOT_ECT, NOT_ECT, NOT_ECT}, {NOT_ECT, ECT_0, NOT_ECT}, {NOT_ECT, ECT_1, NOT_ECT}, {NOT_ECT, CE, DROP},
    {ECT_0, NOT_ECT, ECT_0},     {ECT_0, ECT_0, ECT_0},     {ECT_0, ECT_1, ECT_1},     {ECT_0, CE, CE},
    {ECT_1, NOT_ECT, ECT_1},     {ECT_1, ECT_0, ECT_1},     {ECT_1, ECT_1, ECT_1},     {ECT_1, CE, CE},
    {CE, NOT_ECT, CE},           {CE, ECT_0, CE},           {CE, ECT_1, CE},           {CE, CE, CE},
};

enum { DSCP = 0xb8 };

static void test_egress(unsigned family) {
  for (size_t i = 0; i < sizeof(FIGURE_4) / sizeof(FIGURE_4[0]); i++) {
    struct shape shape = {.family = family, .protocol = WEFT_PROTOCOL_UDP, .flow_label = 0xfffff, .ttl = 9};
    uint8_t data[100], expected[100];
    struct weft_packet packet;
    shape.tos = DSCP | FIGURE_4[i].inner;
    const size_t length = build_packet(data, &shape, (const uint8_t *)"payload", 7);
    /* Where it is dropped nothing is changed either. */
    shape.tos = DSCP | (FIGURE_4[i].result < 0 ? FIGURE_4[i].inner : (unsigned)FIGURE_4[i].result);
    build_packet(expected, &shape, (const uint8_t *)"payload", 7);
    EXPECT(weft_packet_parse(data, length, &packet), 0);
    /* The outer DSCP is of no interest. */
    EXPECT(weft_ecn_decap(data, &packet, (uint8_t)(0x48 | FIGURE_4[i].outer)),
           FIGURE_4[i].result < 0 ? WEFT_DROP_RX_ECN : 0);
    EXPECT_BYTES(data, expected, length);
    EXPECT(packet.tos, shape.tos);
  }
}

static void test_ingress(void) {
  for (unsigned tos = 0; tos < 256; tos++) {
    EXPECT(weft_ecn_encap((uint8_t)tos, false), tos & 3);
    EXPECT(weft_ecn_encap((uint8_t)tos, true), tos);
  }
}

int main(void) {
  test_egress(4);
  test_egress(6);
  test_ingress();
}
