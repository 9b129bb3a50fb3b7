// The checks of a firewall on a host whose peers are unknown, or that has none, and with IPsec.
import assert from 'node:assert/strict';
import type { ControlClient } from '../../client/control-client.ts';
import type { Found } from '../check.ts';
import { FIREWALL_CHECKS } from '../checks-firewall.ts';
import { Facts } from '../facts.ts';

const NETWORK = { ipv4: '10.5.0.0/16', mtu: 1450, devices: ['flannel.1'], encapsulation: 'kernel' };
const LINKS = [
  { ifname: 'eth0', flags: ['UP'], addr_info: [{ local: '198.18.1.1', prefixlen: 16, scope: 'global' }] },
  {
    ifname: 'br0',
    flags: ['UP'],
    linkinfo: { info_kind: 'bridge' },
    addr_info: [{ local: '10.5.1.1', prefixlen: 24, scope: 'global' }],
  },
];
const VXLAN = { Type: 'vxlan' };

interface Host {
  readonly check: string;
  /** What `iptables-legacy-save` prints. */
  readonly save: string;
  readonly backend?: Readonly<Record<string, unknown>>;
}

async function find({ check, save, backend = VXLAN }: Host): Promise<readonly Found[]> {
  const isVxlan = backend === VXLAN;
  const answers: Readonly<Record<string, unknown>> = {
    status: {
      registry: { kind: 'etcd' },
      network: { ...NETWORK, devices: isVxlan ? NETWORK.devices : [] },
      interface: { name: 'eth0', address: '198.18.1.1' },
      lease: { state: 'held', ipv4: '10.5.1.0/24' },
    },
    peers: { peers: [] },
    devices: {
      devices: isVxlan ? [{ name: 'flannel.1', tunnel: { encapsulation: 'vxlan', port: 8472 } }] : [],
    },
  };
  const facts = new Facts({
    client: { request: (name: string) => Promise.resolve(answers[name]) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '' },
    output: (argv) => Promise.resolve(argv.includes('address') ? JSON.stringify(LINKS) : undefined),
    run: ([name, ...args]) => {
      const isRoute = args.includes('get');
      const stdout = name === 'iptables-legacy-save' ? save : isRoute ? '[{"dev":"eth0"}]' : '';
      return Promise.resolve({ code: stdout === '' ? 127 : 0, stdout, stderr: '' });
    },
  });
  const document = JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
  await facts.once('registry', () => Promise.resolve({ config: { text: document }, leases: [] }));
  const found = await FIREWALL_CHECKS.find(({ id }) => id === check)!.run(facts);
  facts.close();
  return found;
}

const filter = (chain: string, policy: string, ...rules: readonly string[]): string =>
  `*filter\n:${chain} ${policy} [12:340]\n${rules.map((rule) => `-A ${chain} ${rule}\n`).join('')}COMMIT\n`;

describe('weft doctor on a host without peers', () => {
  it('finds a policy that drops what containers will send', async () => {
    const [found] = await find({ check: 'forward-drop', save: filter('FORWARD', 'DROP') });
    assert.equal(found?.severity, 'warning');
    assert.match(found.evidence[0] ?? '', /^iptables-legacy-save: -P FORWARD DROP/);
    assert.match(
      found?.fix ?? '',
      /^iptables-legacy -I FORWARD -s 10\.5\.0\.0\/16 -d 10\.5\.0\.0\/16 -j ACCEPT /,
    );
  });

  it('finds nothing where rules accept the network', async () => {
    const save = filter('FORWARD', 'DROP', '-s 10.5.0.0/16 -j ACCEPT', '-d 10.0.0.0/8 -j ACCEPT');
    assert.deepEqual(await find({ check: 'forward-drop', save }), []);
    assert.deepEqual(await find({ check: 'forward-drop', save: filter('FORWARD', 'ACCEPT') }), []);
  });

  it('finds a rule about the port of the tunnel, and none about another port', async () => {
    const drop = (port: number) => filter('INPUT', 'ACCEPT', `-p udp -m udp --dport ${port} -j DROP`);
    const [found] = await find({ check: 'port-dropped', save: drop(8472) });
    assert.match(found?.title ?? '', /drops UDP port 8472, which the overlay network needs$/);
    assert.deepEqual(await find({ check: 'port-dropped', save: drop(4789) }), []);
  });
});

describe('weft doctor on a host with IPsec', () => {
  const ACCEPT = ['500', '4500'].map((port) => `-p udp -m udp --dport ${port} -j ACCEPT`);
  const PSK = '0123456789abcdef'.repeat(6);
  const backend = { Type: 'ipsec', PSK };
  for (const [what, rules, isUdpEncap, expected] of [
    ['neither IKE nor ESP passes', [], false, 'UDP port 500 and UDP port 4500 and IP protocol esp'],
    ['IKE passes alone', ACCEPT, false, 'IP protocol esp'],
    ['all of ESP is in UDP', ACCEPT, true, undefined],
    ['all passes', [...ACCEPT, '-p esp -j ACCEPT'], false, undefined],
  ] as const)
    it(`knows what drops: ${what}`, async () => {
      const [found] = await find({
        check: 'port-dropped',
        save: filter('INPUT', 'DROP', ...rules),
        backend: { ...backend, ...(isUdpEncap && { UDPEncap: true }) },
      });
      const title = expected && `A firewall of this host drops ${expected}, which the overlay network needs`;
      assert.equal(found?.title, title);
    });
});
