import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { Family, IpAddress } from '../../lib/address.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { ProbeResult } from './checksum-probe.ts';
import { INITIAL_OFFLOAD, next } from './checksum-offload-state.ts';
import { ChecksumProbeLoop } from './checksum-probe-loop.ts';

const PEERS = ['10.5.2.0', '10.5.3.0', '10.5.4.0'] as IpAddress[];

describe('the state of checksum offload', () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    [
      'stays unknown without answers',
      ['no-answer', 'no-answer no-answer', 'no-answer', 'no-answer'],
      'unknown',
    ],
    ['is good if one peer answers the checksum of a device', ['no-answer bad good'], 'good'],
    ['is suspect after one bad round', ['bad', 'bad no-answer'], 'suspect'],
    ['is bad after three bad rounds', ['bad', 'bad', 'bad'], 'bad'],
    [
      'does not count rounds without answers',
      ['bad', 'no-answer', 'bad', 'no-answer no-answer', 'bad no-answer'],
      'bad',
    ],
    ['starts over after a counterexample', ['bad', 'bad', 'bad good', 'bad', 'bad'], 'suspect'],
    ['may become bad after it was good', ['good', 'bad', 'bad', 'bad'], 'bad'],
    ['stays bad', ['bad', 'bad', 'bad', 'good', 'good'], 'bad'],
  ];
  for (const [what, rounds, expected] of cases)
    it(what, () => {
      const results = rounds.map((round) => round.split(' ') as ProbeResult[]);
      assert.equal(results.reduce(next, INITIAL_OFFLOAD).kind, expected);
    });
});

describe('the checksum probe loop', () => {
  let clock: FakeClock;
  let probed: number;
  let results: Partial<Record<Family, ProbeResult>>;
  let changes: string[];
  let isOn: boolean | undefined;

  beforeEach(() => {
    isOn = true;
    clock = new FakeClock();
    probed = 0;
    results = { 4: 'bad' };
    changes = [];
  });

  function watch(intervalMs = 60_000): ChecksumProbeLoop {
    const started = new ChecksumProbeLoop({
      clock,
      random: () => 0.5,
      intervalMs,
      choosePeers: (family, count) => (results[family] === undefined ? [] : PEERS.slice(0, count)),
      isOn: () => Promise.resolve(isOn),
      probe: (address) => {
        probed++;
        return Promise.resolve(results[address.includes(':') ? 6 : 4]!);
      },
      onChange: (family, { state }) => changes.push(`${family} ${state}`),
    });
    started.start();
    return started;
  }

  it('reports each state once and sends nothing more when it is bad', async () => {
    const started = watch();
    await clock.advance(10_000);
    assert.deepEqual(changes, ['4 suspect', '4 bad']);
    assert.deepEqual(started.badFamilies, [4]);
    assert.deepEqual(started.statuses.get(4)?.peers, PEERS);
    const before = probed;
    results = { 4: 'good' };
    await clock.advance(3_600_000);
    assert.equal(probed, before);
    assert.deepEqual(started.badFamilies, [4]);
  });

  it('probes no peer while nothing is left to devices, and keeps its state', async () => {
    results = { 4: 'good' };
    watch();
    await clock.advance(2_000);
    isOn = false;
    await clock.advance(120_000);
    assert.deepEqual([changes, probed], [['4 good', '4 off'], 3]);
    isOn = undefined;
    await clock.advance(60_000);
    assert.deepEqual([changes, probed], [['4 good', '4 off', '4 good'], 6]);
  });

  it('probes at its interval while the state is good', async () => {
    results = { 4: 'good' };
    watch();
    await clock.advance(2_000);
    assert.deepEqual([changes, probed], [['4 good'], 3]);
    await clock.advance(600_000);
    assert.deepEqual([changes, probed], [['4 good'], 33]);
  });

  it('backs off without answers, and probes at its interval again after one', async () => {
    results = { 4: 'no-answer' };
    watch();
    // After 2, 6, 14, … 1022 s, then every 600 s.
    await clock.advance(3_600_000);
    assert.deepEqual([changes, probed], [['4 unknown'], 3 * (9 + 4)]);
    results = { 4: 'good' };
    await clock.advance(600_000);
    const before = probed;
    await clock.advance(600_000);
    assert.equal(probed, before + 3 * 10);
  });

  it('waits no longer than its interval for a first peer', async () => {
    results = {};
    watch();
    await clock.advance(3_600_000);
    results = { 4: 'good' };
    await clock.advance(60_000);
    assert.deepEqual(changes, ['4 good']);
  });

  it('starts another trial on reset, and drops the pending round', async () => {
    const started = watch();
    await clock.advance(10_000);
    results = { 4: 'good' };
    started.reset();
    assert.deepEqual(started.badFamilies, []);
    await clock.advance(2_000);
    assert.deepEqual(changes.slice(2), ['4 good']);
  });

  it('sends nothing without peers, or with an interval of 0', async () => {
    results = {};
    watch();
    await clock.advance(600_000);
    results = { 4: 'bad' };
    watch(0).reset();
    const pending = clock.pendingTimers;
    assert.deepEqual([probed, pending], [0, 1]);
  });

  it('leaves no timer behind when it is stopped', async () => {
    const started = watch();
    await clock.advance(3_000);
    started.stop();
    started.reset();
    assert.equal(clock.pendingTimers, 0);
  });
});
