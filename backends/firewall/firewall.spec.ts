// Firewall rules: golden text, the same in both engines. test/firewall-rules.spec.ts shows that the
// programs print it so.
import assert from 'node:assert/strict';
import type { BackendContext, HostFacts } from '../backend.ts';
import { deriveFirewall, deriveForwarding } from './firewall.ts';
import type { FirewallPolicy } from './firewall-policy.ts';
import { context, host, network, VXLAN, type Families } from '../fixture.ts';
import { backendFor } from '../index.ts';
import { renderObject, renderObjects } from '../render.ts';

const ALL: FirewallPolicy = {
  engine: 'nft',
  isMasquerading: true,
  isFullyRandom: true,
  isForwardAccepted: true,
};

function own(families: Families, facts: Partial<HostFacts> = {}): BackendContext {
  return context(backendFor('vxlan'), network(families, VXLAN), host(facts));
}

function rules(families: Families, policy: Partial<FirewallPolicy>, facts?: Partial<HostFacts>): string {
  const objects = deriveFirewall(own(families, facts), { ...ALL, ...policy });
  return objects.map((object) => object.rules).join('\n');
}

function names(families: Families, policy: Partial<FirewallPolicy>, facts?: Partial<HostFacts>): string[] {
  const objects = deriveFirewall(own(families, facts), { ...ALL, ...policy });
  return objects.map(({ engine, family, name }) => `${engine} ${family} ${name}`);
}

describe('firewall rules', () => {
  it('of nftables are one table', () => {
    assert.equal(
      rules('4', {}),
      `table ip flannel-ipv4 {
	chain postrtg {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00004000 == 0x00004000 return
		ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 return
		ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 return
		ip saddr != 10.5.0.0/16 ip daddr 10.5.1.0/24 return
		ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
		ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr 10.5.0.0/16 accept
		ip daddr 10.5.0.0/16 accept
	}
}
`,
    );
  });

  it('of iptables are the same in two chains, each with the rule that leads there', () => {
    assert.equal(
      rules('4', { engine: 'iptables' }),
      `:FLANNEL-POSTRTG -
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.5.1.0/24 -d 10.5.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.5.0.0/16 -d 10.5.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.5.0.0/16 -d 10.5.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.5.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 10.5.0.0/16 -d 10.5.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully

:FLANNEL-FWD -
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
`,
    );
  });

  it('are one line for operators', () => {
    const [chain] = deriveFirewall(own('4'), { ...ALL, engine: 'iptables', isMasquerading: false });
    assert.match(
      renderObject(chain!),
      /^firewall iptables ip filter FLANNEL-FWD: :FLANNEL-FWD - \| -A FORWARD .*ACCEPT$/,
    );
  });

  it('know the addresses and the multicast range of IPv6', () => {
    const text = rules('6', { isForwardAccepted: false });
    assert.match(text, /^table ip6 flannel-ipv6 \{$/m);
    assert.match(text, /^\t\tip6 saddr fd00::\/48 ip6 daddr != ff00::\/8 masquerade fully-random$/m);
    const chain = rules('6', { engine: 'iptables', isForwardAccepted: false });
    assert.match(chain, /^-A FLANNEL-POSTRTG -s fd00::\/48 ! -d ff00::\/8 .* -j MASQUERADE --random-fully$/m);
  });

  it('leave random ports out', () => {
    assert.doesNotMatch(rules('46', { isFullyRandom: false }), /fully-random/);
    assert.doesNotMatch(rules('46', { isFullyRandom: false, engine: 'iptables' }), /random/);
  });

  const both = { forwardDropFamilies: [4, 6] as const };
  const cases: readonly [string, Families, Partial<FirewallPolicy>, string[], Partial<HostFacts>?][] = [
    ['a table a family', '46', {}, ['nft 4 flannel-ipv4', 'nft 6 flannel-ipv6']],
    ['a table for one wish', '4', { isForwardAccepted: false }, ['nft 4 flannel-ipv4']],
    ['nothing for no wish', '46', { isForwardAccepted: false, isMasquerading: false }, []],
    [
      'chains of a family',
      '6',
      { engine: 'iptables' },
      ['iptables 6 nat FLANNEL-POSTRTG', 'iptables 6 filter FLANNEL-FWD'],
    ],
    [
      'one chain for one wish',
      '4',
      { engine: 'iptables', isMasquerading: false },
      ['iptables 4 filter FLANNEL-FWD'],
    ],
    [
      'a chain beside the table where FORWARD drops',
      '46',
      {},
      ['nft 4 flannel-ipv4', 'nft 6 flannel-ipv6', 'iptables 6 filter FLANNEL-FWD'],
      { forwardDropFamilies: [6] },
    ],
    ['no such chain unasked', '4', { isForwardAccepted: false }, ['nft 4 flannel-ipv4'], both],
    [
      'no such chain of a family that is off',
      '4',
      {},
      ['nft 4 flannel-ipv4', 'iptables 4 filter FLANNEL-FWD'],
      both,
    ],
  ];
  for (const [name, families, policy, expected, facts] of cases)
    it(`are ${name}`, () => assert.deepEqual(names(families, policy, facts), expected));
});

describe('forwarding', () => {
  it('is on for the families of the overlay', () => {
    assert.deepEqual(renderObjects(deriveForwarding(own('4'))), ['net/ipv4/ip_forward = 1']);
    assert.deepEqual(renderObjects(deriveForwarding(own('6'))), ['net/ipv6/conf/all/forwarding = 1']);
  });

  it('costs no router that advertised itself', () => {
    const facts = { advertisedRouters: ['eth0'] };
    assert.deepEqual(renderObjects(deriveForwarding(own('4', facts))), ['net/ipv4/ip_forward = 1']);
    const paths = deriveForwarding(own('6', facts)).map(({ path, value }) => `${path} = ${value}`);
    assert.deepEqual(paths, ['net/ipv6/conf/eth0/accept_ra = 2', 'net/ipv6/conf/all/forwarding = 1']);
  });
});
