import assert from 'node:assert/strict';
import type { IpAddress } from '../../../lib/address.ts';
import { parseIptablesSave } from '../../../daemon/trace/iptables-ruleset.ts';
import { walkJourney } from './firewall-walk.ts';
import type { Journey } from './stages.ts';

const address = (text: string): IpAddress => text as IpAddress;
const journey: Journey = {
  family: 4,
  local: address('10.5.1.2'),
  remote: address('10.5.2.2'),
  bridge: 'br0',
  device: 'flannel.1',
  tunnels: [{ protocol: 'udp', port: 8472, isSymmetric: false }],
  outer: { local: address('198.18.1.1'), remote: address('198.18.1.2'), device: 'eth0' },
};

/** Rules as `TABLE -A CHAIN …`. Layers and hooks of drops, and whether there are doubts. */
function dropsOf(...lines: readonly string[]): string {
  const save = ['raw', 'mangle', 'filter'].map((table) => {
    const own = lines.filter((line) => line.startsWith(`${table} `));
    const chains = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];
    return [
      `*${table}`,
      ...chains.map((chain) => `:${chain} ACCEPT [0:0]`),
      ...own.map((line) => line.slice(table.length + 1)),
      'COMMIT',
    ].join('\n');
  });
  const visits = walkJourney(parseIptablesSave(save.join('\n'), 'iptables'), journey);
  const drops = visits.filter(({ outcome }) => outcome.drop !== undefined);
  const places = drops.map(({ stage }) => `${stage.layer} ${stage.direction} ${stage.hook}`);
  const isInDoubt = visits.some(({ outcome }) => outcome.doubts.length > 0);
  return `${[...new Set(places)].join()}${isInDoubt ? '?' : ''}`;
}

describe('a packet through all hooks', () => {
  const unmarked = 'filter -A FORWARD -i br0 -m mark --mark 0x0 -j DROP';
  const MARK = '-j MARK --set-xmark 0x1/0xffffffff';
  for (const [name, lines, expected] of [
    ['is without a mark', [unmarked], 'inner sent forward'],
    ['keeps a mark from hook to hook', [`mangle -A PREROUTING -i br0 ${MARK}`, unmarked], ''],
    [
      'is dropped by a mark of an earlier hook',
      [`mangle -A PREROUTING -i br0 ${MARK}`, 'filter -A FORWARD -m mark --mark 0x1 -j DROP'],
      'inner sent forward',
    ],
    [
      'has a mark that a set decides perhaps',
      [`mangle -A PREROUTING -m set --match-set some src ${MARK}`, unmarked],
      '?',
    ],
    [
      'has a mark that a connection perhaps restores',
      ['mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff', unmarked],
      '?',
    ],
    [
      'has the mark of the packet within the tunnel perhaps',
      [`mangle -A FORWARD -i br0 ${MARK}`, 'filter -A OUTPUT -p udp -m mark --mark 0x0 -j DROP'],
      '?',
    ],
    [
      'out of the tunnel has its mark perhaps',
      [`mangle -A INPUT -p udp ${MARK}`, 'filter -A FORWARD -i flannel.1 -m mark ! --mark 0x1 -j DROP'],
      '?',
    ],
    [
      'has no known state where connection tracking leaves it out',
      [
        'raw -A PREROUTING -p udp -m udp --dport 8472 -j CT --notrack',
        'filter -A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT',
        'filter -A INPUT -p udp -j DROP',
      ],
      '?',
    ],
    [
      'that is tracked has a state',
      ['filter -A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT', 'filter -A INPUT -p udp -j DROP'],
      'tunnel received input',
    ],
  ] as const)
    it(name, () => assert.equal(dropsOf(...lines), expected));
});
