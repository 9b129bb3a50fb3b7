import assert from 'node:assert/strict';
import { countReplies } from './traffic.ts';

const replies = (sequences: readonly number[]): string =>
  sequences.map((sequence) => `64 bytes from 10.5.1.2: icmp_seq=${sequence} ttl=62 time=0.1 ms\n`).join('');

describe('replies of ping', () => {
  for (const [what, sequences, expected] of [
    ['all', [1, 2, 3], [3, 3]],
    ['some, reordered, one of them duplicated', [2, 1, 5, 5, 4], [5, 4]],
    ['none at first', [3], [3, 1]],
    ['around the end of 16 bits', [30_000, 60_000, 65_535, 0, 1], [65_537, 5]],
    ['late around the end of 16 bits', [30_000, 60_000, 0, 65_535, 1], [65_537, 5]],
  ] as const)
    it(`are counted: ${what}`, () => {
      const { sent, received, lost } = countReplies(`PING 10.5.1.2\n${replies(sequences)}`);
      assert.deepEqual([sent, received, lost], [...expected, expected[0] - expected[1]]);
    });

  it('name what is missing', () => {
    assert.equal(countReplies(replies([2, 3, 7, 9])).gaps, '1 4–6 8');
    assert.equal(countReplies(replies([1, 2])).gaps, '');
  });

  it('are none of what was not answered', () => {
    assert.equal(countReplies('From 10.5.1.1 icmp_seq=7 Destination Net Unreachable\n').sent, 0);
  });
});
