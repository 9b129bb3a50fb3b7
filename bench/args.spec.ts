import assert from 'node:assert/strict';
import { PARTS } from './benchmarks.ts';
import { PLANS } from './plans.ts';
import { BenchUsageError, parseBenchWords } from './args.ts';

describe('words of weft bench', () => {
  it('name parts, and how often', () => {
    const words = parseBenchWords(['boot', 'cni', '--rounds', '5', '--out=all.json']);
    const jobs = ['boot', 'cni'].map((part) => ({ part, rounds: 5, args: [] }));
    assert.deepEqual(words, { verb: 'run', jobs, withinSec: undefined, orders: [], out: 'all.json' });
  });

  it('hand the options of a part to it, wherever they stand', () => {
    const words = parseBenchWords(['path', '--only', 'veth', '--rounds', '2', '--mtu=9000']);
    assert.ok(words.verb === 'run');
    assert.deepEqual(words.jobs, [{ part: 'path', rounds: 2, args: ['--only', 'veth', '--mtu=9000'] }]);
  });

  it('are all parts if none is named', () => {
    const words = parseBenchWords([]);
    assert.ok(words.verb === 'run');
    assert.deepEqual(
      words.jobs.map(({ part }) => part),
      Object.keys(PARTS),
    );
  });

  for (const [name, plan] of Object.entries(PLANS))
    it(`are plan ${name}, of parts and options that there are`, async () => {
      const words = parseBenchWords(['--plan', name, '--out', 'x.json']);
      assert.deepEqual(words, {
        verb: 'run',
        jobs: plan.jobs,
        withinSec: plan.withinSec,
        orders: plan.orders ?? [],
        out: 'x.json',
      });
      for (const { part, args } of plan.jobs) assert.ok(Array.isArray(await PARTS[part]!.needs(args)));
    });

  for (const [words, reason] of [
    [['walk'], /no part 'walk': give some of path, /],
    [['path', 'boot', '--only', 'veth'], /'--only veth': options of a part need that part alone/],
    [['boot', '--only', 'veth'], /'--only veth'/],
    [['--plan', 'long'], /no plan 'long': give one of check, short, full/],
    [['boot', '--plan', 'short'], /--plan short names parts and rounds itself/],
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

describe('words of weft bench report and compare', () => {
  it('name files, what is made, and how to judge', () => {
    assert.deepEqual(parseBenchWords(['report', 'a.json', 'b.json', '-o', 'r.html', '--picture', 'p.svg']), {
      verb: 'report',
      files: ['a.json', 'b.json'],
      out: 'r.html',
      picture: 'p.svg',
    });
    assert.deepEqual(parseBenchWords(['compare', 'a.json', 'b.json', '--tolerance', '0.2']), {
      verb: 'compare',
      before: 'a.json',
      after: 'b.json',
      judgement: { tolerance: 0.2, chance: 0.01 },
    });
  });

  for (const [words, reason] of [
    [['report', 'a.json'], /needs files of results, and -o/],
    [['report', '-o', 'x.html'], /needs files of results/],
    [['compare', 'a.json'], /needs two files/],
    [['compare', 'a', 'b', 'c'], /needs two files/],
    [['compare', 'a', 'b', '--chance', '2'], /--chance '2': give a number between 0 and 1/],
    [['compare', 'a', 'b', '--fast'], /--fast/],
  ] as const)
    it(`refuse ${words.join(' ')}`, () => {
      assert.throws(
        () => parseBenchWords(words),
        (error) => error instanceof BenchUsageError && reason.test(error.message),
      );
    });
});
