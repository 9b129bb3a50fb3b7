// A random walk over the reconciler: desired states, faults of the kernel, interference and time in
// any order. When the faults end, the kernel is as desired.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Lease } from '../../allocator/lease.ts';
import { cidr, ip4 } from '../../backends/fixture.ts';
import { DEV, SMALLEST_SLICES, TestHost, vxlanPeer } from '../../test/support/reconciler-host.ts';
import type { TestHostOptions } from '../../test/support/reconciler-host.ts';

const HOSTS: readonly TestHostOptions[] = [
  {},
  { vxlan: { mtu: 1400 } },
  { vxlan: { port: 4789 } },
  { vxlan: { directRouting: true } },
  { vxlan: { txChecksumOffload: 'off' } },
];
const KEYS = [
  `link ${DEV}`,
  `address ${DEV} 10.5.1.0/32`,
  `fdb ${DEV} c6:00:00:00:04:03`,
  `neighbour ${DEV} 10.5.2.0`,
  'route 10.5.2.0/24',
  'route 10.5.3.0/24',
] as const;

const RUNS = Number(process.env['WALK_RUNS'] ?? 25);

type Event = (world: World) => void;

class World {
  readonly host: TestHost;
  readonly peers = new Map<string, Lease>();

  constructor(isSliced: boolean) {
    this.host = new TestHost(isSliced ? { slices: SMALLEST_SLICES } : {});
  }

  setHost(options: TestHostOptions): void {
    this.host.setHost(options);
    for (const lease of this.peers.values()) this.host.setPeer(lease);
  }

  setPeer(lease: Lease): void {
    this.peers.set(lease.key, lease);
    this.host.setPeer(lease);
  }

  removePeer(key: string): void {
    this.peers.delete(key);
    this.host.reconciler.removePeer(key);
  }

  endFaults(): void {
    const { kernel } = this.host;
    for (const key of KEYS) kernel.clearFault(key);
    kernel.loseAnswers(0);
    kernel.failReads(0);
  }
}

const number = fc.integer({ min: 2, max: 5 });
const desired: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom(...HOSTS).map(
    (options): Event =>
      (world) =>
        world.setHost(options),
  ),
  number.map(
    (one): Event =>
      (world) =>
        world.setPeer(vxlanPeer(one)),
  ),
  number.map((one): Event => {
    const lease = vxlanPeer(one, '4', { publicIp: ip4(`10.9.0.${20 + one}`) });
    return (world) => world.setPeer(lease);
  }),
  number.map(
    (one): Event =>
      (world) =>
        world.removePeer(vxlanPeer(one).key),
  ),
);
const fault: fc.Arbitrary<Event> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...KEYS), fc.constantFrom('EPERM', 'EOPNOTSUPP', 'ENODEV'), fc.constantFrom(1, 5))
    .map(
      ([key, errno, times]): Event =>
        ({ host }) =>
          host.kernel.injectFault(key, errno, times),
    ),
  fc.integer({ min: 1, max: 4 }).map(
    (count): Event =>
      ({ host }) =>
        host.kernel.loseAnswers(count),
  ),
  fc.integer({ min: 1, max: 3 }).map(
    (count): Event =>
      ({ host }) =>
        host.kernel.failReads(count),
  ),
);
const interference: fc.Arbitrary<Event> = fc.constantFrom<Event[]>(
  ({ host }) => void host.kernel.tables.removeRoute({ destination: cidr('10.5.2.0/24') }),
  ({ host }) =>
    void host.kernel.tables.setRoute({
      destination: cidr('10.5.3.0/24'),
      dev: 'eth0',
      gateway: ip4('10.9.0.77'),
    }),
  ({ host }) => void host.kernel.tables.removeNeighbour({ dev: DEV, address: ip4('10.5.2.0') }),
  ({ host }) => void host.kernel.tables.removeLink(DEV),
  ({ host }) => void host.kernel.tables.changeLink(DEV, { isUp: false }),
  ({ host }) => host.kernel.dropNotifications(),
  ({ host }) => host.kernel.reportOverrun(),
  ({ host }) => host.reconciler.handleNotification({ kind: 'interfaces', names: ['eth0'] }),
  ({ host }) => host.reconciler.resync(),
);
const pause = fc.constantFrom(undefined, 0, 5, 300, 1_000, 70_000);
const walk = fc.array(fc.tuple(fc.oneof(desired, fault, interference), pause), { maxLength: 40 });

describe('reconciler under faults and interference', function () {
  this.timeout(Math.max(20_000, RUNS * 1_000));

  it('makes the kernel as desired when they end, in slices and at once', async () => {
    await fc.assert(
      fc.asyncProperty(walk, fc.boolean(), async (events, isSliced) => {
        const world = new World(isSliced);
        const { host, peers } = world;
        await host.start();
        await host.settled();
        for (const [event, pauseMs] of events) {
          event(world);
          if (pauseMs !== undefined) await host.clock.advance(pauseMs);
        }
        world.endFaults();
        // The longest back-off, and the rarest full read after lost notifications.
        await host.clock.advance(12 * 60_000);
        await host.settled();
        assert.deepEqual(await host.actual(), host.expected([...peers.values()]));
        assert.ok(host.reconciler.isSettled);
        const { inSync, host: own } = host.reconciler.summary();
        assert.deepEqual([inSync, own.state], [peers.size, 'in-sync']);
        await host.reconciler.stop();
        assert.equal(host.clock.pendingTimers, 0);
      }),
      { numRuns: RUNS },
    );
  });
});
