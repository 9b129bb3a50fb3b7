import assert from 'node:assert/strict';
import { COLOURED, PLAIN, styleOf } from './style.ts';

describe('colours', () => {
  const cases: readonly (readonly [
    isTTY: boolean,
    env: Readonly<Record<string, string>>,
    coloured: boolean,
  ])[] = [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    [false, { FORCE_COLOR: '' }, false],
    [true, { FORCE_COLOR: '0' }, false],
  ];
  for (const [isTTY, env, coloured] of cases)
    it(`are ${coloured ? 'on' : 'off'} ${isTTY ? 'on a terminal' : 'in a pipe'} with ${JSON.stringify(env)}`, () =>
      assert.equal(styleOf({ isTTY }, env), coloured ? COLOURED : PLAIN));
});
