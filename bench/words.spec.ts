import assert from 'node:assert/strict';
import { BenchUsageError, parseBenchWords } from './words.ts';

describe('words of weft bench', () => {
  it('name parts, and how often', () => {
    const words = parseBenchWords(['boot', 'cni', '--rounds', '5', '--out=all.json']);
    assert.deepEqual(words, { verb: 'run', parts: ['boot', 'cni'], rounds: 5, out: 'all.json', args: [] });
  });

  it('hand the options of a part to it, wherever they stand', () => {
    const words = parseBenchWords(['path', '--only', 'veth', '--rounds', '2', '--mtu=9000']);
    assert.ok(words.verb === 'run');
    assert.deepEqual(words.args, ['--only', 'veth', '--mtu=9000']);
    assert.equal(words.rounds, 2);
  });

  it('are all parts if none is named', () => {
    const words = parseBenchWords([]);
    assert.ok(words.verb === 'run' && words.parts.includes('path') && words.parts.includes('converge'));
  });

  for (const [words, reason] of [
    [['walk'], /no part 'walk': give some of path, /],
    [['path', 'boot', '--only', 'veth'], /'--only veth': options of a part need that part alone/],
    [['boot', '--only', 'veth'], /'--only veth'/],
    [['boot', '--rounds', '0'], /--rounds '0': give a whole number from 1 to 1000/],
    [['boot', '--rounds'], /--rounds needs a value/],
  ] as const)
    it(`refuse ${words.join(' ')}`, () => {
      assert.throws(
        () => parseBenchWords(words),
        (error) => error instanceof BenchUsageError && reason.test(error.message),
      );
    });
});
