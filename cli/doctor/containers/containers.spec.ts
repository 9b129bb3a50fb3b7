// Checks of containers on a host of two: what kernels of tests lack, and which cause is which.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProbeOutcome, ProbeSpec } from '../../../daemon/connectivity/probe.ts';
import type { ControlClient } from '../../client/control-client.ts';
import type { Found } from '../check.ts';
import { Facts } from '../facts.ts';
import { CHECKS } from '../run-checks.ts';

const ANSWERS: Readonly<Record<string, unknown>> = {
  status: {
    registry: { kind: 'etcd' },
    network: {
      ipv4: '10.5.0.0/16',
      mtu: 1450,
      devices: ['flannel.1'],
      backend: 'vxlan',
      encapsulation: 'kernel',
    },
    interface: { name: 'eth0', address: '198.18.1.1' },
    lease: { state: 'held', ipv4: '10.5.1.0/24' },
  },
  peers: {
    peers: [
      { key: '10.5.2.0-24', state: 'in-sync', mode: 'tunnel', ipv4: '10.5.2.0/24', publicIp: '198.18.1.2' },
    ],
  },
};

const BRIDGE = {
  ifindex: 3,
  ifname: 'br0',
  flags: ['UP'],
  mtu: 1450,
  address: '02:00:00:00:00:01',
  linkinfo: { info_kind: 'bridge', info_data: { vlan_filtering: 0, stp_state: 0 } },
  addr_info: [{ local: '10.5.1.1', prefixlen: 24, scope: 'global' }],
};
const PORT = {
  ifindex: 4,
  ifname: 'veth0',
  link_index: 2,
  master: 'br0',
  flags: ['UP'],
  mtu: 1450,
  linkinfo: { info_kind: 'veth', info_slave_data: { state: 'forwarding' } },
};
const INSIDE = {
  ifindex: 2,
  ifname: 'eth0',
  link_index: 4,
  flags: ['UP'],
  mtu: 1450,
  address: '02:00:00:00:00:02',
  linkinfo: { info_kind: 'veth' },
  addr_info: [{ local: '10.5.1.2', prefixlen: 24, scope: 'global' }],
};

interface Host {
  readonly links?: readonly unknown[];
  readonly inside?: unknown;
  /** By a part of a command line: the JSON that it prints. */
  readonly prints?: Readonly<Record<string, unknown>>;
  readonly probes?: (spec: ProbeSpec) => ProbeOutcome;
  /** Values of sysctls; unset: those of files. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Peers that answer this host; default one. */
  readonly peers?: readonly unknown[];
  /** Rules that are not evaluated. */
  readonly doubts?: readonly unknown[];
}

