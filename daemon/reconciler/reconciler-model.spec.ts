// A random walk over the reconciler: desired states, faults of the kernel, interference and time in
// any order. When the faults end, the kernel is as desired; without faults it is so before the next periodic read.
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as fc from 'fast-check';
import type { Lease } from '../../allocator/lease.ts';
import { cidr, ip4 } from '../../backends/fixture.ts';
import { DEV, SMALLEST_SLICES, TestHost, newKernel, vxlanPeer } from '../../test/support/reconciler-host.ts';
import type { CountingKernel, TestHostOptions } from '../../test/support/reconciler-host.ts';
import type { SliceSizes } from './reconciler-parts.ts';

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

/** All at once; as much as can change between two; the steps of a peer that leaves amid other work. */
const SLICES: readonly (SliceSizes | undefined)[] = [
  undefined,
  SMALLEST_SLICES,
  { ...SMALLEST_SLICES, steps: 3 },
];

const PEERS = [vxlanPeer(2), vxlanPeer(3)];

class World {
  readonly host: TestHost;
  readonly peers = new Map<string, Lease>();
  /** What follows, one with each event. */
  readonly #next: (() => void)[] = [];
  /** Turns that each answer of the kernel takes. */
  answerTurns = 4;

  constructor(slices: SliceSizes | undefined) {
    this.host = new TestHost({ kernel: this.#slowKernel(), ...(slices && { slices }) });
  }

  #slowKernel(): CountingKernel {
    const kernel = newKernel();
    const answer = async <Result>(result: Promise<Result>): Promise<Result> => {
      await result;
      for (let turn = 0; turn < this.answerTurns; turn++) await nextTurn();
      return result;
    };
    const [readState, apply] = [kernel.readState.bind(kernel), kernel.apply.bind(kernel)];
    kernel.readState = (ownership, known) => answer(readState(ownership, known));
    kernel.apply = (steps) => answer(apply(steps));
    return kernel;
  }

  /** Peers follow with the next event. */
  setHost(options: TestHostOptions): void {
    this.host.setHost(options);
    this.host.reconciler.hold();
    this.#next.push(() => {
      for (const lease of this.peers.values()) this.host.setPeer(lease);
      this.host.reconciler.release();
    });
  }

  /** The peer leaves while everything is read, and is back. */
  restartPeer(lease: Lease): void {
    this.host.reconciler.resync();
    this.#next.push(
      () => this.removePeer(lease.key),
      () => this.setPeer(lease),
    );
  }

  async walk(events: readonly (readonly [Event, number | undefined])[]): Promise<void> {
    for (const lease of PEERS) this.setPeer(lease);
    await this.host.start();
    await this.host.settled();
    for (const [event, pauseMs] of events) {
      this.#next.shift()?.();
      event(this);
      if (pauseMs !== undefined) await this.host.clock.advance(pauseMs);
    }
    for (const next of this.#next) next();
    this.endFaults();
  }

  async expectInSync(): Promise<void> {
    const { host, peers } = this;
    await host.settled();
    assert.deepEqual(await host.actual(), host.expected([...peers.values()]));
    assert.ok(host.reconciler.isSettled);
    const { inSync, host: own } = host.reconciler.summary();
    assert.deepEqual([inSync, own.state], [peers.size, 'in-sync']);
    await host.reconciler.stop();
    assert.equal(host.clock.pendingTimers, 0);
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
    this.answerTurns = 0;
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
  number.map(
    (one): Event =>
      (world) =>
        world.restartPeer(vxlanPeer(one)),
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
const slowness: fc.Arbitrary<Event> = fc.nat(8).map(
  (turns): Event =>
    (world) =>
      (world.answerTurns = turns),
);
/** Of which the kernel notifies. */
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
  ({ host }) => host.kernel.reportOverrun(),
  ({ host }) => host.reconciler.handleNotification({ kind: 'interfaces', names: ['eth0'] }),
  ({ host }) => host.reconciler.resync(),
);
const loss = fc.constant<Event>(({ host }) => host.kernel.dropNotifications());
const pause = fc.constantFrom(undefined, 0, 5, 300, 1_000, 70_000);
const walkOf = (...kinds: fc.Arbitrary<Event>[]) =>
  fc.array(fc.tuple(fc.oneof(...kinds), pause), { maxLength: 40 });
const slices = fc.constantFrom(...SLICES);

describe('reconciler under faults and interference', function () {
  this.timeout(Math.max(20_000, RUNS * 1_000));

  it('makes the kernel as desired when they end, in slices and at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        walkOf(desired, fault, interference, loss, slowness),
        slices,
        async (events, sizes) => {
          const world = new World(sizes);
          await world.walk(events);
          // The longest back-off, and the rarest full read after lost notifications. Slices take turns, not time.
          for (let minute = 0; minute < 12; minute++) {
            await world.host.settled();
            await world.host.clock.advance(60_000);
          }
          await world.expectInSync();
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('needs no periodic read if no answer and no notification is lost', async () => {
    await fc.assert(
      fc.asyncProperty(walkOf(desired, interference, slowness), slices, async (events, sizes) => {
        const world = new World(sizes);
        await world.walk(events);
        await world.host.settled();
        // Limits on repairs, and the longest delay of a notification.
        await world.host.clock.advance(5_000);
        await world.expectInSync();
      }),
      { numRuns: RUNS },
    );
  });
});
