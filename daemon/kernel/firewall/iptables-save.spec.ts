import assert from 'node:assert/strict';
import { FORWARD_CHAIN, MASQUERADE_CHAIN } from '../../../backends/firewall/firewall-iptables.ts';
import { parseSave, removeScript, setScript } from './iptables-save.ts';

const JUMP = '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD';
const RULE = '-A FLANNEL-FWD -s 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT';
const OTHER = '-A FLANNEL-FWD -s 10.6.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT';
const WANTED = `:FLANNEL-FWD -\n${JUMP}\n${RULE}\n`;

function save(policy: string, ...lines: readonly string[]): string {
  const head = ['# Generated', '*filter', ':INPUT ACCEPT [7:420]', `:FORWARD ${policy} [1:2]`];
  const nat = [
    '*nat',
    ':POSTROUTING ACCEPT [0:0]',
    '-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE',
    'COMMIT',
  ];
  return [...head, ...lines, 'COMMIT', '# Completed', ...nat, ''].join('\n');
}

function chain(...lines: readonly string[]): string | undefined {
  return parseSave(save('ACCEPT', ...lines)).chains.get('filter FLANNEL-FWD');
}

describe('the output of iptables-save', () => {
  it('gives our chain with the jumps to it, among foreign rules', () => {
    const foreign = ['-A FORWARD -i docker0 -j ACCEPT', '-A DOCKER-USER -j RETURN'];
    assert.equal(
      chain(':FLANNEL-FWD - [0:0]', ':DOCKER-USER - [0:0]', foreign[0]!, JUMP, RULE, foreign[1]!),
      WANTED,
    );
  });

  it('gives nothing without rules of ours', () => {
    assert.equal(chain('-A FORWARD -i docker0 -j ACCEPT', '-A FORWARD -j FLANNEL-FWD-OLD'), undefined);
    assert.equal(parseSave('').chains.size, 0);
  });

  it('gives every jump from FORWARD, and rules that older flannel wrote into it', () => {
    const direct = '-A FORWARD -s 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT';
    assert.equal(chain(direct, '-A FORWARD -j FLANNEL-FWD'), `${direct}\n-A FORWARD -j FLANNEL-FWD\n`);
  });

  it('ignores a jump from another chain', () => {
    assert.equal(chain(':FLANNEL-FWD - [0:0]', '-A DOCKER-USER -j FLANNEL-FWD'), ':FLANNEL-FWD -\n');
  });

  it('shows whether FORWARD drops', () => {
    assert.equal(parseSave(save('DROP')).isForwardDropping, true);
    assert.equal(parseSave(save('ACCEPT')).isForwardDropping, false);
  });
});

describe('a script for iptables-restore', () => {
  const cases: readonly [string, string, readonly string[]][] = [
    ['creates the chain and the jump to it', '', [RULE, JUMP]],
    ['keeps the place of the jump', `:FLANNEL-FWD -\n${JUMP}\n${OTHER}\n`, [RULE]],
    ['keeps the first of two jumps', `:FLANNEL-FWD -\n${JUMP}\n${JUMP}\n`, [RULE, `-D${JUMP.slice(2)}`]],
    [
      'replaces another jump by ours',
      ':FLANNEL-FWD -\n-A FORWARD -j FLANNEL-FWD\n',
      [RULE, '-D FORWARD -j FLANNEL-FWD', JUMP],
    ],
  ];
  for (const [name, found, commands] of cases)
    it(name, () => {
      const script = ['*filter', ':FLANNEL-FWD - [0:0]', ...commands, 'COMMIT', ''].join('\n');
      assert.equal(setScript(FORWARD_CHAIN, WANTED, found), script);
    });

  it('removes the chain and all jumps to it', () => {
    const script = ['*filter', ':FLANNEL-FWD - [0:0]', `-D${JUMP.slice(2)}`, '-X FLANNEL-FWD', 'COMMIT', ''];
    assert.equal(removeScript(FORWARD_CHAIN, WANTED), script.join('\n'));
  });

  it('names the table of the chain', () => {
    assert.match(
      removeScript(MASQUERADE_CHAIN, ''),
      /^\*nat\n:FLANNEL-POSTRTG - \[0:0\]\n-X FLANNEL-POSTRTG\n/,
    );
  });
});
