import assert from 'node:assert/strict';
import { bitRate, bytes, clockTime, count, duration, milliseconds } from './text.ts';

describe('texts of the page', () => {
  for (const [ms, text] of [
    [-5, '0 s'],
    [59_400, '59 s'],
    [61_000, '1 min'],
    [3_600_000 + 20 * 60_000, '1 h 20 min'],
    [3 * 86_400_000, '3 days'],
  ] as const)
    it(`has ${text} for ${ms} ms`, () => assert.equal(duration(ms), text));

  it('has units that people read', () => {
    assert.deepEqual(
      [bytes(999), bytes(1500), bytes(72_000_000), bitRate(125), bitRate(1_250_000_000), count(1234)],
      ['999 B', '1.5 kB', '72 MB', '1 kbit/s', '10 Gbit/s', '1,234'],
    );
    assert.deepEqual(
      [milliseconds(0.123), milliseconds(2.34), milliseconds(150.4)],
      ['0.12 ms', '2.3 ms', '150 ms'],
    );
  });

  it('has times of a day of 24 hours', () =>
    assert.equal(clockTime(new Date(2026, 1, 1, 0, 5, 9)), '00:05:09'));
});
