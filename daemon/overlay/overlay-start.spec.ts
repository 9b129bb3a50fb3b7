// The start among many peers: the kernel gets the first while the rest is derived, and nothing that another lease forbids.
import assert from 'node:assert/strict';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { Lease } from '../../allocator/lease.ts';
import { VXLAN, host, manyPeers, network, oneOfMany, subnets, vxlanPeer } from '../../backends/fixture.ts';
import { renderObjects } from '../../backends/render.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel } from '../../test/support/reconciler-host.ts';
import { FORWARDING_DISABLED } from '../host/forwarding-setup.ts';
import { createLogger } from '../log/log.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { OverlayController, type OverlayControllerDeps } from './overlay-controller.ts';

const two = vxlanPeer(2);
const FIRST = '10.5.2.0/27';

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

  function create(more: Partial<OverlayControllerDeps> = {}): void {
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
      ...more,
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

  it('sets nothing before all is derived while the registry has not answered, as it is ready with what is set', async () => {
    await stop();
    create({ isComplete: () => false });
    const peers = manyPeers(400);
    join(peers);
    await turnsUntil(async () => {
      const { host: own, inSync, peers: derived } = reconciler.summary();
      assert.ok(own.state !== 'in-sync' || derived === peers.size, `${derived} peers`);
      return reconciler.isSettled && inSync === peers.size;
    });
  });

  it('removes nothing of peers that the first answer of the registry names, however many are new in it', async () => {
    const peers = manyPeers(200);
    join(peers);
    await turnsUntil(isWhole(peers));
    await stop();
    let isComplete = false;
    create({ isComplete: () => isComplete });
    const known = new Map([...peers].slice(0, 50));
    join(known);
    await turnsUntil(async () => reconciler.isSettled && reconciler.summary().inSync === known.size);
    isComplete = true;
    overlay.setPeers(new Set([...peers.keys()].filter((key) => !known.has(key))), peers);
    overlay.markComplete();
    let fewest = Infinity;
    await turnsUntil(async () => {
      fewest = Math.min(fewest, (await routes()).length);
      return isWhole(peers)();
    });
    assert.equal(fewest, peers.size);
  });

  it('keeps the entries of a peer that is back in time, among however many that changed', async () => {
    const peers = manyPeers(400);
    join(peers);
    await turnsUntil(isWhole(peers));
    const removed: string[] = [];
    const removePeer = reconciler.removePeer.bind(reconciler);
    reconciler.removePeer = (key) => {
      removed.push(key);
      removePeer(key);
    };
    const back = oneOfMany(7);
    peers.delete(back.key);
    overlay.setPeers(new Set([back.key]), peers);
    await clock.advance(20);
    const changed = manyPeers(400, 2).set(back.key, back);
    overlay.setPeers(new Set(changed.keys()), changed);
    for (let slice = 0; slice < 30; slice++) await clock.advance(4);
    await turnsUntil(isWhole(changed));
    assert.deepEqual(removed, []);
  });

  it('never sends to the wrong one of two peers with one MAC, in whichever order they come', async () => {
    const first = oneOfMany(0);
    const other = oneOfMany(9);
    const twin = { ...other, attributes: { ...other.attributes, backendData: first.attributes.backendData } };
    const peers = new Map([[twin.key, twin], ...[...manyPeers(400)].slice(10), [first.key, first]]);
    join(peers);
    const mac = (first.attributes.backendData as { VtepMAC: string }).VtepMAC;
    const seen = new Set<string>();
    await turnsUntil(async () => {
      const { objects } = await kernel.inspect(overlay.ownership());
      for (const object of objects.values())
        if (object.kind === 'fdb' && object.mac === mac) seen.add(object.destination);
      return reconciler.isSettled && reconciler.summary().isComplete;
    });
    assert.deepEqual([...seen], [first.attributes.publicIp]);
  });
});
