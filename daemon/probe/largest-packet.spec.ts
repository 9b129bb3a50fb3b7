import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { EchoResult } from './echo-socket.ts';
import { findLargestPacket } from './largest-packet.ts';

const MIN_BYTES = 28;
const LOST: EchoResult = { kind: 'lost' };
const REPLY: EchoResult = { kind: 'reply', rttMs: 1 };

/**
 * A path with an `mtu` in bytes that sends errors or not, and loses the first `losses` echoes of
 * each size.
 */
function path(mtu: number, sendsErrors: boolean, losses = 0) {
  const tries = new Map<number, number>();
  return (packetBytes: number): Promise<EchoResult> => {
    const count = (tries.get(packetBytes) ?? 0) + 1;
    tries.set(packetBytes, count);
    if (packetBytes > mtu)
      return Promise.resolve(
        sendsErrors ? { kind: 'error', error: { kind: 'too-big', by: 'r', mtu } } : LOST,
      );
    return Promise.resolve(count > losses ? REPLY : LOST);
  };
}

const find = (send: (packetBytes: number) => Promise<EchoResult>, maxBytes = 65_535) =>
  findLargestPacket({ minBytes: MIN_BYTES, maxBytes, attempts: 3, send });

describe('the search for the largest packet', () => {
  it('takes one echo where the upper bound passes', async () => {
    assert.deepEqual(await find(path(1500, true), 1500), { packetBytes: 1500, sent: 1 });
  });

  it('takes two echoes where an error names the MTU', async () => {
    assert.deepEqual(await find(path(1450, true)), { packetBytes: 1450, sent: 2 });
  });

  for (const mtu of [28, 29, 576, 1280, 1399, 1449, 1450, 65_534, 65_535])
    it(`finds ${mtu} where too large packets vanish, and only every third echo arrives`, async () => {
      const { packetBytes, sent } = await find(path(mtu, false, 2));
      assert.equal(packetBytes, mtu);
      assert.ok(sent <= 3 * 18, `${sent} echoes`);
    });

  it('tries only the largest and the smallest size without replies', async () => {
    assert.deepEqual(await find(() => Promise.resolve(LOST)), { sent: 6 });
  });

  it('ignores an MTU above the rejected size', async () => {
    const wrong = (packetBytes: number): Promise<EchoResult> =>
      Promise.resolve(
        packetBytes > 1000
          ? { kind: 'error', error: { kind: 'too-big', by: 'r', mtu: packetBytes + 1 } }
          : REPLY,
      );
    assert.equal((await find(wrong)).packetBytes, 1000);
  });
});
