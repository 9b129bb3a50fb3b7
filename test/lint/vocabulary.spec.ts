import assert from 'node:assert/strict';
import { findReplacedWords } from './vocabulary.ts';

describe('findReplacedWords', () => {
  const wrong: readonly [string, string][] = [
    ['const localWay = 1;', 'way'],
    ['function lookAtPeers() {}', 'look'],
    ['// Somebody changed the route.', 'somebody'],
    ['#define WEFT_DOOR 1', 'door'],
    ['struct told_route', 'told'],
    ['// It waits for ever.', 'for ever'],
    ['MendRoute', 'mend'],
  ];
  for (const [line, word] of wrong)
    it(`finds "${word}" in ${line}`, () =>
      assert.deepEqual(
        findReplacedWords(`\n${line}`).map(({ line: number, word: found }) => [number, found]),
        [[2, word]],
      ));

  for (const line of [
    'gateway',
    'lookup table',
    'const passwords = 2;',
    'recommended',
    'handshake',
    'foretold',
    'sums of 16-bit words',
    'for every host',
  ])
    it(`passes "${line}"`, () => assert.deepEqual(findReplacedWords(line), []));
});
