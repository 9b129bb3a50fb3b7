import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { EchoResult } from './echo-socket.ts';
import { findLargestPacket } from './largest-packet.ts';

const MIN_BYTES = 28;
const LOST: EchoResult = { kind: 'lost' };
const REPLY: EchoResult = { kind: 'reply', rttMs: 1 };

/**
 * A path that carries packets of up to `mtu` bytes, tells so or not, and loses the first `losses`
 * echoes of each size.
 */
function path(mtu: number, tells: boolean, losses = 0) {
  const tries = new Map<number, number>();
  return (packetBytes: number): Promise<EchoResult> => {
    const count = (tries.get(packetBytes) ?? 0) + 1;
    tries.set(packetBytes, count);
    if (packetBytes > mtu)
      return Promise.resolve(tells ? { kind: 'error', error: { kind: 'too-big', by: 'r', mtu } } : LOST);
    return Promise.resolve(count > losses ? REPLY : LOST);
  };
}

const find = (send: (packetBytes: number) => Promise<EchoResult>, maxBytes = 65_535) =>
  findLargestPacket({ minBytes: MIN_BYTES, maxBytes, attempts: 3, send });

describe('largest packet that passes', () => {
  it('takes one echo where the upper bound passes', async () => {
    assert.deepEqual(await find(path(1500, true), 1500), { packetBytes: 1500, sent: 1 });
  });

  it('takes two where somebody tells the MTU', async () => {
    assert.deepEqual(await find(path(1450, true)), { packetBytes: 1450, sent: 2 });
  });

  for (const mtu of [28, 29, 576, 1280, 1399, 1449, 1450, 65_534, 65_535])
    it(`finds ${mtu} where too large packets vanish, and every third echo alone arrives`, async () => {
      const { packetBytes, sent } = await find(path(mtu, false, 2));
      assert.equal(packetBytes, mtu);
      assert.ok(sent <= 3 * 18, `${sent} echoes`);
    });

  it('asks a silent host for the largest and the smallest only', async () => {
    assert.deepEqual(await find(() => Promise.resolve(LOST)), { sent: 6 });
  });

  it('believes no MTU that makes no sense', async () => {
    const liar = (packetBytes: number): Promise<EchoResult> =>
      Promise.resolve(
        packetBytes > 1000
          ? { kind: 'error', error: { kind: 'too-big', by: 'r', mtu: packetBytes + 1 } }
          : REPLY,
      );
    assert.equal((await find(liar)).packetBytes, 1000);
  });
});
