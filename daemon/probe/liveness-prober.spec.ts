import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LivenessProber, type Sweep } from './liveness-prober.ts';
import type { PeerTargets } from './peer-targets.ts';

describe('liveness of peers', () => {
  let clock: FakeClock;
  let targets: Map<string, PeerTargets>;
  /** Addresses that do not answer. */
  let down: Set<string>;
  let sent: string[];
  let changes: string[];
  let errors: string[];
  let failure: Error | undefined;

  const overlayOf = (key: string): IpAddress => `10.5.${key}.0` as IpAddress;
  const publicIpOf = (key: string): IpAddress => `198.18.0.${key}` as IpAddress;

  beforeEach(() => {
    clock = new FakeClock();
    targets = new Map();
    [down, sent, changes, errors, failure] = [new Set(), [], [], [], undefined];
    addPeers('1', '2');
  });

  /** Other targets are another object. */
  function addPeers(...keys: readonly string[]): void {
    targets = new Map(targets);
    for (const key of keys) targets.set(key, { overlay: overlayOf(key), underlay: publicIpOf(key) });
  }

  function start(intervalMs = 15_000, roundMs?: (peers: number) => number): LivenessProber {
    const sweep: Sweep = (addresses) => {
      if (failure !== undefined) return Promise.reject(failure);
      sent.push(...addresses);
      return Promise.resolve(addresses.map((address) => (down.has(address) ? NaN : 0.2)));
    };
    const prober = new LivenessProber({
      clock,
      random: () => 0,
      wallMs: () => clock.nowMs(),
      intervalMs,
      ...(roundMs && { roundMs }),
      targets: () => targets,
      sweeps: { round: sweep, retry: sweep },
      onChange: (key, { state }) => changes.push(`${key} ${state}`),
      onError: ({ message }) => errors.push(message),
    });
    prober.start();
    return prober;
  }

  const statesOf = (prober: LivenessProber): Record<string, string | undefined> =>
    Object.fromEntries([...targets.keys()].map((key) => [key, prober.get(key)?.state]));

  it('is unknown before the first round, and reachable after it', async () => {
    const prober = start();
    assert.deepEqual(
      prober.counts(2, () => true),
      {
        reachable: 0,
        silent: 0,
        'overlay-broken': 0,
        unknown: 2,
      },
    );
    await clock.advance(2_000);
    assert.deepEqual(statesOf(prober), { 1: 'reachable', 2: 'reachable' });
    assert.deepEqual(sent, [overlayOf('1'), overlayOf('2')]);
    assert.deepEqual(
      { ...prober.get('1') },
      { state: 'reachable', sinceMs: 2_000, answeredMs: 2_000, rttMs: 0.2 },
    );
  });

  it('sends one echo a peer and interval while all answer', async () => {
    start();
    await clock.advance(2_000 + 4 * 15_000);
    assert.equal(sent.length, 2 * 5);
  });

  for (const [what, alsoDown, expected] of [
    ['silent', true, 'silent'],
    ['broken on the overlay', false, 'overlay-broken'],
  ] as const)
    it(`is ${what} within half a minute, and reachable again within an interval`, async () => {
      const prober = start();
      await clock.advance(2_000);
      down = new Set([overlayOf('2'), ...(alsoDown ? [publicIpOf('2')] : [])]);
      await clock.advance(30_000);
      assert.deepEqual(statesOf(prober), { 1: 'reachable', 2: expected });
      assert.equal(prober.get('2')?.answeredMs, 2_000);
      down.clear();
      await clock.advance(15_000);
      assert.deepEqual(changes, ['1 reachable', '2 reachable', `2 ${expected}`, '2 reachable']);
    });

  it('does not change for a single lost echo', async () => {
    start();
    await clock.advance(2_000);
    down.add(overlayOf('1'));
    await clock.advance(15_100);
    down.clear();
    await clock.advance(60_000);
    assert.deepEqual(changes, ['1 reachable', '2 reachable']);
  });

  it('is silent though it never answered', async () => {
    down = new Set([overlayOf('1'), publicIpOf('1')]);
    const prober = start();
    await clock.advance(10_000);
    assert.deepEqual(statesOf(prober), { 1: 'silent', 2: 'reachable' });
    assert.equal(prober.get('1')?.answeredMs, undefined);
  });

  it('becomes the other fault as the public IP ceases or begins to answer', async () => {
    down = new Set([overlayOf('1')]);
    start();
    await clock.advance(30_000);
    down.add(publicIpOf('1'));
    await clock.advance(30_000);
    down.delete(publicIpOf('1'));
    await clock.advance(30_000);
    assert.deepEqual(changes.slice(1), ['1 overlay-broken', '1 silent', '1 overlay-broken']);
  });

  it('asks a silent peer no more often than the others', async () => {
    down = new Set([overlayOf('1'), publicIpOf('1')]);
    start();
    await clock.advance(120_000);
    sent = [];
    await clock.advance(150_000);
    const toSilent = sent.filter((address) => address === overlayOf('1')).length;
    assert.ok(toSilent >= 9 && toSilent <= 11, String(toSilent));
  });

  it('tries a silent peer at once on request, and is done after that', async () => {
    const prober = start();
    down.add(overlayOf('1')).add(publicIpOf('1'));
    await clock.advance(60_000);
    assert.equal(statesOf(prober)['1'], 'silent');
    const before = sent.length;
    await Promise.all([prober.retry(), prober.retry()]);
    assert.equal(statesOf(prober)['1'], 'silent');
    assert.ok(sent.length > before);
    down.clear();
    await prober.retry();
    assert.equal(statesOf(prober)['1'], 'reachable');
    await prober.retry();
    down.add(overlayOf('1'));
    await clock.advance(60_000);
    const last = prober.retry();
    prober.stop();
    await last;
  });

  it('decides by the public IP where hosts have no overlay address', async () => {
    targets = new Map([['3', { underlay: publicIpOf('3') }]]);
    const prober = start();
    await clock.advance(2_000);
    assert.deepEqual(statesOf(prober), { 3: 'reachable' });
    down.add(publicIpOf('3'));
    await clock.advance(30_000);
    assert.deepEqual(statesOf(prober), { 3: 'silent' });
  });

  it('forgets a peer that left, also while it is tried again', async () => {
    const prober = start();
    await clock.advance(2_000);
    down.add(overlayOf('1'));
    await clock.advance(15_100);
    targets = new Map([...targets].filter(([key]) => key !== '1'));
    await clock.advance(60_000);
    assert.equal(prober.get('1'), undefined);
    assert.deepEqual(changes, ['1 reachable', '2 reachable']);
  });

  it('lists a silent peer until it answers or leaves the kernel', async () => {
    const prober = start();
    const listed = (): string[] => prober.unreachable().map(([key]) => key);
    down = new Set(['1', '2'].flatMap((key) => [overlayOf(key), publicIpOf(key)]));
    await clock.advance(30_000);
    assert.deepEqual(listed(), ['1', '2']);
    down.delete(overlayOf('1'));
    targets = new Map([...targets].filter(([key]) => key !== '2'));
    await clock.advance(30_000);
    assert.deepEqual(listed(), []);
  });

  it('spreads many peers over the interval', async () => {
    targets.clear();
    addPeers(...Array.from({ length: 1000 }, (_, index) => String(index)));
    start();
    await clock.advance(2_000);
    assert.equal(sent.length, 250);
    await clock.advance(15_000 - 1);
    assert.equal(sent.length, 1000);
  });

  it('knows all peers after one interval, and then probes them as seldom as they are many', async () => {
    start(15_000, (peers) => peers * 30_000);
    await clock.advance(2_000);
    assert.equal(sent.length, 2);
    await clock.advance(15_000);
    assert.equal(sent.length, 4);
    await clock.advance(59_000);
    assert.equal(sent.length, 4);
    await clock.advance(1_000);
    assert.equal(sent.length, 6);
  });

  it('probes a peer that another host reports, and judges itself', async () => {
    const prober = start(15_000, () => 600_000);
    await clock.advance(20_000);
    [sent, changes] = [[], []];
    down = new Set([overlayOf('1'), publicIpOf('1')]);
    for (const key of ['1', '2', 'unknown']) prober.suspect(key);
    await clock.advance(8_000);
    assert.deepEqual(changes, ['1 silent']);
    assert.deepEqual(statesOf(prober), { 1: 'silent', 2: 'reachable' });
    assert.equal(sent.filter((address) => address === overlayOf('2')).length, 1);
  });

  it('probes a peer that joined within a long round, in that round and when it is reported', async () => {
    const prober = start(15_000, () => 600_000);
    await clock.advance(20_000);
    addPeers('3');
    down = new Set([overlayOf('3'), publicIpOf('3')]);
    prober.suspect('3');
    await clock.advance(8_000);
    assert.equal(prober.get('3')?.state, 'silent');
  });

  it('goes back to short rounds as soon as others report no more', async () => {
    addPeers(...Array.from({ length: 500 }, (_, index) => String(index)));
    let isShared = true;
    start(15_000, () => (isShared ? 600_000 : 0));
    await clock.advance(17_000);
    isShared = false;
    sent = [];
    await clock.advance(330_000);
    assert.ok(sent.length > 500, String(sent.length));
  });

  it('reports once that nothing can be sent, and goes on', async () => {
    failure = new Error('EPERM');
    const prober = start();
    await clock.advance(60_000);
    assert.deepEqual([errors, changes], [['EPERM'], []]);
    failure = undefined;
    await clock.advance(15_000);
    assert.deepEqual(statesOf(prober), { 1: 'reachable', 2: 'reachable' });
  });

  it('sends nothing with an interval of 0, and leaves no timer when it is stopped', async () => {
    start(0);
    await clock.advance(60_000);
    assert.deepEqual([sent.length, clock.pendingTimers], [0, 0]);
    const prober = start();
    await clock.advance(3_000);
    prober.stop();
    assert.equal(clock.pendingTimers, 0);
  });
});
