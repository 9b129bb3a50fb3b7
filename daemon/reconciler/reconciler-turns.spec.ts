// The reconciler when the kernel, the host or a peer changes between two turns of a full read.
import assert from 'node:assert/strict';
import { cidr } from '../../backends/fixture.ts';
import { TestHost, vxlanPeer } from '../../test/support/reconciler-host.ts';

const PEERS = [vxlanPeer(2), vxlanPeer(3)] as const;
const [LEAVING, STAYING] = PEERS;

describe('a removal that outlives the full read', () => {
  let host: TestHost;
  let answer: () => void;

  /** The peer is still in what is read, and the kernel has removed it without an answer. */
  beforeEach(async () => {
    host = await new TestHost().start(PEERS);
    const readState = host.kernel.readState.bind(host.kernel);
    let end = (): void => undefined;
    host.kernel.readState = async (ownership) => {
      const state = await readState(ownership);
      await new Promise<void>((resolve) => (end = resolve));
      host.kernel.readState = readState;
      return state;
    };
    host.reconciler.resync();
    await host.clock.settle();
    host.kernel.gate = new Promise((resolve) => (answer = resolve));
    host.reconciler.removePeer(LEAVING.key);
    await host.clock.settle();
    end();
    await host.clock.settle();
    host.kernel.gate = undefined;
  });

  it('is known, so that the peer has its entries when it is back', async () => {
    host.setPeer(LEAVING);
    answer();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected(PEERS));
    assert.equal(host.reconciler.summary().inSync, PEERS.length);
  });

  it('is not done twice', async () => {
    host.kernel.forgetCalls();
    answer();
    await host.clock.settle();
    assert.deepEqual(host.kernel.steps, []);
    assert.deepEqual(await host.actual(), host.expected([STAYING]));
  });

  it('hides no change of another program', async () => {
    host.kernel.tables.removeRoute({ destination: cidr('10.5.3.0/24') });
    answer();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([STAYING]));
    assert.equal(host.reconciler.status().counters.drift.route, 1);
  });
});