describe('weft doctor on containers', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'weft-doctor-'));
    for (const file of ['run/netns/c1', 'proc/self/ns/net', 'proc/sys/net/ipv4/ip_forward']) {
      await mkdir(join(root, file, '..'), { recursive: true });
      await writeFile(join(root, file), '1');
    }
  });
  after(() => rm(root, { recursive: true }));

  async function find(id: string, host: Host = {}): Promise<readonly Found[]> {
    const { links = [BRIDGE, PORT], inside = INSIDE, prints = {}, probes, settings, doubts } = host;
    const printed = (argv: readonly string[]): string | undefined => {
      const line = argv.join(' ');
      const key = Object.keys(prints).find((part) => line.includes(part));
      if (key !== undefined) return JSON.stringify(prints[key]);
      if (!line.includes('ip -j -d address')) return undefined;
      return JSON.stringify(line.startsWith('nsenter') ? [inside] : links);
    };
    const facts = new Facts({
      client: { request: (name: string) => Promise.resolve(ANSWERS[name]) } as unknown as ControlClient,
      etcd: { endpoints: [], prefix: '' },
      root: `${root}/`,
      output: (argv) => Promise.resolve(printed(argv)),
      run: (argv) => {
        const stdout = printed(argv);
        return Promise.resolve({ code: stdout === undefined ? 127 : 0, stdout: stdout ?? '', stderr: '' });
      },
    });
    const peer = { key: '10.5.2.0-24' };
    const probed = {
      peer,
      underlay: '198.18.1.2',
      overlay: '10.5.2.0',
      underlayOk: true,
      overlayOk: true,
      largest: 1450,
    };
    await facts.once('probes', () => Promise.resolve(host.peers ?? [probed]));
    if (doubts !== undefined) await facts.once('firewall walk', () => Promise.resolve({ drops: [], doubts }));
    if (settings !== undefined) facts.sysctl = (path) => Promise.resolve(settings[path]);
    await facts.once('container path explained', () => Promise.resolve(false));
    if (probes !== undefined)
      facts.probeFrom = (_path, specs) => Promise.resolve(specs.map((spec) => probes(spec)));
    const found = await CHECKS.find((check) => check.id === id)!.run(facts);
    facts.close();
    return found;
  }

  it('finds nothing on a healthy link', async () => {
    for (const id of [
      'container-port',
      'container-vlan',
      'container-mtu',
      'container-neighbour',
      'container-path',
    ])
      assert.deepEqual(await find(id, { probes: () => ({ ok: true }) }), [], id);
  });

  it('finds a port that spanning tree, or a program, keeps from forwarding', async () => {
    const blocked = { ...PORT, linkinfo: { info_kind: 'veth', info_slave_data: { state: 'blocking' } } };
    const [found] = await find('container-port', { links: [BRIDGE, blocked] });
    assert.equal(found?.fix, 'bridge link set dev veth0 state 3');
    const tree = { ...BRIDGE, linkinfo: { info_kind: 'bridge', info_data: { stp_state: 1 } } };
    const [learning] = await find('container-port', { links: [tree, blocked] });
    assert.equal(learning?.fix, 'ip link set br0 type bridge stp_state 0');
  });

  it('finds a VLAN of containers that their bridge is not in', async () => {
    const filtering = { ...BRIDGE, linkinfo: { info_kind: 'bridge', info_data: { vlan_filtering: 1 } } };
    const vlan = (number: number) => [{ vlan: number, flags: ['PVID', 'Egress Untagged'] }];
    const rows = (port: number) => ({
      'vlan show': [
        { ifname: 'br0', vlans: vlan(1) },
        { ifname: 'veth0', vlans: vlan(port) },
      ],
    });
    const [found] = await find('container-vlan', { links: [filtering, PORT], prints: rows(20) });
    assert.match(found?.evidence[0] ?? '', /veth0 has PVID 20, br0 has PVID 1/);
    assert.equal(
      found?.fix,
      'bridge vlan del dev veth0 vid 20; bridge vlan add dev veth0 vid 1 pvid untagged',
    );
    assert.deepEqual(await find('container-vlan', { links: [filtering, PORT], prints: rows(1) }), []);
  });

  it('finds no VLAN wrong where a device on the bridge is the gateway', async () => {
    const filtering = { ...BRIDGE, linkinfo: { info_kind: 'bridge', info_data: { vlan_filtering: 1 } } };
    const bare = { ...filtering, addr_info: [] };
    const own = { ...BRIDGE, ifindex: 9, ifname: 'br0.100' };
    const vlan = { ...own, link: 'br0', linkinfo: { info_kind: 'vlan', info_data: { id: 100 } } };
    // As CNI's bridge plugin makes it, with "vlan".
    const pair = { ...own, link: 'veth9', linkinfo: { info_kind: 'veth' } };
    const pvid = (ifname: string, number: number) => ({
      ifname,
      vlans: [{ vlan: number, flags: ['PVID', 'Egress Untagged'] }],
    });
    const prints = { 'vlan show': [pvid('br0', 1), pvid('veth0', 100), pvid('veth9', 100)] };
    for (const bridge of [bare, filtering])
      for (const gateway of [vlan, pair])
        assert.deepEqual(await find('container-vlan', { links: [bridge, PORT, gateway], prints }), []);
    const other = { ...vlan, linkinfo: { info_kind: 'vlan', info_data: { id: 7 } } };
    assert.equal((await find('container-vlan', { links: [filtering, PORT, other], prints })).length, 1);
  });

  it('finds no route missing where the bridge, or every device, answers ARP for others', async () => {
    const prints = { 'route get': [{ dev: 'eth0' }] };
    for (const device of ['all', 'br0']) {
      const settings = { [`net/ipv4/conf/${device}/proxy_arp`]: '1' };
      assert.deepEqual(await find('container-route', { prints, settings }), [], device);
    }
    assert.equal((await find('container-route', { prints, settings: {} })).length, 1);
  });

  it('finds a static neighbour of a container with another MAC', async () => {
    const row = (lladdr: string) => ({ 'neigh show dev br0': [{ dst: '10.5.1.2', lladdr }] });
    const [found] = await find('container-neighbour', { prints: row('02:00:00:00:00:77') });
    assert.equal(found?.fix, 'ip neigh del 10.5.1.2 dev br0');
    assert.deepEqual(await find('container-neighbour', { prints: row('02:00:00:00:00:02') }), []);
  });

  it('finds an FDB entry that leads a container elsewhere', async () => {
    const row = (ifname: string) => ({ 'fdb show br br0': [{ mac: INSIDE.address, ifname }] });
    const [found] = await find('container-neighbour', { prints: row('br0') });
    assert.equal(found?.fix, `bridge fdb del ${INSIDE.address} dev br0 self`);
    assert.deepEqual(await find('container-neighbour', { prints: row('veth0') }), []);
  });

  const lost: ProbeOutcome = { ok: false, reason: 'no answer' };

  it('sends once more what seems lost, as a busy host may answer late', async () => {
    let isFirst = true;
    const probes = (): ProbeOutcome => {
      const outcome: ProbeOutcome = isFirst ? lost : { ok: true };
      isFirst = false;
      return outcome;
    };
    assert.deepEqual(await find('container-path', { links: [BRIDGE, PORT], probes }), []);
  });

  it('finds that a container gets no answer of its gateway, with the XDP program in between', async () => {
    const withXdp = { ...PORT, xdp: { mode: 2, prog: { id: 7 } } };
    const [found] = await find('container-path', { links: [BRIDGE, withXdp], probes: () => lost });
    assert.equal(found?.severity, 'error');
    assert.match(
      found.evidence.join('\n'),
      /10\.5\.1\.2: no answer of its gateway 10\.5\.1\.1[^]*XDP program id 7/,
    );
    assert.match(found.fix, /^ip link set dev veth0 xdp off/);
  });

  it('blames no link for a gateway that has a MAC address and answers no echo', async () => {
    const silent = { peers: [], probes: () => lost, settings: {} };
    const neighbour = (state: string) => ({
      'neigh show to 10.5.1.1': [{ dst: '10.5.1.1', state: [state] }],
    });
    assert.deepEqual(await find('container-path', silent), []);
    assert.deepEqual(await find('container-path', { ...silent, prints: neighbour('REACHABLE') }), []);
    for (const state of ['FAILED', 'INCOMPLETE']) {
      const [found] = await find('container-path', { ...silent, prints: neighbour(state) });
      assert.equal(found?.severity, 'error');
      assert.match(found.title, /do not reach their gateway$/);
    }
  });

  it('blames no gateway for echoes that its kernel ignores', async () => {
    const settings = { 'net/ipv4/icmp_echo_ignore_all': '1' };
    const [found] = await find('container-path', { probes: () => lost, settings });
    assert.match(found?.evidence[0] ?? '', /10\.5\.1\.1 ignores echoes; from /);
  });

  it('warns where a rule that is not evaluated may be a network policy', async () => {
    const table = { program: 'nft', family: 'ip', name: 'policies' };
    const place = {
      table,
      chain: { name: 'pods' },
      base: { name: 'forward' },
      rule: { handle: 1, text: 'ip saddr @denied' },
    };
    const doubts = [{ place, traffic: { layer: 'inner', family: 4, network: '10.5.0.0/16' } }];
    const [found] = await find('container-path', { probes: () => lost, doubts });
    assert.equal(found?.severity, 'warning');
  });

  it('finds that a container reaches its gateway and no peer, with the discipline that loses packets', async () => {
    const probes = ({ to }: ProbeSpec): ProbeOutcome => (to === '10.5.1.1' ? { ok: true } : lost);
    const prints = {
      'qdisc show': [
        { kind: 'netem', dev: 'flannel.1', root: true, options: { 'loss-random': { loss: 1 } } },
      ],
    };
    const [found] = await find('container-path', { probes, prints });
    assert.match(found?.evidence.join('\n') ?? '', /10\.5\.1\.1 answers; from [^]*netem loss 100%/);
    assert.match(found?.fix ?? '', /^tc qdisc del dev flannel\.1 root/);
  });

  it('finds that large packets of a container alone are lost', async () => {
    const probes = ({ bytes }: ProbeSpec): ProbeOutcome => (bytes < 1000 ? { ok: true } : lost);
    const [found] = await find('container-path', { links: [{ ...BRIDGE, mtu: 1200 }, PORT], probes });
    assert.match(found?.title ?? '', /^Packets of 1450 bytes/);
    assert.equal(found?.fix, 'ip link set br0 mtu 1450');
  });

  it('finds packets that are lost at random, and none of a busy host', async () => {
    const probes =
      (missing: number) =>
      ({ count }: ProbeSpec): ProbeOutcome =>
        count === undefined ? { ok: true } : { ok: true, lost: missing };
    const [found] = await find('packet-loss', { probes: probes(9) });
    assert.equal(found?.severity, 'warning');
    assert.match(found.evidence[0] ?? '', /10\.5\.1\.2: 9 of 20 echoes to /);
    assert.deepEqual(await find('packet-loss', { probes: probes(3) }), []);
  });

  it('finds an address of a container on this host', async () => {
    const taken = {
      ifname: 'lo',
      flags: ['UP'],
      mtu: 65536,
      addr_info: [{ local: '10.5.1.2', prefixlen: 32 }],
    };
    const [found] = await find('container-address', { links: [BRIDGE, PORT, taken] });
    assert.equal(found?.fix, 'ip address del 10.5.1.2/32 dev lo');
    assert.deepEqual(await find('container-address'), []);
  });

  it('deletes no address that packets need, and has the container restarted', async () => {
    const prints = { 'route show default': [{ dev: 'eth1' }] };
    const row = (ifname: string, kind: string, local: string) => ({
      ifname,
      flags: ['UP'],
      mtu: 1450,
      linkinfo: { info_kind: kind },
      addr_info: [{ local, prefixlen: 24, scope: 'global' }],
    });
    const with2 = (local: string) => ({ ...INSIDE, addr_info: [{ local, prefixlen: 24, scope: 'global' }] });
    for (const [device, address] of [
      [row('dummy0', 'dummy', '10.5.1.1'), '10.5.1.1'],
      [row('flannel.1', 'vxlan', '10.5.1.0'), '10.5.1.0'],
      [row('br1', 'bridge', '10.5.1.5'), '10.5.1.5'],
      [row('br0.100', 'veth', '10.5.1.6'), '10.5.1.6'],
      [row('eth0', '', '10.5.1.7'), '10.5.1.7'],
      [row('eth1', '', '10.5.1.8'), '10.5.1.8'],
    ] as const) {
      const host = { links: [PORT, device], inside: with2(address), prints };
      const [found] = await find('container-address', host);
      assert.match(found?.fix ?? '', /^nsenter --net=\S+ ip address show  # .*restart it$/, address);
    }
    const dummy = { links: [PORT, row('dummy0', 'dummy', '10.5.1.2')], prints };
    assert.equal((await find('container-address', dummy))[0]?.fix, 'ip address del 10.5.1.2/24 dev dummy0');
  });

  it('quotes names that a container gives its devices, in each fix', async () => {
    const evil = { ...INSIDE, ifname: '$(reboot)' };
    const quoted = "'$(reboot)'";
    const gateway = { 'neigh show dev $(reboot)': [{ dst: '10.5.1.1', lladdr: '02:00:00:00:00:77' }] };
    const cause = {
      'route get': [{ dev: '$(reboot)', gateway: '10.5.1.9' }],
      'rule show': [{ priority: 32_766, src: 'all', table: 'main' }],
      'route show table all': [{ dst: '10.5.2.0/24', gateway: '10.5.1.9', dev: '$(reboot)' }],
    };
    for (const [id, host] of [
      ['container-mtu', { inside: { ...evil, mtu: 9000 } }],
      ['container-neighbour', { inside: evil, prints: gateway }],
      ['container-route', { inside: { ...evil, flags: [] }, prints: cause }],
      ['container-route', { inside: evil, prints: cause }],
      ['container-path', { inside: evil, probes: ({ bytes }) => (bytes < 1000 ? { ok: true } : lost) }],
    ] as const satisfies readonly (readonly [string, Host])[]) {
      const [found] = await find(id, host);
      const fix = found?.fix ?? '';
      assert.ok(fix.includes(quoted), `${id}: ${fix}`);
      assert.ok(!fix.replaceAll(quoted, '').includes('$('), fix);
    }
  });

  it('quotes names of devices of this host', async () => {
    const port = { ...PORT, ifname: ';poweroff;', flags: [] };
    assert.equal(
      (await find('container-port', { links: [BRIDGE, port] }))[0]?.fix,
      "ip link set ';poweroff;' up",
    );
  });

  it('blames nothing where this host cannot send', async () => {
    const probes = (): ProbeOutcome => ({ ok: false, isUntested: true, reason: 'no addon' });
    assert.deepEqual(await find('container-path', { probes }), []);
  });
});
