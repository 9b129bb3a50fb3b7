/*
 * A TUN device that rejects super-packets: TSO and USO are turned off separately at their first
 * rejection, and coalesced packets are delivered one by one.
 */
#include "support/expect.h"
#include "support/fake-kernel.h"
#include "support/fake-worker.h"

static int refuse_super_write(const struct fake_item *packet) {
  return packet->header.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : rejection_error;
}

/* One coalesced datagram of `count` packets of a flow that peer 2 sends. */
static void receive_flow(const struct shape *shape, unsigned count) {
  static uint8_t whole[WEFT_MAX_PACKET];
  const struct weft_encap_settings settings = {0};
  const uint8_t mac[6] = {0};
  size_t length = 0, step = 0;
  for (unsigned index = 0; index < count; index++, length += step) {
    weft_encap_vxlan.make_header(whole + length, &settings, mac);
    step = WEFT_MAX_ENCAP_HEADER + build_segment(shape, index);
    memcpy(whole + length + WEFT_MAX_ENCAP_HEADER, built, step - WEFT_MAX_ENCAP_HEADER);
  }
  struct fake_item *item = fake_put_bytes(&fake.udp_in, whole, length);
  item->remote = remote_of(2);
  item->segment_bytes = (uint16_t)(count > 1 ? step : 0);
}

/* The next packets written are those of the flow, byte for byte as they came. */
static void expect_singles_written(const struct shape *shape, unsigned count) {
  static const struct virtio_net_hdr PLAIN = {0};
  for (unsigned index = 0; index < count; index++) {
    const struct fake_item *item = fake_next(&fake.tun_out);
    EXPECT(item != NULL, true);
    EXPECT(item->length, build_segment(shape, index));
    EXPECT_BYTES(item->bytes, built, item->length);
    EXPECT_BYTES(&item->header, &PLAIN, sizeof(PLAIN));
  }
}

static void test_tun_offload_rejected(unsigned protocol) {
  const struct shape shape = shape_of(protocol);
  const bool is_tcp = protocol == WEFT_PROTOCOL_TCP;
  begin();
  rejection_error = EINVAL;
  fake.reject_write = refuse_super_write;
  for (unsigned round = 0; round < 2; round++) {
    receive_flow(&shape, SEGMENTS);
    EXPECT(weft_rx_drain(worker), 1);
    expect_singles_written(&shape, SEGMENTS);
    /* The second time it is known, and the other protocol is not concerned. */
    EXPECT(fake.super_writes, 1);
    EXPECT(atomic_load(&path.offloads.tso), !is_tcp);
    EXPECT(atomic_load(&path.offloads.uso), is_tcp);
    EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
    EXPECT(counted(WEFT_RX_PACKETS), (round + 1) * SEGMENTS);
  }
  expect_drops(WEFT_DROP_RX_REFUSED, 0);
  end();
}

/* A super-packet that the kernel at the other end handed over whole has to be cut here. */
static void test_partial_rejected(unsigned protocol) {
  static uint8_t whole[WEFT_MAX_PACKET];
  const struct weft_encap_settings settings = {0};
  const uint8_t mac[6] = {0};
  struct shape shape = shape_of(protocol);
  const size_t header_bytes = shape_header_bytes(&shape);
  begin();
  rejection_error = EINVAL;
  fake.reject_write = refuse_super_write;
  atomic_store(&path.mtu, (uint32_t)(PAYLOAD + header_bytes));
  for (unsigned round = 1; round <= 2; round++) {
    const size_t length = build_packet(whole + WEFT_MAX_ENCAP_HEADER, &shape, noise, SEGMENTS * PAYLOAD);
    make_partial(whole + WEFT_MAX_ENCAP_HEADER, length, &shape);
    weft_encap_vxlan.make_header(whole, &settings, mac);
    struct fake_item *item = fake_put_bytes(&fake.udp_in, whole, WEFT_MAX_ENCAP_HEADER + length);
    item->remote = remote_of(2);
    item->segment_bytes = protocol == WEFT_PROTOCOL_UDP ? PAYLOAD : 0;
    weft_rx_drain(worker);
    expect_singles_written(&shape, SEGMENTS);
    EXPECT(counted(WEFT_RX_PACKETS), round * SEGMENTS);
    EXPECT(counted(WEFT_RX_BYTES), round * SEGMENTS * (PAYLOAD + header_bytes));
  }
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  expect_drops(WEFT_DROP_RX_REFUSED, 0);
  end();
}

/* A device that is down, or full: counted, nothing is given up. */
static void test_write_rejected(int error, bool is_once) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  rejection_error = error;
  rejections_left = is_once ? 1 : UINT32_MAX;
  fake.reject_write = reject_some;
  receive_flow(&shape, SEGMENTS);
  weft_rx_drain(worker);
  EXPECT(fake.tun_out.count, is_once);
  expect_drops(WEFT_DROP_RX_REFUSED, is_once ? 0 : SEGMENTS);
  EXPECT(atomic_load(&path.offloads.tso), true);
  end();
}

/* An error that an ICMP message left behind does not keep datagrams from being received. */
static void test_receive_error(void) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  fake.receive_error = ECONNREFUSED;
  fake.path_mtu_count = 2;
  receive_flow(&shape, 1);
  while (weft_rx_drain(worker) == 0) EXPECT(fake.path_mtu_count, 0);
  expect_singles_written(&shape, 1);
  end();
}

int main(void) {
  fill_noise(noise, sizeof(noise));
  for (unsigned protocol = WEFT_PROTOCOL_TCP; protocol <= WEFT_PROTOCOL_UDP; protocol += 11) {
    test_tun_offload_rejected(protocol);
    test_partial_rejected(protocol);
  }
  test_write_rejected(EIO, false);
  test_write_rejected(ENOBUFS, false);
  test_write_rejected(EINTR, true);
  test_receive_error();
}
