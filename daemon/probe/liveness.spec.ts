import assert from 'node:assert/strict';
import { vxlanPeer } from '../../backends/fixture.ts';
import type { BackendType } from '../../allocator/config/config.ts';
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

describe('the addresses that are probed', () => {
  it('follow leases that are replaced, and the backend', async () => {
    const clock = new FakeClock();
    const [first, second] = [vxlanPeer(2), vxlanPeer(3)];
    const peers = new Map<string, Lease>([first, second].map((peer) => [peer.key, peer]));
    let type: BackendType = 'vxlan';
    let probed = new Set<unknown>();
    const set = (...addresses: readonly unknown[]): ReadonlySet<unknown> => new Set(addresses);
    const sweep = (addresses: readonly unknown[]): Promise<number[]> => {
      probed = new Set([...probed, ...addresses]);
      return Promise.resolve(addresses.map(() => 1));
    };
    const liveness = new PeerLiveness({
      clock,
      log: createLogger({ write: () => undefined }),
      native: {} as Native,
      intervalMs: 1000,
      backend: () => type,
      peers: () => peers,
      reconciler: { peerStatus: () => ({ state: 'in-sync', mode: 'tunnel', sinceMs: 0 }) },
      onChange: () => undefined,
      sweeps: { round: sweep, retry: sweep },
    });
    const probedNow = async (): Promise<ReadonlySet<unknown>> => {
      liveness.refresh();
      await clock.advance(3000);
      probed = new Set();
      await clock.advance(3000);
      return probed;
    };
    liveness.start();
    assert.deepEqual(await probedNow(), set('10.5.2.0', '10.5.3.0'));
    const moved = { ...second, subnets: vxlanPeer(9).subnets };
    peers.set(second.key, moved);
    assert.deepEqual(await probedNow(), set('10.5.2.0', '10.5.9.0'));
    type = 'host-gw';
    assert.deepEqual(await probedNow(), set(first.attributes.publicIp, second.attributes.publicIp));
    peers.delete(first.key);
    assert.deepEqual(await probedNow(), set(second.attributes.publicIp));
    liveness.stop();
  });
});
