import assert from 'node:assert/strict';
import { parseHookCommand } from './hook-command.ts';

describe('parseHookCommand', () => {
  const cases: readonly [string, readonly string[] | RegExp][] = [
    ['/usr/local/sbin/changed', ['/usr/local/sbin/changed']],
    ['  changed  --now\t$FLANNEL_MTU ', ['changed', '--now', '$FLANNEL_MTU']],
    [`sh -c 'a b'`, ['sh', '-c', `'a`, `b'`]],
    ['["sh","-c","echo $FLANNEL_MTU >/run/x"]', ['sh', '-c', 'echo $FLANNEL_MTU >/run/x']],
    ['   ', /must name a command/],
    ['[]', /JSON array of strings/],
    ['["a", 1]', /JSON array of strings/],
    ['["", "a"]', /JSON array of strings/],
    ['["sh"', /JSON array of strings/],
    ['a\0b', /NUL/],
  ];
  for (const [text, expected] of cases)
    it(`parses ${JSON.stringify(text)}`, () => {
      const args = parseHookCommand(text);
      if (expected instanceof RegExp) assert.match(String(args), expected);
      else assert.deepEqual(args, expected);
    });
});
