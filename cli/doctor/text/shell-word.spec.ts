import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { shellWord, sysctlFix } from './shell-word.ts';

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

it('a setting of a device whose name has a dot is one that sysctl(8) takes', () => {
  const [, , assignment] = sysctlFix('net/ipv4/conf/eth0.100/rp_filter', 2).split(' ');
  const said = execFileSync('sh', ['-c', `sysctl ${assignment!.split('=')[0]} 2>&1 || true`], {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' },
  });
  assert.match(said, /proc\/sys\/net\/ipv4\/conf\/eth0\.100\/rp_filter/);
});
