import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { shellWord } from './shell-word.ts';

describe('a word of a fix', () => {
  for (const plain of ['eth0', 'br-lan', 'cni0.100', 'veth1@if2', '/run/netns/c1', '10.5.1.2/24', 'fe80::1'])
    it(`is ${plain} itself`, () => assert.equal(shellWord(plain), plain));

  for (const [text, quoted] of [
    ['$(reboot)', "'$(reboot)'"],
    [';poweroff;', "';poweroff;'"],
    ["it's", String.raw`'it'\''s'`],
    ['', "''"],
  ] as const)
    it(`is quoted: ${text}`, () => {
      assert.equal(shellWord(text), quoted);
      assert.equal(execFileSync('sh', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' }), text);
    });
});
