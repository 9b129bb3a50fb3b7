import assert from 'node:assert/strict';
import { cidr } from '../../../backends/fixture.ts';
import type { Place } from '../../../daemon/trace/evaluate.ts';
import type { Chain, FirewallProgram, Rule } from '../../../daemon/trace/ruleset.ts';
import { acceptCommand, keepHint, renderPlace, type Traffic } from './firewall-fix.ts';

const inner: Traffic = { layer: 'inner', family: 4, network: cidr('10.5.0.0/16') };
const inner6: Traffic = { layer: 'inner', family: 6, network: cidr('fd00::/48') };
const tunnel: Traffic = {
  layer: 'tunnel',
  family: 4,
  tunnel: { protocol: 'udp', port: 8472, isSymmetric: false },
};
const ipip: Traffic = { layer: 'tunnel', family: 4, tunnel: { protocol: 'ipip', isSymmetric: false } };

function place(
  program: FirewallProgram,
  table: string,
  names: readonly [string, string],
  text?: string,
): Place {
  const chain = (name: string): Chain => ({ name, rules: [] });
  const rule: Rule | undefined =
    text === undefined ? undefined : { text, handle: 7, decide: () => undefined };
  const [base, of] = names;
  const family = program === 'nft' ? 'inet' : 'ip';
  return {
    table: { program, family, name: table, chains: new Map() },
    base: chain(base),
    chain: chain(of),
    ...(rule && { rule }),
  };
}

describe('the command that lets packets pass', () => {
  for (const [at, traffic, expected] of [
    [
      place('nft', 'fw', ['forward', 'zone'], 'drop'),
      inner,
      'nft insert rule inet fw forward ip saddr 10.5.0.0/16 ip daddr 10.5.0.0/16 accept',
    ],
    [
      place('nft', 'fw', ['forward', 'forward']),
      inner6,
      'nft insert rule inet fw forward ip6 saddr fd00::/48 ip6 daddr fd00::/48 accept',
    ],
    [place('nft', 'fw', ['in', 'in']), tunnel, 'nft insert rule inet fw in udp dport 8472 accept'],
    [place('nft', 'fw', ['in', 'in']), ipip, 'nft insert rule inet fw in meta l4proto 4 accept'],
    [
      place('iptables', 'filter', ['FORWARD', 'X'], '-A X -j DROP'),
      inner,
      'iptables -I FORWARD -s 10.5.0.0/16 -d 10.5.0.0/16 -j ACCEPT',
    ],
    [
      place('iptables-legacy', 'raw', ['PREROUTING', 'PREROUTING'], ''),
      tunnel,
      'iptables-legacy -t raw -I PREROUTING -p udp --dport 8472 -j ACCEPT',
    ],
  ] as const)
    it(expected, () => assert.equal(acceptCommand(at, traffic), expected));
});

describe('the name of a rule', () => {
  for (const [at, expected] of [
    [place('nft', 'fw', ['forward', 'zone'], 'drop'), 'nft, table inet fw, chain zone, handle 7: drop'],
    [
      place('nft', 'fw', ['forward', 'forward']),
      'nft, table inet fw, chain forward: policy drop, and no rule accepts the packet',
    ],
    [
      place('iptables', 'filter', ['FORWARD', 'X'], '-A X -j DROP'),
      'iptables, table filter, chain X, rule 7: -A X -j DROP',
    ],
    [
      place('iptables', 'filter', ['FORWARD', 'FORWARD']),
      'iptables-save: -P FORWARD DROP, table filter, and no rule accepts the packet',
    ],
  ] as const)
    it(expected, () => assert.equal(renderPlace(at), expected));

  for (const [at, traffic, pattern] of [
    [
      place('nft', 'firewalld', ['filter_FORWARD', 'filter_FORWARD'], 'reject'),
      inner,
      /firewall-cmd .*--add-source=10\.5\.0\.0\/16/,
    ],
    [
      place('iptables', 'filter', ['FORWARD', 'ufw-reject-forward'], '-j REJECT'),
      inner,
      /ufw route allow from 10\.5\.0\.0\/16/,
    ],
    [place('iptables', 'filter', ['INPUT', 'ufw-user-input'], '-j REJECT'), tunnel, /ufw allow 8472\/udp/],
    [
      place('nft', 'firewalld', ['filter_INPUT', 'filter_INPUT'], 'reject'),
      ipip,
      /firewall-cmd --permanent --add-protocol=4; firewall-cmd --reload$/,
    ],
    [
      place('iptables', 'filter', ['INPUT', 'ufw-before-input'], '-j REJECT'),
      ipip,
      /-A ufw-before-input -p 4 -j ACCEPT in \/etc\/ufw\/before\.rules/,
    ],
    [place('iptables', 'filter', ['FORWARD', 'DOCKER-USER'], '-j DROP'), inner, /DOCKER-USER/],
  ] as const)
    it(`leads to the program that wrote it: ${at.chain.name}, ${traffic.layer}`, () =>
      assert.match(keepHint([at], traffic), pattern));
});
