// Two hosts with one public address, as one of them sees the status that both publish.
import assert from 'node:assert/strict';
import {
  initialConflict,
  onKeyWritten,
  onRead,
  onReadFailed,
  type ConflictEffect,
  type PublicIpConflict,
} from './public-ip-conflict.ts';

type Step = readonly [
  ms: number,
  isForeign: boolean,
  kind: PublicIpConflict['kind'],
  dueMs: number,
  effects: string,
];

const READ_S = 1000;
const START: PublicIpConflict = initialConflict({ ms: 0 });

const CASES: Readonly<Record<string, readonly Step[]>> = {
  'is alone': [
    [0, false, 'unique', 10_000, ''],
    [10_000, false, 'unique', Infinity, ''],
  ],
  'booted again, and finds its former self once': [
    [0, true, 'suspected', 5000, 'rewrite touch'],
    [5000, false, 'suspected', 10_000, ''],
    [59_999, false, 'suspected', 64_999, ''],
    [60_000, false, 'unique', Infinity, ''],
  ],
  'swaps its address with another, which writes once more': [
    [0, true, 'suspected', 5000, 'rewrite touch'],
    [5000, true, 'suspected', 10_000, 'rewrite'],
    [10_000, false, 'suspected', 15_000, ''],
    [64_999, false, 'suspected', 69_999, ''],
    [65_000, false, 'unique', Infinity, ''],
  ],
  'reads one write of another twice': [
    [0, true, 'suspected', 5000, 'rewrite touch'],
    [3999, true, 'suspected', 5000, 'rewrite'],
    [4000, true, 'suspected', 9000, 'rewrite'],
    [7999, true, 'suspected', 9000, 'rewrite'],
  ],
  'shares its address': [
    [0, true, 'suspected', 5000, 'rewrite touch'],
    [5000, true, 'suspected', 10_000, 'rewrite'],
    [10_000, true, 'contested', 30_000, 'rewrite report-contested 3'],
    [30_000, true, 'contested', 50_000, 'rewrite'],
    [50_000, false, 'contested', 70_000, ''],
    [119_999, false, 'contested', 139_999, ''],
    [120_000, false, 'unique', Infinity, 'report-unique'],
  ],
};

const textOf = (effects: readonly ConflictEffect[]): string =>
  effects.map((effect) => ('count' in effect ? `${effect.kind} ${effect.count}` : effect.kind)).join(' ');

describe('a host that', () => {
  for (const [name, steps] of Object.entries(CASES))
    it(name, () => {
      let state: PublicIpConflict = START;
      for (const [index, [ms, isForeign, kind, dueMs, effects]] of steps.entries()) {
        const transition = onRead(state, { isForeign, isFirst: index === 0 }, { ms });
        state = transition.state;
        assert.deepEqual(
          [state.kind, state.dueMs, textOf(transition.effects)],
          [kind, dueMs, effects],
          `at ${ms}`,
        );
      }
    });

  it('sees its key written reads at once, unless a read is due before', () => {
    const { state } = onRead(START, { isForeign: false, isFirst: true }, { ms: 0 });
    assert.equal(onKeyWritten(state, { ms: READ_S }).dueMs, READ_S);
    assert.equal(onKeyWritten(state, { ms: 20_000 }).dueMs, 10_000);
    assert.equal(onKeyWritten(state, { ms: READ_S }).kind, 'unique');
  });

  it('cannot read tries again after five seconds, in the same state', () => {
    const { state } = onRead(START, { isForeign: true, isFirst: true }, { ms: 0 });
    assert.deepEqual(onReadFailed(state, { ms: 7000 }), { ...state, dueMs: 12_000 });
  });

  it('starts reads at once', () =>
    assert.deepEqual(initialConflict({ ms: 42 }), { kind: 'unique', dueMs: 42 }));
});
