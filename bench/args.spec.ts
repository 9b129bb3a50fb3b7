import assert from 'node:assert/strict';
import { BENCHMARKS } from './benchmarks.ts';
import { PLANS } from './plans.ts';
import { BenchUsageError, parseBenchArgs } from './args.ts';

describe('arguments of weft bench', () => {
  it('name benchmarks and the number of rounds', () => {
    const parsed = parseBenchArgs(['boot', 'cni', '--rounds', '5', '--out=all.json']);
    const jobs = ['boot', 'cni'].map((benchmark) => ({ benchmark, rounds: 5, args: [] }));
    assert.deepEqual(parsed, { verb: 'run', jobs, withinSec: undefined, invariants: [], out: 'all.json' });
  });

  it('pass the options of a benchmark through, in any position', () => {
    const parsed = parseBenchArgs(['path', '--only', 'veth', '--rounds', '2', '--mtu=9000']);
    assert.ok(parsed.verb === 'run');
    assert.deepEqual(parsed.jobs, [{ benchmark: 'path', rounds: 2, args: ['--only', 'veth', '--mtu=9000'] }]);
  });

  it('select all benchmarks if none is named', () => {
    const parsed = parseBenchArgs([]);
    assert.ok(parsed.verb === 'run');
    assert.deepEqual(
      parsed.jobs.map(({ benchmark }) => benchmark),
      Object.keys(BENCHMARKS),
    );
  });

  for (const [name, plan] of Object.entries(PLANS))
    it(`accept plan ${name} with existing benchmarks and options`, async () => {
      const parsed = parseBenchArgs(['--plan', name, '--out', 'x.json']);
      assert.deepEqual(parsed, {
        verb: 'run',
        jobs: plan.jobs,
        aboutSec: plan.aboutSec,
        withinSec: plan.withinSec,
        invariants: plan.invariants ?? [],
        out: 'x.json',
      });
      for (const { benchmark, args } of plan.jobs)
        assert.ok(Array.isArray(await BENCHMARKS[benchmark]!.needs(args)));
    });

  for (const [args, reason] of [
    [['walk'], /no benchmark 'walk': give some of path, /],
    [['path', 'boot', '--only', 'veth'], /'--only veth': options of a benchmark need that benchmark alone/],
    [['boot', '--only', 'veth'], /'--only veth'/],
    [['--plan', 'long'], /no plan 'long': give one of check, short, full/],
    [['boot', '--plan', 'short'], /--plan short names benchmarks and rounds itself/],
    [['boot', '--rounds', '0'], /--rounds '0': give a whole number from 1 to 1000/],
    [['boot', '--rounds'], /--rounds needs a value/],
  ] as const)
    it(`reject ${args.join(' ')}`, () => {
      assert.throws(
        () => parseBenchArgs(args),
        (error) => error instanceof BenchUsageError && reason.test(error.message),
      );
    });
});

describe('arguments of weft bench report and compare', () => {
  it('name input files, output files and comparison options', () => {
    assert.deepEqual(parseBenchArgs(['report', 'a.json', 'b.json', '-o', 'r.html', '--picture', 'p.svg']), {
      verb: 'report',
      files: ['a.json', 'b.json'],
      out: 'r.html',
      picture: 'p.svg',
      pages: [],
    });
    assert.deepEqual(parseBenchArgs(['compare', 'a.json', 'b.json', '--tolerance', '0.2']), {
      verb: 'compare',
      before: 'a.json',
      after: 'b.json',
      options: { tolerance: 0.2, alpha: 0.01 },
    });
  });

  for (const [args, reason] of [
    [['report', 'a.json'], /needs files of results, and -o/],
    [['report', '-o', 'x.html'], /needs files of results/],
    [['compare', 'a.json'], /needs two files/],
    [['compare', 'a', 'b', 'c'], /needs two files/],
    [['compare', 'a', 'b', '--alpha', '2'], /--alpha '2': give a number between 0 and 1/],
    [['compare', 'a', 'b', '--fast'], /--fast/],
  ] as const)
    it(`reject ${args.join(' ')}`, () => {
      assert.throws(
        () => parseBenchArgs(args),
        (error) => error instanceof BenchUsageError && reason.test(error.message),
      );
    });
});
