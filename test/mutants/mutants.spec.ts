// What the mutation operators make of each kind of syntax, how a sample is drawn, and which specs are chosen.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cMutants } from './c-mutants.ts';
import { jsMutants } from './js-mutants.ts';
import { apply, sample, type Mutant } from './mutant.ts';
import { SpecFinder } from './specs-of.ts';

const all = (source: string, mutants: readonly Mutant[]): string[] =>
  mutants.map((mutant) => apply(source, mutant)).toSorted();

/** Statements of JavaScript, and all that becomes of them. */
const JS: Readonly<Record<string, readonly string[]>> = {
  'a < b;': ['a <= b;'],
  'a >= b;': ['a > b;'],
  'a === b;': ['a !== b;'],
  'a + b;': ['a - b;'],
  'a < 5000;': ['a < 5000000;', 'a <= 5000;'],
  'a * 3;': ['a * 4;', 'a / 3;'],
  '"x" + a;': [],
  'a && b;': ['a || b;', 'a;', 'b;'],
  'a ?? b;': ['a;'],
  'if (a) b;': ['if (!(a)) b;'],
  'while (a);': ['while (!(a));'],
  'a ? b : c;': ['!(a) ? b : c;'],
  'x = !a;': [';', 'x = a;'],
  'i++;': ['i -= 1;'],
  'true;': ['false;'],
  '"text";': [],
  'x = a.rxBytes;': [';', 'x = a.txBytes;'],
  'x = a.minMs;': [';'],
  'x = Math.min;': [';', 'x = Math.max;'],
  'x = f(a, b, c);': [';', 'x = f(b, a, c);'],
  'x = f(a);': [';', 'x = (a);'],
  'x = a.filter(b);': [';', 'x = a;'],
  'f();': [';'],
  'async () => { await f(); };': ['async () => { ; };'],
  'a.b = c;': [';'],
  'function f() { return a; }': ['function f() { return undefined; }'],
  'function f() { return a in b; }': ['function f() { return false; }', 'function f() { return true; }'],
  '() => a;': ['() => undefined;'],
  '() => a.lastMs;': ['() => a.lastMs * 1000;', '() => undefined;'],
  'x = [a, b];': [';', 'x = [b, b];'],
  'x = [...a, b];': [';', 'x = [...[], b];', 'x = [...[], b];'],
  'x = { a: b, c: d };': [';', 'x = { a: d, c: d };'],
  'x = { a: ageMs };': [';', 'x = { a: ageMs * 1000 };'],
};

/** Lines of C. */
const C: Readonly<Record<string, readonly string[]>> = {
  '  if (a < b) return;': ['  if (!(a < b)) return;', '  if (a <= b) return;'],
  '  if (!a) return c;': ['  if ((!(!a))) return c;', '  if (a) return c;'].map((line) =>
    line.replace('((!(!a)))', '(!(!a))'),
  ),
  '  send(a, b);': ['  ;', '  send(b, a);'],
  '  x->count += 2;': ['  ;', '  x->count += (2 + 1);', '  x->count -= 2;'],
  '  count++;': ['  ;', '  count--;'],
  '  return a && b;': ['  return 0;', '  return a || b;'],
  '  return 0;': ['  return (0 + 1);'],
  '  /* a < b; */': [],
  '#define A 1': [],
  '  drop(WEFT_DROP_TX_TTL);': ['  ;', '  drop(WEFT_DROP_RX_TTL);'],
};

describe('mutants', () => {
  for (const [source, expected] of Object.entries(JS))
    it(`of ${source}`, () => assert.deepEqual(all(source, jsMutants(source)), expected.toSorted()));

  for (const [source, expected] of Object.entries(C))
    it(`of the C line ${source}`, () => assert.deepEqual(all(source, cMutants(source)), expected.toSorted()));

  it('are drawn by a seed', () => {
    const numbers = Array.from({ length: 100 }, (_none, index) => index);
    const drawn = sample(numbers, 10, 1);
    assert.deepEqual(drawn, sample(numbers, 10, 1));
    assert.notDeepEqual(drawn, sample(numbers, 10, 2));
    assert.equal(new Set(drawn).size, 10);
    assert.deepEqual(
      [...sample(numbers, 1000, 1)].sort((a, b) => a - b),
      numbers,
    );
  });

  it('are met by the specs that import their file, the nearest first', () => {
    const root = mkdtempSync(join(tmpdir(), 'weft-specs-'));
    const files: Readonly<Record<string, string>> = {
      'a/one.js': '',
      'a/two.js': "import { x } from './one.js';",
      'a/two.spec.js': "import { x } from './two.js';",
      'a/one.spec.js': "import { x } from './one.js';",
      'b/three.spec.js': "const x = await import('../a/one.js');",
      'b/four.spec.js': "import 'node:fs'; import.meta.resolve('../a/main.js');",
      'a/main.js': '',
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    const finder = new SpecFinder(
      root,
      Object.keys(files).filter((name) => name.endsWith('.spec.js')),
    );
    assert.deepEqual(finder.specsOf('a/one.js'), ['a/one.spec.js', 'a/two.spec.js', 'b/three.spec.js']);
    assert.deepEqual(finder.specsOf('a/two.js'), ['a/two.spec.js']);
    assert.deepEqual(finder.specsOf('a/main.js'), ['b/four.spec.js']);
    rmSync(root, { recursive: true });
  });
});
