import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { evaluate } from './evaluate.ts';
import { parseIptablesSave } from './iptables-ruleset.ts';
import { parseNftRuleset } from './nft-ruleset.ts';
import type { Hook, Packet } from './packet.ts';
import type { Table } from './ruleset.ts';

const forwarded: Packet = {
  family: 4,
  protocol: 'tcp',
  source: '10.5.1.2' as IpAddress,
  target: '10.5.2.2' as IpAddress,
  sourcePort: 40_000,
  targetPort: 39_999,
  iif: 'br0',
  oif: 'flannel.1',
  state: 'new',
  isToHost: false,
  mark: 0,
};
const tunnel: Packet = {
  ...forwarded,
  protocol: 'udp',
  source: '198.18.1.2' as IpAddress,
  target: '198.18.1.1' as IpAddress,
  targetPort: 8472,
  iif: 'eth0',
  isToHost: true,
};

/** What drops a packet: `chain: rule`, `chain: policy`, nothing, or `? rule` if that is uncertain. */
function verdict(tables: readonly Table[], hook: Hook, packet: Packet): string {
  const { drop, doubts } = evaluate(tables, hook, packet);
  if (drop !== undefined) return `${drop.chain.name}: ${drop.rule?.handle ?? 'policy'}`;
  return doubts.length === 0
    ? 'passes'
    : `? ${doubts.map(({ chain, rule }) => `${chain.name} ${rule?.handle ?? 'policy'}`).join()}`;
}

