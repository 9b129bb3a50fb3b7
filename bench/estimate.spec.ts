import assert from 'node:assert/strict';
import { parseBenchArgs } from './args.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { formatEstimate, TYPICAL } from './estimate.ts';
import { PLANS } from './plans.ts';

describe('estimate of a run', () => {
  const IDLE = 'on an idle machine with two processors';
  const estimate = (...argv: readonly string[]): string => {
    const args = parseBenchArgs(argv);
    assert.ok(args.verb === 'run');
    return formatEstimate(args);
  };

  it('knows every benchmark', () =>
    assert.deepEqual(Object.keys(TYPICAL).sort(), Object.keys(BENCHMARKS).sort()));

  for (const [argv, text] of [
    ['path', 'about 20 minutes'],
    ['boot cni', 'about 60 seconds'],
    ['boot --rounds 70', 'about 5 minutes'],
    ['restart --faults crash', 'at most about 3 minutes'],
    ['--plan check', 'about 30 seconds'],
    ['--plan full', 'about 13 minutes'],
  ] as const)
    it(`of ${argv} is ${text}`, () => assert.equal(estimate(...argv.split(' ')), `${text} ${IDLE}`));

  it('of a plan is within its limit and what remains of the last benchmark', () => {
    for (const [name, { aboutSec, withinSec }] of Object.entries(PLANS))
      assert.ok(aboutSec <= withinSec * 1.5, name);
  });
});
