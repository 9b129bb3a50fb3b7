import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cidr } from '../../backends/fixture.ts';
import { ControlClient } from '../client/control-client.ts';
import { findDirectDrops, type DirectPath } from './checks-docker.ts';
import { ETCD_CHECKS, explainTlsError } from './checks-etcd.ts';
import { evaluate } from '../../daemon/trace/evaluate.ts';
import { parseIptablesSave } from '../../daemon/trace/iptables-ruleset.ts';
import type { Packet } from '../../daemon/trace/packet.ts';
import type { IpAddress } from '../../lib/address.ts';
import { findDrops } from './firewall/firewall-drops.ts';
import { describeSkew } from './clock-check.ts';
import { CHECKS, runChecks } from './run-checks.ts';
import { Facts } from './facts.ts';

describe('the text of nftables has a rule that drops the port, by', () => {
  const [ACCEPT, DROP] = ['accept', 'drop'].map(
    (verdict) => `udp dport 8472 counter packets 3 bytes 90 ${verdict}`,
  ) as [string, string];
  const chain = (name: string, ...rules: readonly string[]): string =>
    `table ip filter {\n\tchain ${name} {\n${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n}\n`;
  const input = (...rules: readonly string[]): string =>
    chain('INPUT', 'type filter hook input priority filter; policy accept;', ...rules);

  for (const [what, nft] of [
    ['a rule', '\t\tudp dport 8472 drop\n'],
    ['a rule with a counter', 'udp dport { 8285, 8472 } counter packets 3 bytes 90 drop\n'],
    ['a rule behind one for the loopback', input('iifname "lo" accept', DROP)],
    ['a rule behind one about another port', input('udp dport 4789 accept', DROP)],
    ['a rule before one that accepts', input(DROP, ACCEPT)],
    ['a rule in a chain that another one calls', input('jump more') + chain('more', DROP)],
    ['a rule behind one of another table', input(ACCEPT) + input(DROP).replace('filter', 'other')],
  ] as const)
    it(what, () => assert.equal(findDrops(8472, nft).length, 1));

  for (const [what, nft] of [
    ['nothing', ''],
    ['both views of its own remedy before the rule', input(ACCEPT, DROP)],
    ['a rule behind one that accepts all of UDP', input('meta l4proto udp accept', DROP)],
    ['a chain behind a rule that accepts', input(ACCEPT, 'jump more') + chain('more', DROP)],
    ['a chain that accepts before the rule', input('jump more', DROP) + chain('more', ACCEPT)],
    ['a chain that none calls', input() + chain('more', DROP)],
    ['chains that call each other', input('jump more') + chain('more', 'jump INPUT')],
    ['a rule about some senders', 'ip saddr != 10.0.0.0/8 udp dport 8472 drop\n'],
  ] as const)
    it(`no rule in ${what}`, () => assert.deepEqual(findDrops(8472, nft), []));
});