describe('rules of iptables', () => {
  const filter = (...lines: readonly string[]): readonly Table[] =>
    parseIptablesSave(
      `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:X - [0:0]\n:Y - [0:0]\n${lines.join('\n')}\nCOMMIT\n`,
      'iptables',
    );
  const PERHAPS = '-A FORWARD -m limit --limit 3/min -j X';
  const closed = (...lines: readonly string[]): readonly Table[] =>
    parseIptablesSave(
      `*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:X - [0:0]\n${lines.join('\n')}\nCOMMIT\n`,
      'iptables',
    );

  for (const [rules, expected] of [
    [filter(), 'passes'],
    [closed(), 'FORWARD: policy'],
    [closed('-A FORWARD -s 10.5.0.0/16 -j ACCEPT'), 'passes'],
    [closed('-A FORWARD -s 10.0.0.0/8 -j ACCEPT'), 'passes'],
    [closed('-A FORWARD -s 10.6.0.0/16 -j ACCEPT'), 'FORWARD: policy'],
    [closed('-A FORWARD -o docker0 -j ACCEPT'), 'FORWARD: policy'],
    [closed('-A FORWARD -p udp -j ACCEPT'), 'FORWARD: policy'],
    [closed('-A FORWARD -m state --state ESTABLISHED -j ACCEPT'), 'FORWARD: policy'],
    [closed('-A FORWARD -m conntrack ! --ctstate INVALID,ESTABLISHED -j ACCEPT'), 'passes'],
    [filter('-A FORWARD -j REJECT --reject-with icmp-host-prohibited', '-A FORWARD -j ACCEPT'), 'FORWARD: 1'],
    [filter('-A FORWARD -j ACCEPT', '-A FORWARD -j REJECT'), 'passes'],
    [filter('-A FORWARD -i flannel.1 -j DROP'), 'passes'],
    [filter('-A FORWARD ! -i flannel.1 -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -i br+ -o flannel+ -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -j X', '-A X -j RETURN', '-A X -j DROP'), 'passes'],
    [filter('-A FORWARD -j X', '-A X -m comment --comment "as it is" -j DROP'), 'X: 1'],
    [filter('-A FORWARD -g X', '-A FORWARD -j DROP'), 'passes'],
    [filter('-A FORWARD -j NONE', '-A FORWARD -j DROP'), '? FORWARD 1,FORWARD 2'],
    [filter('-A FORWARD -j X', '-A X -j X', '-A FORWARD -j DROP'), '? X 1,FORWARD 2'],
    [filter('-A FORWARD -p tcp -m multiport --dports 22,39990:39999 -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -p tcp -m tcp ! --dport 22 -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -m addrtype --dst-type LOCAL -j DROP'), 'passes'],
    [filter('-A FORWARD -m iprange --dst-range 10.5.2.0-10.5.2.9 -j DROP'), 'FORWARD: 1'],
    [filter('-A FORWARD -s 10.5.0.0/255.255.0.0 -j DROP'), 'FORWARD: 1'],
    // Kubernetes marks packets, and drops those of one mark.
    [filter('-A FORWARD -m mark --mark 0x8000/0x8000 -j DROP'), 'passes'],
    [
      filter(
        '-A FORWARD -j MARK --set-xmark 0x8000/0x8000',
        '-A FORWARD -m mark --mark 0x8000/0x8000 -j DROP',
      ),
      'FORWARD: 2',
    ],
    // What is not known may match.
    [filter('-A FORWARD -m set --match-set bad src -j DROP'), '? FORWARD 1'],
    [closed('-A FORWARD -m set --match-set good src -j ACCEPT'), '? FORWARD 1,FORWARD policy'],
    [filter('-A FORWARD -m limit --limit 3/min -j LOG', '-A FORWARD -j DROP'), 'FORWARD: 2'],
    [filter('-A FORWARD -m limit --limit 3/min -j X', '-A X -j LOG', '-A FORWARD -j DROP'), 'FORWARD: 2'],
    [
      filter('-A FORWARD -m limit --limit 3/min -j X', '-A X -j ACCEPT', '-A FORWARD -j DROP'),
      '? FORWARD 1,FORWARD 2',
    ],
    // What a chain decides that is perhaps called.
    [filter(PERHAPS, '-A X -m set --match-set bad src -j DROP'), '? X 1'],
    [filter(PERHAPS, '-A X -m set --match-set good src -j ACCEPT', '-A FORWARD -j DROP'), '? X 1,FORWARD 2'],
    [
      filter(PERHAPS, '-A X -j MARK --set-xmark 0x1/0x1', '-A FORWARD -m mark --mark 0x0/0x1 -j DROP'),
      '? FORWARD 2',
    ],
    [filter(PERHAPS.replace('-j', '-g'), '-A FORWARD -j DROP'), '? FORWARD 1,FORWARD 2'],
    [closed(PERHAPS.replace('-j', '-g'), '-A FORWARD -j ACCEPT'), '? FORWARD 1'],
    // Options of modules that have the names of others.
    [filter('-A FORWARD -m connmark --mark 0x0/0x8000 -j DROP'), '? FORWARD 1'],
    [filter('-A FORWARD -m connmark --mark 0x1 -m mark --mark 0x1 -j DROP'), 'passes'],
    [closed('-A FORWARD -m socket -j ACCEPT'), '? FORWARD 1,FORWARD policy'],
    [filter('-A FORWARD -j CONNMARK --save-mark', '-A FORWARD -m mark --mark 0x0 -j DROP'), 'FORWARD: 2'],
    [filter('-A FORWARD -j CONNMARK --restore-mark', '-A FORWARD -m mark --mark 0x0 -j DROP'), '? FORWARD 2'],
    [
      filter(
        '-A FORWARD -j CONNMARK --restore-mark',
        '-A FORWARD -j MARK --set-xmark 0x1/0xffffffff',
        '-A FORWARD -m mark --mark 0x1 -j DROP',
      ),
      'FORWARD: 3',
    ],
    [filter('-A FORWARD -j NOTRACK', '-A FORWARD -m conntrack --ctstate NEW -j DROP'), '? FORWARD 2'],
    [filter('-A FORWARD -j CT --helper ftp', '-A FORWARD -m conntrack --ctstate NEW -j DROP'), 'FORWARD: 2'],
  ] as const)
    it(`${expected}: ${[...rules[0]!.chains.values()].flatMap((chain) => chain.rules.map((rule) => rule.text)).join('; ') || 'without rules'}`, () =>
      assert.equal(verdict(rules, 'forward', forwarded), expected));

  for (const [rules, expected] of [
    [filter('-A INPUT -p udp -m udp --dport 8472 -j DROP'), 'INPUT: 1'],
    [filter('-A INPUT -p udp -m multiport --dports 4789,8472 -j REJECT'), 'INPUT: 1'],
    [closed('-A INPUT -i lo -j ACCEPT', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'), 'INPUT: policy'],
    [closed('-A INPUT -s 198.18.0.0/16 -p udp -m udp --dport 8472 -j ACCEPT'), 'passes'],
    [filter('-A INPUT ! -s 10.0.0.0/8 -p udp -m udp --dport 8472 -j DROP'), 'INPUT: 1'],
    [filter('-A INPUT -p udp -m udp --dport 84 -j DROP'), 'passes'],
    [filter('-A INPUT -p icmp -m icmp --icmp-type 8 -j DROP'), 'passes'],
  ] as const)
    it(`of a tunnel, ${expected}: ${[...rules[0]!.chains.values()].flatMap((chain) => chain.rules.map((rule) => rule.text)).join('; ')}`, () =>
      assert.equal(verdict(rules, 'input', tunnel), expected));

  it('take IPIP for protocol 4, and not for 94, which has its name', () => {
    const ipip: Packet = { ...tunnel, protocol: 'ipip' };
    assert.equal(verdict(filter('-A INPUT -p ipip -j DROP'), 'input', ipip), 'passes');
    for (const name of ['4', 'ipencap', 'ipv4'])
      assert.equal(verdict(filter(`-A INPUT -p ${name} -j DROP`), 'input', ipip), 'INPUT: 1');
  });

  it('take every table of a hook, in the order of their priorities', () => {
    const save =
      '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n';
    const { drop } = evaluate(parseIptablesSave(save, 'iptables'), 'input', tunnel);
    assert.equal(drop?.table.name, 'mangle');
  });

  it('concern packets of their family alone', () => {
    const rules = parseIptablesSave('*filter\n:FORWARD DROP [0:0]\nCOMMIT\n', 'ip6tables');
    assert.equal(verdict(rules, 'forward', forwarded), 'passes');
  });
});

describe('rules of nftables', () => {
  const match = (left: unknown, right: unknown, op = '=='): unknown => ({ match: { op, left, right } });
  const payload = (protocol: string, field: string): unknown => ({ payload: { protocol, field } });
  const meta = (key: string): unknown => ({ meta: { key } });
  const ct = (key: string): unknown => ({ ct: { key } });
  const prefix = (addr: string, len: number): unknown => ({ prefix: { addr, len } });
  const DROP = { drop: null };
  const ACCEPT = { accept: null };

  const vmap = (key: unknown, ...set: readonly (readonly unknown[])[]): unknown => ({
    vmap: { key, data: { set } },
  });

  interface Given {
    readonly hook?: Hook;
    readonly policy?: string;
    readonly family?: string;
    readonly rules?: readonly (readonly unknown[])[];
    readonly called?: readonly (readonly unknown[])[];
    readonly more?: readonly unknown[];
    readonly dev?: string;
  }

  function ruleset({
    hook = 'forward',
    policy = 'accept',
    family = 'inet',
    rules = [],
    called = [],
    more = [],
    dev,
  }: Given): readonly Table[] {
    const of = { family, table: 't' };
    const toRows = (
      chain: string,
      list: readonly (readonly unknown[])[],
      first: number,
    ): readonly unknown[] =>
      list.map((expr, index) => ({ rule: { ...of, chain, handle: first + index, expr } }));
    const nftables = [
      { table: { family, name: 't' } },
      ...more,
      { chain: { ...of, name: 'c', type: 'filter', hook, prio: 0, policy, dev } },
      { chain: { ...of, name: 'd' } },
      ...toRows('c', rules, 1),
      ...toRows('d', called, 50),
    ];
    return parseNftRuleset(
      JSON.stringify({ nftables }),
      'table inet t { # handle 9\n\tchain c {\n\t\tip saddr 10.5.1.0/24 drop # handle 1\n\t}\n}\n',
    );
  }

  for (const [name, given, expected] of [
    ['a policy', { policy: 'drop' }, 'c: policy'],
    [
      'a policy after a rule that accepts',
      { policy: 'drop', rules: [[match(meta('iifname'), 'br0'), ACCEPT]] },
      'passes',
    ],
    ['a source', { rules: [[match(payload('ip', 'saddr'), prefix('10.5.1.0', 24)), DROP]] }, 'c: 1'],
    ['another source', { rules: [[match(payload('ip', 'saddr'), prefix('10.5.3.0', 24)), DROP]] }, 'passes'],
    ['any source but one', { rules: [[match(payload('ip', 'saddr'), '10.5.1.9', '!='), DROP]] }, 'c: 1'],
    [
      'a source of the other family',
      { rules: [[match(payload('ip6', 'saddr'), 'fd00::1', '!='), DROP]] },
      'passes',
    ],
    ['a set of devices', { rules: [[match(meta('oifname'), { set: ['lo', 'flannel*'] }), DROP]] }, 'c: 1'],
    [
      'a state',
      { rules: [[match(ct('state'), { set: ['established', 'related'] }), ACCEPT], [DROP]] },
      'c: 2',
    ],
    ['states by bits', { rules: [[match(ct('state'), ['invalid', 'new'], 'in'), DROP]] }, 'c: 1'],
    [
      'a counter and a log',
      { rules: [[{ counter: { packets: 0, bytes: 0 } }, { log: { prefix: 'x' } }, DROP]] },
      'c: 1',
    ],
    ['reject', { rules: [[{ reject: { type: 'icmpx', expr: 'admin-prohibited' } }]] }, 'c: 1'],
    ['a jump', { rules: [[{ jump: { target: 'd' } }]], called: [[DROP]] }, 'd: 50'],
    [
      'a jump that returns',
      { rules: [[{ jump: { target: 'd' } }], [DROP]], called: [[{ return: null }], [DROP]] },
      'c: 2',
    ],
    ['goto does not return', { rules: [[{ goto: { target: 'd' } }], [DROP]] }, 'passes'],
    ['a policy after goto', { policy: 'drop', rules: [[{ goto: { target: 'd' } }], [ACCEPT]] }, 'c: policy'],
    [
      'a verdict map',
      {
        rules: [
          [
            {
              vmap: {
                key: ct('state'),
                data: {
                  set: [
                    ['invalid', DROP],
                    ['new', { jump: { target: 'd' } }],
                  ],
                },
              },
            },
          ],
        ],
        called: [[DROP]],
      },
      'd: 50',
    ],
    [
      'a named map',
      {
        more: [{ map: { family: 'inet', name: 'm', table: 't', elem: [['br0', DROP]] } }],
        rules: [[{ vmap: { key: meta('iifname'), data: '@m' } }]],
      },
      'c: 1',
    ],
    [
      'a named set with time-outs and ranges',
      {
        more: [
          {
            set: {
              family: 'inet',
              name: 's',
              table: 't',
              elem: [{ elem: { val: { range: ['10.5.2.0', '10.5.2.7'] }, timeout: 9 } }],
            },
          },
        ],
        rules: [[match(payload('ip', 'daddr'), '@s'), DROP]],
      },
      'c: 1',
    ],
    [
      'a concatenation',
      {
        rules: [
          [
            match(
              { concat: [payload('ip', 'saddr'), payload('tcp', 'dport')] },
              { set: [{ concat: ['10.5.1.2', 39_999] }] },
            ),
            DROP,
          ],
        ],
      },
      'c: 1',
    ],
    ['a mark', { rules: [[match({ '&': [meta('mark'), 255] }, 1), DROP]] }, 'passes'],
    [
      'a mark that was set',
      {
        rules: [
          [{ mangle: { key: meta('mark'), value: 1 } }],
          [match({ '&': [meta('mark'), 255] }, 1), DROP],
        ],
      },
      'c: 2',
    ],
    [
      'a mark that is set by a rule that accepts',
      {
        policy: 'drop',
        rules: [[{ mangle: { key: meta('mark'), value: 1 } }, ACCEPT]],
      },
      'passes',
    ],
    [
      'a mark that is set before another condition',
      {
        rules: [
          [{ mangle: { key: meta('mark'), value: 1 } }, match(meta('iifname'), 'eth9'), ACCEPT],
          [match(meta('mark'), 1), DROP],
        ],
      },
      'c: 2',
    ],
    [
      'a bit of the mark that is set',
      {
        rules: [
          [{ mangle: { key: meta('mark'), value: { '|': [meta('mark'), 4] } } }],
          [match(meta('mark'), 4), DROP],
        ],
      },
      'c: 2',
    ],
    [
      'a mark that is perhaps set',
      {
        rules: [
          [{ limit: { rate: 5 } }, { mangle: { key: meta('mark'), value: 1 } }],
          [match(meta('mark'), 0), DROP],
        ],
      },
      '? c 2',
    ],
    ['a state after notrack', { rules: [[{ notrack: null }], [match(ct('state'), 'new'), DROP]] }, '? c 2'],
    [
      'a map of an unknown key',
      {
        policy: 'drop',
        rules: [[vmap(ct('mark'), [1, { jump: { target: 'd' } }], [2, ACCEPT])]],
      },
      '? c 1,c policy',
    ],
    ['one element of an unknown key', { rules: [[vmap(ct('mark'), [1, DROP])]] }, '? c 1'],
    ['a map that is not listed', { rules: [[{ vmap: { key: meta('iifname'), data: '@none' } }]] }, '? c 1'],
    [
      'the rest of a map',
      { rules: [[vmap(payload('ip', 'saddr'), ['*', DROP], ['10.5.9.9', ACCEPT])]] },
      'c: 1',
    ],
    [
      'not the rest of a map',
      { rules: [[vmap(payload('ip', 'saddr'), ['*', DROP], ['10.5.1.2', ACCEPT])]] },
      'passes',
    ],
    [
      'the rest of a set',
      { rules: [[match(payload('ip', 'saddr'), { set: ['10.5.9.9', '*'] }), DROP]] },
      'c: 1',
    ],
    ['a set that is not listed', { rules: [[match(ct('state'), '@none'), DROP]] }, '? c 1'],
    ['flags', { rules: [[match(payload('tcp', 'flags'), 'syn', 'in'), DROP]] }, 'c: 1'],
    [
      'one of several flags',
      { rules: [[match(payload('tcp', 'flags'), ['syn', 'ack'], 'in'), DROP]] },
      'c: 1',
    ],
    ['other flags', { rules: [[match(payload('tcp', 'flags'), ['fin', 'rst'], 'in'), DROP]] }, 'passes'],
    ['a set of flags', { rules: [[match(payload('tcp', 'flags'), { set: ['syn', 'ack'] }), DROP]] }, 'c: 1'],
    [
      'flags within a mask',
      { rules: [[match({ '&': [payload('tcp', 'flags'), ['fin', 'syn', 'rst', 'ack']] }, 'syn'), DROP]] },
      'c: 1',
    ],
    [
      'no flag of a mask',
      { rules: [[match({ '&': [payload('tcp', 'flags'), { '|': ['fin', 'rst'] }] }, 0, '!='), DROP]] },
      'passes',
    ],
    [
      'all flags of a mask',
      { rules: [[match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, ['syn', 'ack']), DROP]] },
      'passes',
    ],
    [
      'no flag beside those of a mask',
      { rules: [[match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 0), DROP]] },
      'passes',
    ],
    ['a range of names', { rules: [[match(meta('l4proto'), { range: ['icmp', 'udp'] }), DROP]] }, '? c 1'],
    ['a port of another protocol', { rules: [[match(payload('udp', 'dport'), 22, '!='), DROP]] }, 'passes'],
    ['ports in order', { rules: [[match(payload('th', 'dport'), 1024, '>='), DROP]] }, 'c: 1'],
    [
      'a type of address',
      { rules: [[match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'), DROP]] },
      'passes',
    ],
    ['a limit', { rules: [[{ limit: { rate: 5 } }, DROP]] }, '? c 1'],
    [
      'an unknown match that may accept before a policy',
      { policy: 'drop', rules: [[match({ osf: {} }, 'Linux'), ACCEPT]] },
      '? c 1,c policy',
    ],
    [
      'an unknown match beside one that fails',
      { rules: [[match({ osf: {} }, 'Linux'), match(meta('iifname'), 'eth9'), DROP]] },
      'passes',
    ],
    ['an expression of iptables', { rules: [[{ xt: { type: 'match', name: 'set' } }, DROP]] }, '? c 1'],
  ] as const satisfies readonly (readonly [string, Given, string])[])
    it(`${expected}: ${name}`, () => assert.equal(verdict(ruleset(given), 'forward', forwarded), expected));

  for (const [name, dev, expected] of [
    ['of its device', 'eth0', 'c: 1'],
    ['of another device', 'eth1', 'passes'],
  ] as const)
    it(`at ingress, ${expected}: ${name}`, () => {
      const rules = [[match(payload('udp', 'dport'), { set: [4789, { range: [8470, 8480] }] }), DROP]];
      assert.equal(
        verdict(ruleset({ hook: 'ingress', family: 'netdev', dev, rules }), 'ingress', tunnel),
        expected,
      );
    });

  it('have the text that nft prints', () => {
    const { drop } = evaluate(ruleset({ rules: [[DROP]] }), 'forward', forwarded);
    assert.equal(drop?.rule?.text, 'ip saddr 10.5.1.0/24 drop');
  });
});

describe('rules of devices, bridges and ARP', () => {
  const arp: Packet = { ...forwarded, protocol: 'arp', iif: 'veth0' };
  const ofBridge: Packet = { ...forwarded, iif: 'veth0' };
  /** A chain of one rule, as `nft -j list ruleset` prints it. */
  const ruleset = (family: string, hook: string, expr: readonly unknown[], type = 'filter') =>
    parseNftRuleset(
      JSON.stringify({
        nftables: [
          { table: { family, name: 't' } },
          { chain: { family, table: 't', name: 'c', type, hook, prio: 0, policy: 'accept' } },
          { rule: { family, table: 't', chain: 'c', handle: 1, expr } },
        ],
      }),
      `table ${family} t {\n\tchain c { # handle 1\n\t\ttype ${type} hook ${hook} device "veth0" priority filter;\n\t}\n}\n`.replace(
        family === 'netdev' ? '\0' : 'device "veth0" ',
        '',
      ),
    );
  const ether = (type: string) => ({
    match: { op: '==', left: { payload: { protocol: 'ether', field: 'type' } }, right: type },
  });
  const htype = { match: { op: '==', left: { payload: { protocol: 'arp', field: 'htype' } }, right: 1 } };
  const DROP = { drop: null };

  for (const [name, tables, hook, packet, expected] of [
    ['IP at a bridge', ruleset('bridge', 'input', [ether('ip'), DROP]), 'bridge-input', ofBridge, 'c: 1'],
    ['IP and no ARP', ruleset('bridge', 'input', [ether('ip'), DROP]), 'bridge-input', arp, 'passes'],
    ['ARP at a bridge', ruleset('bridge', 'input', [ether('arp'), DROP]), 'bridge-input', arp, 'c: 1'],
    ['a bridge is no IP layer', ruleset('bridge', 'input', [DROP]), 'input', tunnel, 'passes'],
    ['ARP', ruleset('arp', 'input', [htype, DROP]), 'arp-input', arp, 'c: 1'],
    ['rules of ARP meet no IP', ruleset('arp', 'input', [DROP]), 'arp-input', ofBridge, 'passes'],
    ['rules of IP meet no ARP', ruleset('inet', 'input', [DROP]), 'input', arp, 'passes'],
    [
      'what leaves a device',
      ruleset('netdev', 'egress', [DROP]),
      'egress',
      { ...forwarded, oif: 'veth0' },
      'c: 1',
    ],
    ['what leaves another', ruleset('netdev', 'egress', [DROP]), 'egress', forwarded, 'passes'],
    [
      'masquerading',
      ruleset('ip', 'postrouting', [{ masquerade: null }], 'nat'),
      'nat-postrouting',
      forwarded,
      'c: 1',
    ],
    ['a filter is no NAT', ruleset('ip', 'postrouting', [DROP]), 'nat-postrouting', forwarded, 'passes'],
  ] as const)
    it(`${name}: ${expected}`, () => assert.equal(verdict(tables, hook, packet), expected));

  it('translate by iptables at hooks of their own', () => {
    const save =
      '*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.5.1.0/24 ! -o br0 -j MASQUERADE\nCOMMIT\n';
    const tables = parseIptablesSave(save, 'iptables');
    assert.equal(verdict(tables, 'nat-postrouting', forwarded), 'POSTROUTING: 1');
    assert.equal(verdict(tables, 'postrouting', forwarded), 'passes');
  });
});
