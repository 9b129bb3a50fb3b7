// The start among many peers: the kernel gets the first while the rest is derived, and nothing that another lease forbids.
import assert from 'node:assert/strict';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { Lease } from '../../allocator/lease.ts';
import { VXLAN, host, ip4, network, subnets, vxlanPeer } from '../../backends/fixture.ts';
import { renderObjects } from '../../backends/render.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel } from '../../test/support/reconciler-host.ts';
import { FORWARDING_DISABLED } from '../host/forwarding-setup.ts';
import { createLogger } from '../log/log.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { OverlayController } from './overlay-controller.ts';

const two = vxlanPeer(2);
const FIRST = '10.5.2.0/27';

/** `count` peers in subnets of 32 addresses from 10.5.2.0 on. */
function manyPeers(count: number): Map<string, Lease> {
  const all = Array.from({ length: count }, (_, index): [string, Lease] => {
    const subnet = `10.5.${2 + (index >> 3)}.${(index & 7) * 32}/27`;
    const key = subnet.replace('/', '-');
    const mac = `c6:00:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
    const publicIp = ip4(`10.8.${index >> 8}.${index & 255}`);
    const attributes = { ...two.attributes, publicIp, backendData: { VtepMAC: mac } };
    return [key, { ...two, key, subnets: subnets(subnet), attributes }];
  });
  return new Map(all);
}

describe('the start of an overlay among many peers', () => {
  const clock = new FakeClock();
  let kernel: ReturnType<typeof newKernel>;
  let reconciler: Reconciler;
  let overlay: OverlayController;

  beforeEach(() => {
    kernel = newKernel();
    create();
  });
  afterEach(stop);

  function create(): void {
    reconciler = new Reconciler({ kernel, clock, random: () => 0.5 });
    kernel.subscribe(
      () => reconciler.ownership,
      (notification) => reconciler.handleNotification(notification),
    );
    const config = network('4', VXLAN);
    overlay = new OverlayController({
      host: { clusterConfig: config, config },
      facts: host(),
      reconciler,
      subnetFile: { write: () => undefined },
      policyFor: () => FORWARDING_DISABLED,
      isBlackholing: false,
      migrationTimeoutMs: 0,
      publish: () => undefined,
      onMigration: () => undefined,
      peersPerSlice: 4,
      clock,
      log: createLogger({ write: () => undefined }),
    });
  }

  async function stop(): Promise<void> {
    overlay.stop();
    await reconciler.stop();
  }

  function join(peers: ReadonlyMap<string, Lease>): void {
    overlay.setPeers(new Set(peers.keys()), peers);
    const registered = { leaseId: toLeaseId('1'), modRevision: toRevision(1), expiresAtMs: Infinity };
    const own = { key: '10.5.1.0-24', subnets: subnets('10.5.1.0/24'), isReservation: false, ...registered };
    overlay.setOwnLease({ ...own, attributes: overlay.attributes() }, 'acquired');
  }

  async function routes(): Promise<readonly string[]> {
    const { objects } = await kernel.inspect(overlay.ownership());
    return renderObjects(objects.values()).filter((line) => line.includes(' via '));
  }

  async function turnsUntil(isDone: () => Promise<boolean>): Promise<void> {
    for (let turn = 0; !(await isDone()); turn++) {
      assert.ok(turn < 10_000, `it never happens: ${JSON.stringify(reconciler.summary())} ${overlay.error}`);
      await new Promise(setImmediate);
    }
  }

  const isWhole = (peers: ReadonlyMap<string, Lease>) => async (): Promise<boolean> =>
    reconciler.isSettled && reconciler.summary().isComplete && reconciler.summary().inSync === peers.size;

  it('has entries of the first in the kernel while others are still to be derived', async () => {
    const peers = manyPeers(400);
    join(peers);
    await turnsUntil(async () => (await routes()).length > 0);
    const { isComplete, peers: derived } = reconciler.summary();
    assert.equal(isComplete, false);
    assert.ok(derived < peers.size, `${derived} are derived`);
    await turnsUntil(isWhole(peers));
    assert.equal((await routes()).length, peers.size);
  });

  it('never routes to a peer whose subnet another lease forbids, however late that one comes', async () => {
    const peers = manyPeers(400);
    const around = '10.5.0.0/20';
    peers.set('10.5.0.0-20', { ...two, key: '10.5.0.0-20', subnets: subnets(around) });
    const seen = new Set<string>();
    const setPeer = reconciler.setPeer.bind(reconciler);
    reconciler.setPeer = (key, state) => {
      seen.add(`${key} ${state.mode}`);
      setPeer(key, state);
    };
    join(peers);
    await turnsUntil(async () => reconciler.summary().isComplete && reconciler.isSettled);
    assert.equal(seen.size, peers.size, 'one verdict a peer');
    assert.ok(seen.has(`${FIRST.replace('/', '-')} error`), [...seen].slice(0, 3).join());
  });

  it('removes what no lease names after the last peer, and nothing of those that are still to come', async () => {
    const peers = manyPeers(100);
    join(peers);
    await turnsUntil(isWhole(peers));
    await stop();
    create();
    peers.delete(FIRST.replace('/', '-'));
    let fewest = Infinity;
    join(peers);
    await turnsUntil(async () => {
      fewest = Math.min(fewest, (await routes()).length);
      return isWhole(peers)();
    });
    assert.equal(fewest, peers.size);
    assert.ok(!(await routes()).some((line) => line.startsWith(FIRST)));
  });
});
