// The reconciler while the kernel does one batch and has the next.
import assert from 'node:assert/strict';
import type { SliceSizes } from './reconciler-parts.ts';
import { TestHost, newKernel, vxlanPeer } from '../../test/support/reconciler-host.ts';
import type { Step, StepResult } from '../kernel/kernel.ts';

const FIRST = 2;
const PEERS = [FIRST, 3, 4, 5, 6].map((id) => vxlanPeer(id));
type Peer = (typeof PEERS)[0];
/** A batch is one peer: an entry of each table. */
const ONE_PEER: SliceSizes = { objects: 1500, steps: 3, owners: 400 };
/** More than a start has in such slices. */
const TURNS = 40;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A kernel that does a step at once and answers some turns later, in order. */
function slowKernel() {
  const kernel = newKernel();
  const apply = kernel.apply.bind(kernel);
  const state = { batches: 0, unanswered: 0, most: 0, lost: [] as readonly number[] };
  let before: Promise<unknown> = Promise.resolve();
  kernel.apply = async (steps: readonly Step[]): Promise<readonly StepResult[]> => {
    const isLost = state.lost.includes(++state.batches);
    state.most = Math.max(state.most, ++state.unanswered);
    const results = await apply(steps);
    const answered = before.then(() => turn()).then(() => turn());
    before = answered;
    await answered;
    state.unanswered--;
    return isLost ? steps.map((step) => ({ step, status: 'unknown', message: 'lost' })) : results;
  };
  return { kernel, state };
}

describe('reconciler with batches that overlap', function () {
  this.timeout(20_000);

  async function begin() {
    const { kernel, state } = slowKernel();
    const host = new TestHost({ kernel, slices: ONE_PEER });
    host.setHost();
    for (const peer of PEERS) host.setPeer(peer);
    host.reconciler.markComplete();
    host.reconciler.start();
    return { host, state };
  }

  it('has one batch at the kernel and the next, each a peer, and no third', async () => {
    const { host, state } = await begin();
    await host.settled();
    assert.equal(state.most, 2);
    assert.deepEqual(await host.actual(), host.expected(PEERS));
    const routes = host.kernel.batches.filter((steps) => steps.some(({ object }) => object.kind === 'route'));
    assert.equal(routes.length, PEERS.length);
    for (const steps of routes)
      assert.deepEqual(
        steps.map(({ object }) => object.kind),
        ['fdb', 'neighbour', 'route'],
      );
  });

  it('reads once after a failure that takes the answers of both, whichever these are', async () => {
    // The first batch has the device.
    for (let first = 2; first <= PEERS.length; first++) {
      const { host, state } = await begin();
      state.lost = [first, first + 1];
      await host.settled();
      assert.deepEqual(await host.actual(), host.expected(PEERS), `batch ${first}`);
      assert.ok(host.reconciler.isSettled, `batch ${first}: no second reading waits`);
      assert.equal(host.reconciler.status().counters.resyncs.unknown, 1, `batch ${first}`);
      await host.reconciler.stop();
    }
  });

  /** The start among peers that are set one a turn: the last of them, and what removes the rest, follow later. */
  async function beginEarly() {
    const { kernel } = slowKernel();
    const host = new TestHost({ kernel, slices: ONE_PEER });
    // What an earlier daemon left of a peer that is gone.
    const left = await new TestHost({ kernel }).start([...PEERS, vxlanPeer(7)]);
    await left.settled();
    await left.reconciler.stop();
    host.setHost();
    host.reconciler.start();
    const setAll = async (): Promise<void> => {
      for (const peer of PEERS) {
        if (host.reconciler.peerStatus(peer.key) === undefined) host.setPeer(peer);
        await turn();
      }
    };
    return { host, setAll };
  }

  const without = (peer: Peer): Peer[] => PEERS.filter((each) => each !== peer);

  /** What happens to one peer, and the peers that are to be there then. */
  const changes: readonly [string, (host: TestHost, peer: Peer, id: number) => Peer[]][] = [
    [
      'leaves nothing of a peer that leaves',
      (host, peer) => {
        host.reconciler.removePeer(peer.key);
        return without(peer);
      },
    ],
    [
      'follows a peer that changes',
      (host, peer, id) => {
        const changed = vxlanPeer(id, '4', { backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:22' } });
        host.setPeer(changed);
        return [changed, ...without(peer)];
      },
    ],
    [
      'repairs what another program takes away',
      (host, peer) => {
        host.kernel.tables.removeRoute({ destination: peer.subnets.ipv4! });
        return PEERS;
      },
    ],
    [
      'takes a device that changes before all that is on it',
      (host) => {
        host.setHost({ vxlan: { port: 4790 } });
        return PEERS;
      },
    ],
    [
      'starts again after an overrun',
      (host) => {
        host.reconciler.handleNotification({ kind: 'overrun' });
        return PEERS;
      },
    ],
  ];
  for (const [what, change] of changes)
    it(`${what}, in whichever turn`, async () => {
      for (let at = 0; at < TURNS; at++)
        for (const [index, peer] of PEERS.entries()) {
          const { host } = await begin();
          for (let each = 0; each < at; each++) await turn();
          const peers = change(host, peer, FIRST + index);
          await turn();
          await host.settled();
          assert.deepEqual(await host.actual(), host.expected(peers), `${peer.key} in turn ${at}`);
          assert.equal(host.reconciler.summary().inSync, peers.length, `${peer.key} in turn ${at}`);
          await host.reconciler.stop();
        }
    });

  for (const [what, change] of changes)
    it(`${what}, in whichever turn of a start in which peers are still to be set`, async () => {
      for (let at = 0; at < TURNS; at++) {
        const { host, setAll } = await beginEarly();
        // One that is set, while others are not.
        const index = Math.max(0, at - 1) % PEERS.length;
        const peer = PEERS[index]!;
        const setting = setAll();
        for (let each = 0; each < at; each++) await turn();
        const peers = change(host, peer, FIRST + index);
        await setting;
        host.reconciler.markComplete();
        await turn();
        await host.settled();
        assert.deepEqual(await host.actual(), host.expected(peers), `${peer.key} in turn ${at}`);
        assert.equal(host.reconciler.summary().inSync, peers.length, `${peer.key} in turn ${at}`);
        await host.reconciler.stop();
      }
    });
});
