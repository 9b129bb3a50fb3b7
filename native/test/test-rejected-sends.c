/*
 * An underlay that rejects messages: UDP_SEGMENT is turned off at its first rejection, and the
 * stream continues without a lost or changed packet; errors of earlier datagrams cost nothing; what
 * cannot be sent is counted.
 */
#include "support/expect.h"
#include "support/fake-kernel.h"
#include "support/fake-worker.h"

static int refuse_super(const struct fake_item *message) {
  return message->segment_bytes ? rejection_error : 0;
}

static void test_gso_rejected(int error, unsigned protocol) {
  const struct shape shape = shape_of(protocol);
  begin();
  rejection_error = error;
  fake.reject_message = refuse_super;
  give_super(&shape, SEGMENTS);
  EXPECT(weft_tx_drain(worker), 1);
  expect_segments_sent(&shape, SEGMENTS);
  EXPECT(atomic_load(&path.offloads.gso), false);
  const unsigned tried = fake.super_messages;
  give_super(&shape, SEGMENTS);
  give_super(&shape, 49);
  EXPECT(weft_tx_drain(worker), 2);
  for (unsigned index = 0; index < SEGMENTS; index++) expect_sent(build_segment(&shape, index));
  expect_segments_sent(&shape, 49);
  EXPECT(fake.super_messages, tried);
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  EXPECT(counted(WEFT_TX_PACKETS), 2 * SEGMENTS + 49);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* Runs that were gathered before the refusal of the first: small packets to two peers in turns. */
static void test_gso_refused_many_runs(void) {
  begin();
  rejection_error = EIO;
  fake.reject_message = refuse_super;
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  for (unsigned index = 0; index < 90; index++) {
    shape.family = index / 3 % 2 ? 6 : 4;
    shape.source_port = index;
    give_packet(&shape, 100);
  }
  EXPECT(weft_tx_drain(worker), 90);
  for (unsigned index = 0; index < 90; index++) {
    shape.family = index / 3 % 2 ? 6 : 4;
    shape.source_port = index;
    expect_sent(build_packet(built, &shape, noise, 100));
  }
  EXPECT(counted(WEFT_OFFLOADS_DROPPED), 1);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* An error that is not this message's: sent a second time, the offload stays. */
static void test_refused_once(int error) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  rejection_error = error;
  rejections_left = 1;
  fake.reject_message = reject_some;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_segments_sent(&shape, SEGMENTS);
  EXPECT(atomic_load(&path.offloads.gso), true);
  EXPECT(fake.polls, error == EAGAIN);
  EXPECT(counted(WEFT_TX_SENDS), 1);
  expect_drops(WEFT_DROP_TX_REFUSED, 0);
  end();
}

/* An error that stays: all is counted, and the next packet is tried. */
static void test_refused_always(int error, enum weft_drop_reason drop, bool is_full) {
  const struct shape shape = shape_of(WEFT_PROTOCOL_TCP);
  begin();
  rejection_error = error;
  rejections_left = UINT32_MAX;
  fake.reject_message = reject_some;
  fake.is_full = is_full;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_drops(drop, SEGMENTS);
  EXPECT(counted(WEFT_TX_PACKETS), 0);
  EXPECT(atomic_load(&path.offloads.gso), true);
  rejections_left = 0;
  give_super(&shape, SEGMENTS);
  weft_tx_drain(worker);
  expect_segments_sent(&shape, SEGMENTS);
  expect_drops(drop, SEGMENTS);
  end();
}

/* sendmmsg may take fewer messages than it got. */
static void test_partial_counts(unsigned messages_a_call) {
  begin();
  fake.messages_a_call = messages_a_call;
  struct shape shape = shape_of(WEFT_PROTOCOL_UDP);
  for (unsigned index = 0; index < 40; index++) {
    shape.id = index;
    give_packet(&shape, 40 + index);
  }
  weft_tx_drain(worker);
  for (unsigned index = 0; index < 40; index++) {
    shape.id = index;
    expect_sent(build_packet(built, &shape, noise, 40 + index));
  }
  EXPECT(fake.sent.taken, fake.sent.count);
  EXPECT(counted(WEFT_TX_PACKETS), 40);
  end();
}

int main(void) {
  static const int EARLIER[] = {EAGAIN, EINTR,  ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN,
                                ENONET, EACCES, EPROTO,       ENOPROTOOPT,  EOPNOTSUPP,  EMSGSIZE};
  fill_noise(noise, sizeof(noise));
  for (unsigned protocol = WEFT_PROTOCOL_TCP; protocol <= WEFT_PROTOCOL_UDP; protocol += 11) {
    test_gso_rejected(EIO, protocol);
    test_gso_rejected(EINVAL, protocol);
    test_gso_rejected(EMSGSIZE, protocol);
  }
  test_gso_refused_many_runs();
  for (size_t index = 0; index < sizeof(EARLIER) / sizeof(EARLIER[0]); index++) test_refused_once(EARLIER[index]);
  test_refused_always(EAGAIN, WEFT_DROP_TX_BUFFER_FULL, true);
  test_refused_always(EAGAIN, WEFT_DROP_TX_BUFFER_FULL, false);
  test_refused_always(ENOBUFS, WEFT_DROP_TX_BUFFER_FULL, false);
  test_refused_always(ENETUNREACH, WEFT_DROP_TX_REFUSED, false);
  test_refused_always(EPERM, WEFT_DROP_TX_REFUSED, false);
  test_partial_counts(1);
  test_partial_counts(3);
}
