import assert from 'node:assert/strict';
import { vxlanPeer } from '../../backends/fixture.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { Native } from '../../native/index.ts';
import { createLogger } from '../log/log.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PeerLiveness } from './liveness.ts';

describe('the liveness of a reservation without a host', () => {
  it('is unknown wherever it shows', async () => {
    const clock = new FakeClock();
    const [held, reserved] = [vxlanPeer(2), { ...vxlanPeer(3), isReservation: true }];
    const peers = new Map<string, Lease>([held, reserved].map((peer) => [peer.key, peer]));
    const changed: string[] = [];
    const sweep = (addresses: readonly unknown[]): Promise<number[]> =>
      Promise.resolve(addresses.map(() => NaN));
    const liveness = new PeerLiveness({
      clock,
      log: createLogger({ write: () => undefined }),
      native: {} as Native,
      intervalMs: 1000,
      backend: () => 'vxlan',
      peers: () => peers,
      reconciler: { peerStatus: () => ({ state: 'in-sync', mode: 'tunnel', sinceMs: 0 }) },
      onChange: (key) => void changed.push(key),
      sweeps: { round: sweep, retry: sweep },
    });
    liveness.start();
    for (let round = 0; round < 100; round++) await clock.advance(1000);
    liveness.stop();
    assert.deepEqual([liveness.of(held.key)?.state, liveness.of(reserved.key)], ['silent', undefined]);
    const { silent, unknown } = liveness.counts();
    assert.deepEqual([silent, unknown], [1, 1]);
    assert.equal(liveness.problems().length, 1);
    assert.doesNotMatch(liveness.problems().join(), new RegExp(reserved.key));
    assert.deepEqual(changed, [held.key]);
  });
});
