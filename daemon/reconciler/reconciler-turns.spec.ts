// The reconciler when the kernel, the host or a peer changes between two turns of a full read.
import assert from 'node:assert/strict';
import { cidr } from '../../backends/fixture.ts';
import { DEV, SMALLEST_SLICES, TestHost, vxlanPeer } from '../../test/support/reconciler-host.ts';
import type { TestHostOptions } from '../../test/support/reconciler-host.ts';

const PEERS = [vxlanPeer(2), vxlanPeer(3)] as const;
const [LEAVING, STAYING] = PEERS;
/** More than a full read in the smallest slices has. */
const TURNS = 30;

const turn = () => new Promise((resolve) => setImmediate(resolve));
async function turns(count: number): Promise<void> {
  for (let each = 0; each < count; each++) await turn();
}

describe('a removal that outlives the full read', () => {
  let host: TestHost;
  let answer: () => void;

  /** The peer is still in what is read, and the kernel has removed it without an answer. */
  beforeEach(async () => {
    host = await new TestHost().start(PEERS);
    const end = await host.holdResync();
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

describe('reconciler in the middle of a full read', function () {
  this.timeout(20_000);

  /** A host in the smallest slices, and changes that only a full read finds. */
  async function inSlices(change: (host: TestHost) => void): Promise<TestHost> {
    const host = await new TestHost({ slices: SMALLEST_SLICES }).start(PEERS);
    await host.settled();
    host.kernel.dropNotifications();
    change(host);
    host.reconciler.resync();
    return host;
  }
  const loseRoute = ({ kernel }: TestHost) =>
    void kernel.tables.removeRoute({ destination: cidr('10.5.3.0/24') });

  const otherPort: TestHostOptions = { vxlan: { port: 4789 } };
  const holds: readonly [string, (host: TestHost) => void, TestHostOptions][] = [
    ['a device', () => undefined, otherPort],
    ['a route', loseRoute, otherPort],
    [
      'a device and a route',
      (host) => {
        loseRoute(host);
        host.kernel.tables.changeLink(DEV, { mtu: 1000 });
      },
      {},
    ],
  ];
  for (const [name, change, options] of holds)
    it(`does not set ${name} while it is held, in whichever turn that begins`, async () => {
      for (let at = 0; at < TURNS; at++) {
        const host = await inSlices(change);
        await turns(at);
        host.setHost(options);
        host.reconciler.hold();
        host.kernel.forgetCalls();
        await turns(TURNS);
        assert.deepEqual(host.kernel.steps, [], `steps after turn ${at}`);
        for (const peer of PEERS) host.setPeer(peer);
        host.reconciler.release();
        await turns(1);
        await host.settled();
        assert.deepEqual(await host.actual(), host.expected(PEERS), `turn ${at}`);
      }
    });

  it('plans nothing while it is held, so that one more read is enough, in whichever turn', async () => {
    for (let at = 0; at < TURNS; at++) {
      const host = await inSlices(() => undefined);
      const { link } = host.reconciler.status().counters.resyncs;
      await turns(at);
      host.setHost(otherPort);
      host.reconciler.hold();
      await turns(TURNS);
      host.reconciler.release();
      await turns(1);
      await host.settled();
      assert.equal(host.reconciler.status().counters.resyncs.link, link + 1, `turn ${at}`);
    }
  });

  it('sets what is to follow a device that needs no step any more, in whichever turn', async () => {
    for (let at = 0; at < TURNS; at++) {
      const host = await inSlices((changed) => {
        loseRoute(changed);
        changed.setHost({ vxlan: { mtu: 1400 } });
      });
      await turns(at);
      host.setHost({});
      await turns(1);
      await host.settled();
      assert.deepEqual(await host.actual(), host.expected(PEERS), `turn ${at}`);
    }
  });
});
