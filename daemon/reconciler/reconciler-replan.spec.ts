// What changes while a plan is carried out: its steps are planned again, and appended to what is left of it.
import assert from 'node:assert/strict';
import { ip4, manyPeers, oneOfMany } from '../../backends/fixture.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { RouteObject } from '../../backends/kernel-state.ts';
import { DEV, TestHost, newKernel, type CountingKernel } from '../../test/support/reconciler-host.ts';
import type { ActualState, Step, StepResult } from '../kernel/kernel.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A kernel that answers some turns after it did a batch, and rejects the steps for which `isBad` holds. */
function slowKernel() {
  const kernel = newKernel();
  const apply = kernel.apply.bind(kernel);
  const state = {
    rejected: 0,
    isBad: (() => false) as (step: Step) => boolean,
    onBatch: async (): Promise<void> => undefined,
  };
  let before: Promise<unknown> = Promise.resolve();
  kernel.apply = async (steps: readonly Step[]): Promise<readonly StepResult[]> => {
    const isBad = steps.map((step) => state.isBad(step));
    const done = await apply(steps.filter((_, index) => !isBad[index]));
    await state.onBatch();
    before = before.then(turn).then(turn);
    await before;
    let next = 0;
    return steps.map((step, index) => {
      if (!isBad[index]) return done[next++]!;
      state.rejected++;
      return { step, status: 'rejected', errno: 'EINVAL', message: 'no' };
    });
  };
  return { kernel, state };
}

const isSettingFdbOf =
  ({ attributes }: Lease) =>
  ({ action, object }: Step): boolean =>
    action === 'set' &&
    object.kind === 'fdb' &&
    object.mac === (attributes.backendData as { VtepMAC: string }).VtepMAC;

describe('a plan of which something changes', function () {
  this.timeout(20_000);

  for (const isComplete of [false, true])
    for (const [what, change] of [
      [
        'whose lease changes',
        (host: TestHost, peer: Lease) =>
          host.setPeer({ ...peer, attributes: { ...peer.attributes, publicIp: ip4('10.8.77.77') } }),
      ],
      ['whose host changes', (host: TestHost) => host.setHost()],
    ] as const)
      it(`tries a peer ${what} after it failed again, as after a first failure (complete: ${isComplete})`, async () => {
        const { kernel, state } = slowKernel();
        const host = new TestHost({ kernel, slices: { objects: 1500, steps: 6, owners: 400 } });
        const peers = [...manyPeers(60).values()];
        const [peer] = peers;
        state.isBad = isSettingFdbOf(peer!);
        host.setHost();
        for (const each of peers.slice(0, 40)) host.setPeer(each);
        if (isComplete) host.reconciler.markComplete();
        host.reconciler.start();
        for (let turns = 0; state.rejected === 0; turns++) {
          assert.ok(turns < 1000, 'nothing was rejected');
          await turn();
        }
        for (let turns = 0; turns < 10; turns++) await turn();
        change(host, peer!);
        for (const each of peers.slice(40)) {
          host.setPeer(each);
          await turn();
        }
        host.reconciler.markComplete();
        await host.settled();
        state.isBad = () => false;
        await host.clock.advance(30_000);
        await host.settled();
        assert.equal(host.reconciler.peerStatus(peer!.key)?.state, 'in-sync');
        await host.reconciler.stop();
      });

  it('tries again what failed of a peer when another of its objects changes', async () => {
    const { kernel, state } = slowKernel();
    const peer = oneOfMany(0);
    state.isBad = ({ action, object }) => action === 'set' && object.kind === 'route';
    const host = await new TestHost({ kernel }).start([peer]);
    await host.settled();
    assert.equal(host.reconciler.peerStatus(peer.key)?.state, 'error');
    host.setPeer({ ...peer, attributes: { ...peer.attributes, publicIp: ip4('10.8.77.77') } });
    await host.clock.settle();
    state.isBad = () => false;
    await host.clock.advance(45_000);
    await host.settled();
    assert.equal(host.reconciler.peerStatus(peer.key)?.state, 'in-sync');
    await host.reconciler.stop();
  });

  /** Peers with addresses of this host's own network, which can be routed to directly. */
  const onLink = (count: number, generation: number): Lease[] =>
    [...manyPeers(count, generation).values()].map((peer, index) => ({
      ...peer,
      attributes: { ...peer.attributes, publicIp: ip4(`10.9.0.${2 + (index % 250)}`) },
    }));

  /** Peers whose route leads to nothing. */
  function unreachable({ objects }: ActualState, peers: readonly Lease[]): readonly string[] {
    const leads = ({ dev, gateway }: RouteObject): boolean => {
      const neighbour = objects.get(`neighbour ${DEV} ${gateway}`);
      return dev !== DEV || (neighbour?.kind === 'neighbour' && objects.has(`fdb ${DEV} ${neighbour.mac}`));
    };
    return peers.flatMap(({ key, subnets: { ipv4 } }) => {
      const route = objects.get(`route ${ipv4}`);
      return route?.kind === 'route' && leads(route) ? [] : [key];
    });
  }

  for (const count of [253, 401])
    it(`removes no entry before what takes its place is set, among ${count} peers`, async () => {
      const { kernel, state } = slowKernel();
      const host = new TestHost({ kernel });
      const peers = onLink(count, 1);
      host.setHost();
      for (const peer of peers) host.setPeer(peer);
      host.reconciler.markComplete();
      host.reconciler.start();
      await host.settled();
      const lost = new Set<string>();
      const seen = { batches: 0 };
      state.onBatch = async () => {
        seen.batches++;
        for (const key of unreachable(await inspect(kernel, host), peers)) lost.add(key);
      };
      const next = onLink(count, 9);
      for (const peer of next) host.setPeer(peer);
      while (seen.batches < 1) await turn();
      // As the overlay changes the config.
      host.reconciler.hold();
      host.setHost({ vxlan: { directRouting: true } });
      await turn();
      for (const peer of next) host.setPeer(peer);
      host.reconciler.release();
      await host.settled();
      assert.deepEqual([...lost], []);
      await host.reconciler.stop();
    });
});

function inspect(kernel: CountingKernel, host: TestHost): Promise<ActualState> {
  return kernel.inspect(host.reconciler.ownership!);
}
