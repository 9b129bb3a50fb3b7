import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { Family, IpAddress } from '../../lib/address.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { ProbeResult } from './checksum-probe.ts';
import { ChecksumOffloadState } from './checksum-offload-state.ts';
import { ChecksumProbeLoop } from './checksum-probe-loop.ts';

const PEERS = ['10.5.2.0', '10.5.3.0', '10.5.4.0'] as IpAddress[];

describe('offload state', () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['knows nothing of silent peers', ['no-answer', 'silent silent', 'no-answer', 'no-answer'], 'unknown'],
    ['believes one peer that answers a device', ['silent bad good'], 'good'],
    ['suspects at first', ['bad', 'bad silent'], 'suspect'],
    ['is sure at the third round', ['bad', 'bad', 'bad'], 'bad'],
    ['does not count silent rounds', ['bad', 'no-answer', 'bad', 'silent silent', 'bad silent'], 'bad'],
    ['begins anew after a counterexample', ['bad', 'bad', 'bad good', 'bad', 'bad'], 'suspect'],
    ['may find later what was good to be bad', ['good', 'bad', 'bad', 'bad'], 'bad'],
    ['stays sure', ['bad', 'bad', 'bad', 'good', 'good'], 'bad'],
  ];
  for (const [what, rounds, expected] of cases)
    it(what, () => {
      const state = new ChecksumOffloadState();
      for (const round of rounds) state.note(round.split(' ') as ProbeResult[]);
      assert.equal(state.state, expected);
    });
});

describe('offload watch', () => {
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

  it('tells each status once and sends nothing more when it is sure', async () => {
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

  it('asks nobody while nothing is left to devices, and goes on where it was', async () => {
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

  it('goes on at its interval while all is well', async () => {
    results = { 4: 'good' };
    watch();
    await clock.advance(2_000);
    assert.deepEqual([changes, probed], [['4 good'], 3]);
    await clock.advance(600_000);
    assert.deepEqual([changes, probed], [['4 good'], 33]);
  });

  it('looks ever more rarely where peers are silent, and at its interval again once one answers', async () => {
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

  it('does not wait longer than its interval for a first peer', async () => {
    results = {};
    watch();
    await clock.advance(3_600_000);
    results = { 4: 'good' };
    await clock.advance(60_000);
    assert.deepEqual(changes, ['4 good']);
  });

  it('finds out anew when it is changes to forget, and a round under way counts no more', async () => {
    const started = watch();
    await clock.advance(10_000);
    results = { 4: 'good' };
    started.reset();
    assert.deepEqual(started.badFamilies, []);
    await clock.advance(2_000);
    assert.deepEqual(changes.slice(2), ['4 good']);
  });

  it('sends nothing while nobody is to be asked, or with an interval of 0', async () => {
    results = {};
    watch();
    await clock.advance(600_000);
    results = { 4: 'bad' };
    watch(0).reset();
    const pending = clock.pendingTimers;
    assert.deepEqual([probed, pending], [0, 1]);
  });

  it('leaves no timer behind', async () => {
    const started = watch();
    await clock.advance(3_000);
    started.stop();
    started.reset();
    assert.equal(clock.pendingTimers, 0);
  });
});