describe('the rules of INPUT drop the packet of a tunnel by', () => {
  const packet: Packet = {
    family: 4,
    protocol: 'udp',
    source: '10.9.1.2' as IpAddress,
    target: '10.9.1.1' as IpAddress,
    sourcePort: 40_001,
    targetPort: 8472,
    iif: 'eth0',
    state: 'new',
    isToHost: true,
  };
  const save = (...rules: readonly string[]): string => `*filter\n:INPUT ACCEPT [0:0]\n${rules.join('\n')}\n`;
  const closed = (...rules: readonly string[]): string =>
    save(...rules).replace('INPUT ACCEPT', 'INPUT DROP');
  const decide = (text: string) => evaluate(parseIptablesSave(text, 'iptables'), 'input', packet);

  for (const [what, text] of [
    ['a rule about its port', save('-A INPUT -p udp -m udp --dport 8472 -j DROP')],
    ['a rule about several ports', save('-A INPUT -p udp -m multiport --dports 53,8472 -j REJECT')],
    ['a rule about all of UDP', save('-A INPUT -p udp -j DROP')],
    [
      'a policy without a rule',
      closed('-A INPUT -i lo -j ACCEPT', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'),
    ],
    [
      'a rule behind one of another table',
      `*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\n${save('-A INPUT -p udp -j DROP')}`,
    ],
  ] as const)
    it(what, () => assert.ok(decide(text).drop));

  for (const [what, text] of [
    ['a rule about another port', save('-A INPUT -p udp -m udp --dport 84720 -j DROP')],
    ['a rule about some senders', save('-A INPUT ! -s 10.0.0.0/8 -p udp -m udp --dport 8472 -j DROP')],
    [
      'a rule behind one that accepts',
      save('-A INPUT -p udp --dport 8472 -j ACCEPT', '-A INPUT -p udp -j DROP'),
    ],
    [
      'a policy beside a rule for peers',
      closed('-A INPUT -s 10.9.0.0/16 -p udp -m udp --dport 8472 -j ACCEPT'),
    ],
    [
      'its own remedy before the rule',
      save('-A INPUT -p udp -m udp --dport 8472 -j ACCEPT', '-A INPUT -p udp -m udp --dport 8472 -j DROP'),
    ],
  ] as const)
    it(`nothing like ${what}`, () => assert.equal(decide(text).drop, undefined));
});

describe('the rules of FORWARD accept a packet by', () => {
  const packet: Packet = {
    family: 4,
    protocol: 'tcp',
    source: '10.5.1.2' as IpAddress,
    target: '10.5.2.2' as IpAddress,
    iif: 'br0',
    oif: 'flannel.1',
    state: 'new',
    isToHost: false,
  };
  const accepts = (rule: string): boolean => {
    const save = `*filter\n:FORWARD DROP [0:0]\n:FLANNEL-FWD - [0:0]\n-A FORWARD ${rule}\n-A FLANNEL-FWD -s 10.5.0.0/16 -j ACCEPT\n`;
    const tables = parseIptablesSave(save, 'iptables');
    return (['tcp', 'icmp'] as const).every(
      (protocol) => evaluate(tables, 'forward', { ...packet, protocol }).drop === undefined,
    );
  };
  for (const rule of ['-j ACCEPT', '-s 10.0.0.0/8 -j ACCEPT', '-d 10.5.0.0/16 -j ACCEPT', '-j FLANNEL-FWD'])
    it(rule, () => assert.ok(accepts(rule)));
  for (const rule of [
    '-s 10.6.0.0/16 -j ACCEPT',
    '-o docker0 -j ACCEPT',
    '-p tcp -j ACCEPT',
    '-j DROP',
    '-m state --state ESTABLISHED -j ACCEPT',
  ])
    it(`nothing like ${rule}`, () => assert.ok(!accepts(rule)));
});

describe('the docker-direct check of weft doctor finds', () => {
  const path: DirectPath = {
    network: cidr('10.5.0.0/16'),
    subnet: cidr('10.5.72.0/24'),
    devices: ['flannel.1'],
    bridges: ['docker0'],
  };
  const raw = (...rules: readonly string[]): number =>
    findDirectDrops(`*raw\n:PREROUTING ACCEPT [0:0]\n${rules.join('\n')}\nCOMMIT\n`, path).raw.length;
  const filter = (...rules: readonly string[]): number =>
    findDirectDrops(`*filter\n:DOCKER - [0:0]\n${rules.join('\n')}\nCOMMIT\n`, path).filter.length;
  const [toContainer, toBridge] = [
    '-A PREROUTING -d 10.5.72.2/32 ! -i docker0 -j DROP',
    '-A DOCKER ! -i docker0 -o docker0 -j DROP',
  ];

  it('a rule about a container', () => assert.equal(raw(toContainer), 1));
  it('a rule about a port of a container', () =>
    assert.equal(raw('-A PREROUTING -d 10.5.72.2/32 ! -i docker0 -p tcp -m tcp --dport 80 -j DROP'), 1));
  it('a rule about the whole subnet', () =>
    assert.equal(raw('-A PREROUTING -d 10.5.72.0/24 ! -i docker0 -j DROP'), 1));
  it('a rule behind one for another trusted interface', () =>
    assert.equal(raw('-A PREROUTING -d 10.5.72.2/32 -i eth1 -j ACCEPT', toContainer), 1));
  it('a rule behind one that trusts the interface of another container', () =>
    assert.equal(raw('-A PREROUTING -d 10.5.72.3/32 -i flannel.1 -j ACCEPT', toContainer), 1));
  it('a rule before the one for the trusted interface', () =>
    assert.equal(raw(toContainer, '-A PREROUTING -d 10.5.72.2/32 -i flannel.1 -j ACCEPT'), 1));
  it('no fault in a rule behind the one for the trusted interface', () =>
    assert.equal(raw('-A PREROUTING -d 10.5.72.2/32 -i flannel.1 -j ACCEPT', toContainer), 0));
  it('no fault in a rule about a container outside of the subnet', () =>
    assert.equal(raw('-A PREROUTING -d 172.18.0.2/32 ! -i br-1 -j DROP'), 0));
  it('no fault in a rule of another table', () => assert.equal(filter(toContainer) + raw(toBridge), 0));

  it('a rule about a bridge of the subnet', () => assert.equal(filter(toBridge), 1));
  it('no fault in a rule about another bridge', () =>
    assert.equal(filter('-A DOCKER ! -i br-1 -o br-1 -j DROP'), 0));
  for (const rule of ['-s 10.5.0.0/16 -o docker0', '-i flannel.1', '-d 10.5.72.0/24 -i flannel.1 -o docker0'])
    it(`no fault behind -A DOCKER-USER ${rule} -j ACCEPT`, () =>
      assert.equal(filter(`-A DOCKER-USER ${rule} -j ACCEPT`, toBridge), 0));
  for (const rule of ['-s 10.6.0.0/16', '-s 10.5.9.0/24', '-s 10.5.0.0/24', '-i eth1', '-o br-1', '-p tcp'])
    it(`a rule that -A DOCKER-USER ${rule} -j ACCEPT does not override`, () =>
      assert.equal(filter(`-A DOCKER-USER ${rule} -j ACCEPT`, toBridge), 1));
});

describe('weft doctor explains', () => {
  it('the fault of a certificate of etcd', () => {
    const certificate = { valid_from: 'Jan 1 2020', valid_to: 'Jan 1 2021', subjectaltname: 'DNS:etcd' };
    assert.equal(explainTlsError('CERT_HAS_EXPIRED', certificate), 'its certificate expired on Jan 1 2021');
    assert.match(explainTlsError('CERT_NOT_YET_VALID', certificate), /valid from Jan 1 2020 on/);
    assert.equal(
      explainTlsError('ERR_TLS_CERT_ALTNAME_INVALID', certificate),
      'its certificate is for DNS:etcd only',
    );
    assert.match(
      explainTlsError('SELF_SIGNED_CERT_IN_CHAIN', certificate),
      /authority that this host trusts/,
    );
  });

  it('a clock skew of etcd beyond the tolerance', () => {
    assert.deepEqual(describeSkew('http://e:2379', 2000), []);
    assert.deepEqual(describeSkew('http://e:2379', undefined), []);
    assert.deepEqual(describeSkew('http://e:2379', 61_000), [
      "http://e:2379: its clock is 61 s ahead of this host's",
    ]);
    assert.deepEqual(describeSkew('http://e:2379', -61_000), [
      "http://e:2379: its clock is 61 s behind this host's",
    ]);
  });
});

describe('each check of weft doctor', () => {
  const page = readFileSync(
    fileURLToPath(new URL('../../../docs/how-to/find-a-fault.md', import.meta.url)),
    'utf8',
  );
  for (const { id } of CHECKS)
    it(`${id} is explained in docs/how-to/find-a-fault.md`, () => assert.ok(page.includes(`**${id}**`)));
});

describe('weft doctor beside the Kubernetes API as registry', () => {
  for (const [kind, expected] of [
    ['kubernetes', []],
    [undefined, ['etcd-unreachable']],
  ] as const)
    it(kind === undefined ? 'checks etcd without it' : 'checks no etcd', async () => {
      const status = { registry: { ...(kind && { kind }), isConnected: true } };
      const facts = new Facts({
        client: { request: () => Promise.resolve(status) } as unknown as ControlClient,
        etcd: { endpoints: ['http://127.0.0.1:1'], prefix: '/coreos.com/network' },
      });
      const ids = (await runChecks(facts, ETCD_CHECKS)).map(({ check }) => check);
      facts.close();
      assert.deepEqual(ids, expected);
    });
});

describe('weft doctor on a host without a daemon', () => {
  let root: string;
  let facts: Facts;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'weft-doctor-'));
    facts = new Facts({
      client: new ControlClient(join(root, 'none.sock')),
      etcd: { endpoints: ['http://127.0.0.1:1'], prefix: '/coreos.com/network' },
      root: `${root}/`,
      output: () => Promise.resolve(undefined),
    });
  });
  afterEach(async () => {
    facts.close();
    await rm(root, { recursive: true });
  });

  async function write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }

  const idsFound = async (...only: readonly string[]): Promise<readonly string[]> =>
    (
      await runChecks(
        facts,
        CHECKS.filter(({ id }) => only.includes(id)),
      )
    ).map(({ check }) => check);

  it('reports that, and checks etcd nevertheless', async () => {
    const ids = (await runChecks(facts)).map(({ check }) => check);
    assert.deepEqual(
      ids.filter((id) => id !== 'addon-missing'),
      ['daemon-down', 'etcd-unreachable'],
    );
  });

  it('invents no fault of an etcd that nothing names', async () => {
    facts.close();
    facts = new Facts({
      client: new ControlClient(join(root, 'none.sock')),
      etcd: { endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'], prefix: '/coreos.com/network' },
      isEtcdNamed: false,
      root: `${root}/`,
      output: () => Promise.resolve(undefined),
    });
    const findings = (await runChecks(facts)).filter(({ check }) => check !== 'addon-missing');
    assert.deepEqual(
      findings.map(({ check }) => check),
      ['daemon-down'],
    );
    assert.match(findings[0]!.evidence.join(), /etcd is not checked: .*give --etcd-endpoints/);
  });

  it('reports a systemd-networkd that removes routes', async () => {
    await write('run/systemd/netif/state', '');
    assert.deepEqual(await idsFound('networkd-routes'), ['networkd-routes']);
  });

  it('accepts the setting that prevents that in any drop-in', async () => {
    await write('run/systemd/netif/state', '');
    await write('etc/systemd/networkd.conf.d/50-cilium.conf', '[Network]\nManageForeignRoutes=no\n');
    assert.deepEqual(await idsFound('networkd-routes'), []);
  });

  it('reports a udev file that changes the MAC of overlay devices', async () => {
    const folder = 'etc/systemd/network';
    await write(
      `${folder}/10-flannel.link`,
      '[Match]\nOriginalName=flannel*\n[Link]\nMACAddressPolicy=none\n',
    );
    await write(`${folder}/20-eth.link`, '[Match]\nOriginalName=eth*\n[Link]\nMACAddressPolicy=persistent\n');
    assert.deepEqual(await idsFound('udev-mac'), []);
    await write(
      `${folder}/30-flannel.link`,
      '[Match]\nOriginalName=flannel*\n[Link]\nMACAddressPolicy=random\n',
    );
    const other = new Facts({
      client: new ControlClient(join(root, 'none.sock')),
      etcd: facts.etcd,
      root: `${root}/`,
    });
    const [found] = await CHECKS.find(({ id }) => id === 'udev-mac')!.run(other);
    other.close();
    assert.match(found?.evidence.join('\n') ?? '', /30-flannel\.link: MACAddressPolicy=random$/);
  });

  it('finds two daemons only if both are of this network namespace', async () => {
    await write('proc/71/cmdline', '/usr/bin/flanneld\0');
    await write('proc/72/cmdline', '/usr/bin/weft\0daemon\0');
    assert.deepEqual(await idsFound('two-daemons'), []);
  });
});
