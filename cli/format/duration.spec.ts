import assert from 'node:assert/strict';
import { formatBytes, formatDuration } from './duration.ts';

describe('formatting of durations and sizes', () => {
  const durations: readonly (readonly [number, string])[] = [
    [-5, '0 s'],
    [999, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [86_399_000, '23 h 59 min'],
    [183_600_000, '2 d 3 h'],
  ];
  for (const [ms, text] of durations)
    it(`prints ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));

  const sizes: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_960_000, '10.0 MB'],
    [72_000_000, '72 MB'],
    [1.5e15, '1.5 PB'],
    [5e18, '5000 PB'],
  ];
  for (const [bytes, text] of sizes)
    it(`prints ${bytes} bytes as ${text}`, () => assert.equal(formatBytes(bytes), text));
});
