import assert from 'node:assert/strict';
import { anchorsOf, commandsOf, linksOf, matchesOutput } from './markdown.ts';

const PAGE = [
  '# One page',
  'See [there](../b.md#part-two) and [below](#one-page), not [outside](https://example.org/).',
  '```console run',
  '$ echo a \\',
  '  b',
  'a b',
  '# echo c',
  '```',
  '```sh',
  '[no](link.md)',
  '```',
  '## `Part` two!',
].join('\n');

describe('Markdown pages', () => {
  it('have an anchor for each heading', () => {
    assert.deepEqual([...anchorsOf(PAGE)], ['one-page', 'part-two']);
  });

  it('have links to files and anchors, none in code', () => {
    assert.deepEqual(linksOf(PAGE), [
      { line: 2, path: '../b.md', anchor: 'part-two' },
      { line: 2, path: '', anchor: 'one-page' },
    ]);
  });

  it('have commands with the output below them', () => {
    assert.deepEqual(commandsOf(PAGE), [
      { line: 4, command: 'echo a \\\n  b', output: ['a b'] },
      { line: 7, command: 'echo c', output: [] },
    ]);
  });
});

describe('matchesOutput', () => {
  const cases: readonly [string[], string, boolean][] = [
    [['a'], 'a\n', true],
    [['a'], 'a', true],
    [['a'], 'ab\n', false],
    [['a … c'], 'a bb c\n', true],
    [['a', '…', 'z'], 'a\nb\nc\nz\n', true],
    [['a', '…'], 'a\n', true],
    [['a', '…'], 'b\n', false],
    [['(x).*'], '(x).*\n', true],
    [[], '', true],
    [[], 'a\n', false],
  ];
  for (const [expected, actual, isMatch] of cases)
    it(`${isMatch ? 'accepts' : 'rejects'} ${JSON.stringify(actual)} for ${JSON.stringify(expected)}`, () =>
      assert.equal(matchesOutput(expected, actual), isMatch));
});
