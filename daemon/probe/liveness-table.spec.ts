import assert from 'node:assert/strict';
import { next, type Liveness } from './liveness-state.ts';
import { LivenessTable } from './liveness-table.ts';

const REACHABLE: Liveness = { state: 'reachable', sinceMs: 1, answeredMs: 2, rttMs: 0.3 };
const SILENT: Liveness = { state: 'silent', sinceMs: 4 };

describe('table of liveness', () => {
  it('keeps what was set, however many peers there are', () => {
    const table = new LivenessTable();
    for (let peer = 0; peer < 100; peer++)
      table.set(table.add(`p${peer}`), { ...REACHABLE, sinceMs: peer, rttMs: peer });
    for (let peer = 0; peer < 100; peer++)
      assert.deepEqual(table.get(`p${peer}`), { ...REACHABLE, sinceMs: peer, rttMs: peer });
  });

  it('knows nothing of a peer without a state, nor of one that never answered when it did', () => {
    const table = new LivenessTable();
    const row = table.add('a');
    assert.equal(table.get('a'), undefined);
    table.set(row, SILENT);
    assert.deepEqual(table.get('a'), SILENT);
  });

  it('refreshes a reachable peer as the state machine does, and no other', () => {
    const table = new LivenessTable();
    const row = table.add('a');
    assert.equal(table.refresh(row, 0.5, 9), false);
    table.set(row, SILENT);
    assert.equal(table.refresh(row, 0.5, 9), false);
    assert.deepEqual(table.get('a'), SILENT);
    table.set(row, REACHABLE);
    assert.equal(table.refresh(row, 0.5, 9), true);
    assert.deepEqual(table.get('a'), next(REACHABLE, { kind: 'answered', rttMs: 0.5 }, 9));
  });

  it('gives a freed row to another peer without what it held', () => {
    const table = new LivenessTable();
    const row = table.add('a');
    table.set(row, SILENT);
    assert.equal(table.delete('a'), row);
    assert.equal(table.keyAt(row), undefined);
    assert.equal(table.add('b'), row);
    assert.equal(table.get('b'), undefined);
    assert.deepEqual(table.unreachable(), []);
  });

  it('lists and counts peers that do not answer', () => {
    const table = new LivenessTable();
    table.set(table.add('a'), REACHABLE);
    table.set(table.add('b'), SILENT);
    table.set(table.add('c'), { ...REACHABLE, state: 'overlay-broken' });
    table.add('d');
    assert.deepEqual(
      table.unreachable().map(([key]) => key),
      ['b', 'c'],
    );
    const counts = { reachable: 1, silent: 0, 'overlay-broken': 1, unknown: 2 };
    assert.deepEqual(
      table.counts(4, (key) => key !== 'b'),
      counts,
    );
    table.set(table.add('b'), REACHABLE);
    table.delete('c');
    assert.deepEqual(table.unreachable(), []);
  });
});
