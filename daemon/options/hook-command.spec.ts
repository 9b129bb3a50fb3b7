import assert from 'node:assert/strict';
import { parseHookCommand } from './hook-command.ts';

describe('the words of --on-change', () => {
  const cases: readonly [string, readonly string[] | RegExp][] = [
    ['/usr/local/sbin/changed', ['/usr/local/sbin/changed']],
    ['  changed  --now\t$FLANNEL_MTU ', ['changed', '--now', '$FLANNEL_MTU']],
    [`sh -c 'a b'`, ['sh', '-c', `'a`, `b'`]],
    ['["sh","-c","echo $FLANNEL_MTU >/run/x"]', ['sh', '-c', 'echo $FLANNEL_MTU >/run/x']],
    ['   ', /must name a command/],
    ['[]', /JSON array of words/],
    ['["a", 1]', /JSON array of words/],
    ['["", "a"]', /JSON array of words/],
    ['["sh"', /JSON array of words/],
    ['a\0b', /NUL/],
  ];
  for (const [text, expected] of cases)
    it(JSON.stringify(text), () => {
      const words = parseHookCommand(text);
      if (expected instanceof RegExp) assert.match(String(words), expected);
      else assert.deepEqual(words, expected);
    });
});
