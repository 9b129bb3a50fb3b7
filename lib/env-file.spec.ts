import assert from 'node:assert/strict';
import { parseEnvFile } from './env-file.ts';

describe('parseEnvFile', () => {
  const CASES: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
    ['an assignment', 'A=1', { A: '1' }],
    ['double quotes', 'A="1 2"', { A: '1 2' }],
    ['single quotes', "A='1 2'", { A: '1 2' }],
    ['an export', 'export A=1', { A: '1' }],
    ['an empty value', 'A=', { A: '' }],
    ['spaces around', '  A = 1  ', { A: '1' }],
    ['a trailing comment', 'A=1 # one', { A: '1' }],
    ['comments and blank lines', '# none\n\nA=1\r\n', { A: '1' }],
    ['the last of several', 'A=1\nA=2', { A: '2' }],
  ];
  for (const [what, text, expected] of CASES)
    it(`reads ${what}`, () => assert.deepEqual(Object.fromEntries(parseEnvFile(text)), expected));

  for (const line of ['A', '1=2', 'A=1 2', 'A="1', '=1'])
    it(`reports ${JSON.stringify(line)} with its number and reads on`, () => {
      const bad: [string, number][] = [];
      const values = parseEnvFile(`B=1\n${line}\nC=2`, (...args) => bad.push(args));
      assert.deepEqual(bad, [[line, 2]]);
      assert.deepEqual(Object.fromEntries(values), { B: '1', C: '2' });
    });
});
