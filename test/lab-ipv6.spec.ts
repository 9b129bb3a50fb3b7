// IPv6 beside IPv4, and alone: what hosts lease and program, packets of the full MTU between all containers, hosts without
// IPv6 among others, and a cluster that gets or loses IPv6 while it runs.
import assert from 'node:assert/strict';
import type { StatusV1 } from '../api/index.ts';
import type { Lab } from '../lab/lab.ts';
import { pingAll } from '../lab/probe.ts';
import { ETCD_URL_IPV6 } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { askReadyz, leaseKeys, overlayDevicesOf, waitForLogLine } from './support/daemon-view.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { ask, shellTest, programmedPeers, useLab, waitUntilReady } from './support/lab-suite.ts';
import { startPing } from '../lab/traffic.ts';

const FOLLOW_MS = 60_000;
const IPV4 = { Network: '10.5.0.0/16' };
const IPV6 = { EnableIPv6: true, IPv6Network: 'fd00:5::/48' };
const IPV6_ALONE = { EnableIPv4: false, ...IPV6 };
const configOf = (type: string, families: object, backend: object = {}) =>
  JSON.stringify({ ...families, Backend: { Type: type, ...backend } });

async function allReady(lab: Lab): Promise<void> {
  for (const { name } of lab.topology.hosts) await waitUntilReady(lab, name);
}

async function assertFullPings(lab: Lab, hosts?: readonly string[]): Promise<void> {
  const { broken, sent } = await pingAll(lab, { isFullSize: true, ...(hosts && { hosts }) });
  assert.deepEqual(broken, []);
  assert.ok(sent > 0);
}

async function envOf(lab: Lab, name: string): Promise<Readonly<Record<string, string>>> {
  const lines = (await lab.readSubnetEnv(name)).trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.replace('FLANNEL_', '').split('=')));
}

/** Sorted lease keys, once they are as many as hosts and all of them match. */
async function keysLike(lab: Lab, pattern: RegExp): Promise<string[]> {
  let keys: string[] = [];
  await waitFor(
    `keys like ${String(pattern)}`,
    async () => {
      keys = (await leaseKeys(lab)).toSorted();
      return keys.length === lab.topology.hosts.length && keys.every((key) => pattern.test(key));
    },
    FOLLOW_MS,
  );
  return keys;
}

const DUAL_KEY = /^10\.5\.\d+\.0-24&fd00:5:0:[0-9a-f]+::-64$/;
const IPV4_KEY = /^10\.5\.\d+\.0-24$/;

describe('dual-stack vxlan', () => {
  const lab = useLab({ hosts: 3, config: configOf('vxlan', { ...IPV4, ...IPV6 }) });
  const ipv4Of = (keys: readonly string[]) => keys.map((key) => key.split('&')[0]);

  /** IPv4 echo requests between all containers in a ring, one every 3 ms each, while `change` happens; the number lost. */
  async function lossDuring(change: () => Promise<void>): Promise<number> {
    const ring = [
      ['c1', 'h2'],
      ['c2', 'h3'],
      ['c3', 'h1'],
    ] as const;
    const pings = await Promise.all(
      ring.map(async ([from, to]) => startPing(lab(), from, await lab().containerAddress(to), 3)),
    );
    await change();
    const results = await Promise.all(pings.map((ping) => ping.stop()));
    assert.ok(results.every(({ sent }) => sent > 0));
    return results.reduce((sum, { lost }) => sum + lost, 0);
  }

  const hasIpv6Route = (name: string, subnet: string) =>
    shellTest(lab(), name, `ip -6 route show ${subnet} dev flannel-v6.1 | grep -q .`);

  it('leases a subnet of each family under one key, and writes both to subnet.env', async () => {
    await allReady(lab());
    await keysLike(lab(), DUAL_KEY);
    const { NETWORK, SUBNET, IPV6_NETWORK, IPV6_SUBNET, MTU } = await envOf(lab(), 'h1');
    assert.deepEqual([NETWORK, IPV6_NETWORK, MTU], ['10.5.0.0/16', 'fd00:5::/48', '1430']);
    assert.match(`${SUBNET} ${IPV6_SUBNET}`, /^10\.5\.\d+\.1\/24 fd00:5:0:[0-9a-f]+::1\/64$/);
  });

  it('is healthy to weft doctor', () => assertHealthy(lab()));

  it('carries packets of the full MTU in both families', () => assertFullPings(lab()));

  it('makes a device a family, over the interface address of that family', async () => {
    const links = await ask<{ mtu: number; ifname: string; linkinfo: { info_data: object } }>(
      lab(),
      'h1',
      'ip -j -d link show type vxlan',
    );
    const { publicIp, publicIpv6 } = lab().host('h1');
    const found = links.map(({ ifname, mtu, linkinfo }) => {
      const { id, local, local6 } = linkinfo.info_data as Record<string, unknown>;
      return `${ifname} ${mtu} ${String(id)} ${String(local ?? local6)}`;
    });
    assert.deepEqual(found.toSorted(), [`flannel-v6.1 1430 1 ${publicIpv6}`, `flannel.1 1450 1 ${publicIp}`]);
  });

  it('goes on with IPv4 on a host without IPv6, and with both once it has it, losing nothing', async () => {
    const before = await keysLike(lab(), DUAL_KEY);
    const { IPV6_SUBNET = '' } = await envOf(lab(), 'h3');
    const subnet = IPV6_SUBNET.replace('::1/', '::/');
    assert.ok(await hasIpv6Route('h1', subnet));
    const lost = await lossDuring(async () => {
      await lab().stopDaemon('h3');
      await lab().check('h3', ['sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
      await lab().startDaemon('h3');
      await waitUntilReady(lab(), 'h3');
      await waitForLogLine(lab(), 'h3', /WARN.*No IPv6 on this host, using IPv4 only/);
      assert.match((await askReadyz(lab(), 'h3')).body, /no IPv6 on this host/);
      const { network } = JSON.parse((await lab().weft('h3', ['status', '--json'])).stdout) as StatusV1;
      assert.deepEqual([network?.ipv4, network?.ipv6, network?.mtu], ['10.5.0.0/16', undefined, 1450]);
      await waitFor('the route over IPv6 to go', async () => !(await hasIpv6Route('h1', subnet)), FOLLOW_MS);
      assert.deepEqual(ipv4Of((await leaseKeys(lab())).toSorted()), ipv4Of(before));
      assert.deepEqual(await overlayDevicesOf(lab(), 'h3'), ['flannel.1']);
      assert.equal((await envOf(lab(), 'h3'))['IPV6_SUBNET'], undefined);
      await lab().check('h3', ['sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0']);
      await lab().check('h3', [
        'ip',
        'addr',
        'add',
        `${lab().host('h3').publicIpv6}/64`,
        'dev',
        'eth0',
        'nodad',
      ]);
      await waitFor('the route over IPv6', () => hasIpv6Route('h1', subnet), FOLLOW_MS);
      await waitUntilReady(lab(), 'h3');
    });
    assert.equal(lost, 0);
    assert.deepEqual(await keysLike(lab(), DUAL_KEY), before);
    await assertFullPings(lab());
  });

  it('keeps IPv4 on a host whose interface loses its IPv6 address, and publishes nothing', async () => {
    const before = await keysLike(lab(), DUAL_KEY);
    const address = ['addr', 'del', `${lab().host('h2').publicIpv6}/64`, 'dev', 'eth0'];
    const lost = await lossDuring(async () => {
      await lab().check('h2', ['ip', ...address]);
      await waitForLogLine(lab(), 'h2', /WARN.*no usable IPv6 address.*keeping the former IPv6 address/);
      await lab().check('h2', ['ip', ...address.with(1, 'add'), 'nodad']);
    });
    assert.equal(lost, 0);
    assert.deepEqual(await keysLike(lab(), DUAL_KEY), before);
    await assertFullPings(lab());
  });

  it('loses IPv6 and gets it again while it runs: no IPv4 packet is lost, all subnets stay', async () => {
    const before = await keysLike(lab(), DUAL_KEY);
    const lost = await lossDuring(async () => {
      await lab().putConfig(configOf('vxlan', IPV4));
      assert.deepEqual(await keysLike(lab(), IPV4_KEY), ipv4Of(before));
      for (const { name } of lab().topology.hosts)
        await waitFor(
          `flannel.1 alone on ${name}`,
          async () => (await overlayDevicesOf(lab(), name)).join() === 'flannel.1',
          FOLLOW_MS,
        );
      await lab().putConfig(configOf('vxlan', { ...IPV4, ...IPV6 }));
      assert.deepEqual(await keysLike(lab(), DUAL_KEY), before);
      await allReady(lab());
    });
    assert.equal(lost, 0);
    const isWhole = async () => (await pingAll(lab(), { isFullSize: true })).broken.length === 0;
    await waitFor('all to reach all in both families', isWhole, FOLLOW_MS);
  });

  it('leads a host of IPv4 alone among others nowhere wrong: one family of a peer is enough', async () => {
    const [first] = await keysLike(lab(), DUAL_KEY);
    const value = { PublicIP: '198.18.9.9', PublicIPv6: null, BackendType: 'vxlan' };
    const data = { VNI: 1, VtepMAC: '02:00:00:00:00:aa' };
    const put = (key: string, more: object) =>
      lab().etcdctl(['put', `/coreos.com/network/subnets/${key}`, JSON.stringify({ ...value, ...more })]);
    const peers = async () => (await programmedPeers(lab(), 'h1')).filter((one) => one.startsWith('10.5.25'));
    await put('10.5.250.0-24', { BackendData: data });
    // Of another family, which some hosts publish although their key has no subnet for it, and vice versa.
    await put('10.5.251.0-24', {
      BackendData: { ...data, VtepMAC: '02:00:00:00:00:ab' },
      BackendV6Data: data,
    });
    await put('10.5.252.0-24&fd00:5:0:fc::-64', { BackendData: { ...data, VtepMAC: '02:00:00:00:00:ac' } });
    await put('0.0.0.0-0&fd00:5:0:fd::-64', { BackendV6Data: data });
    await waitFor(
      'three of them',
      async () => (await peers()).join() === '10.5.250.0/24,10.5.251.0/24,10.5.252.0/24',
      FOLLOW_MS,
    );
    await waitForLogLine(lab(), 'h1', /fd00:5:0:fd::.*publishes no IPv6 public address/);
    assert.equal((await askReadyz(lab(), 'h1')).status, 200);
    assert.ok(first !== undefined && (await leaseKeys(lab())).includes(first));
    for (const key of [
      '10.5.250.0-24',
      '10.5.251.0-24',
      '10.5.252.0-24&fd00:5:0:fc::-64',
      '0.0.0.0-0&fd00:5:0:fd::-64',
    ])
      await lab().etcdctl(['del', `/coreos.com/network/subnets/${key}`]);
    await assertFullPings(lab());
  });
});

describe('dual-stack host-gw', () => {
  const lab = useLab({ hosts: 2, config: configOf('host-gw', { ...IPV4, ...IPV6 }) });

  it('routes both families via the peers, with the full MTU of the interface', async () => {
    await allReady(lab());
    await assertFullPings(lab());
    assert.equal((await envOf(lab(), 'h1'))['MTU'], '1500');
    const { IPV6_SUBNET = '' } = await envOf(lab(), 'h2');
    const route = await lab().check('h1', ['ip', '-6', 'route', 'show', IPV6_SUBNET.replace('::1/', '::/')]);
    assert.match(route, new RegExp(`via ${lab().host('h2').publicIpv6} dev eth0 proto 87 `));
    await assertHealthy(lab());
  });
});

describe('IPv6 alone, on hosts that have no IPv4', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'] });
  const names = ['h1', 'h2'];

  before(async () => {
    for (const name of names) await lab().check(name, ['ip', '-4', 'addr', 'flush', 'dev', 'eth0']);
  });

  async function startAll(config: string): Promise<void> {
    await lab().putConfig(config);
    for (const name of names) await lab().startDaemon(name, ['--etcd-endpoints', ETCD_URL_IPV6]);
    for (const name of names) await waitUntilReady(lab(), name);
  }

  it('works with vxlan: each host is known by its IPv6 address', async () => {
    await startAll(configOf('vxlan', IPV6_ALONE));
    for (const name of names) await lab().attachContainer(name);
    const keys = await keysLike(lab(), /^0\.0\.0\.0-0&fd00:5:0:[0-9a-f]+::-64$/);
    assert.equal(new Set(keys).size, 2);
    const values = await lab().etcdctl([
      'get',
      '--prefix',
      '--print-value-only',
      '/coreos.com/network/subnets/',
    ]);
    for (const name of names)
      assert.ok(
        values.includes(`"PublicIP":"0.0.0.0","PublicIPv6":"${lab().host(name).publicIpv6}"`),
        values,
      );
    const env = await envOf(lab(), 'h1');
    assert.deepEqual(Object.keys(env), ['IPV6_NETWORK', 'IPV6_SUBNET', 'MTU', 'IPMASQ']);
    assert.equal(env['MTU'], '1430');
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel-v6.1']);
    await assertFullPings(lab(), names);
    await assertHealthy(lab());
  });

  it('keeps its subnet over a restart', async () => {
    const before = await envOf(lab(), 'h2');
    await lab().stopDaemon('h2');
    await lab().startDaemon('h2', ['--etcd-endpoints', ETCD_URL_IPV6]);
    await waitUntilReady(lab(), 'h2');
    assert.deepEqual(await envOf(lab(), 'h2'), before);
    assert.equal((await leaseKeys(lab())).length, 2);
  });

  it('works with host-gw', async () => {
    for (const name of names) {
      await lab().stopDaemon(name);
      await lab().check(name, ['ip', 'link', 'del', 'flannel-v6.1']);
    }
    await startAll(configOf('host-gw', IPV6_ALONE));
    // Peers may send through the previous tunnel until they are notified.
    const hasFullMtu = async () => (await envOf(lab(), 'h1'))['MTU'] === '1500';
    await waitFor('the full MTU of the interface', hasFullMtu, FOLLOW_MS);
    const { broken } = await pingAll(lab(), { hosts: names });
    assert.deepEqual(broken, []);
  });

  it('keeps the IPv6 subnets where IPv4 is turned on, and off again, while all daemons are down', async () => {
    const stopAll = () => Promise.all(names.map((name) => lab().stopDaemon(name)));
    const ipv6Of = (keys: readonly string[]) => keys.map((key) => key.split('&')[1]!).toSorted();
    const before = await keysLike(lab(), /^0\.0\.0\.0-0&/);
    await stopAll();
    for (const name of names)
      await lab().check(name, ['ip', 'addr', 'add', `${lab().host(name).publicIp}/16`, 'dev', 'eth0']);
    await startAll(configOf('host-gw', { ...IPV4, ...IPV6 }));
    assert.deepEqual(ipv6Of(await keysLike(lab(), DUAL_KEY)), ipv6Of(before));
    await stopAll();
    await startAll(configOf('host-gw', IPV6_ALONE));
    assert.deepEqual(await keysLike(lab(), /^0\.0\.0\.0-0&/), before);
    const { broken } = await pingAll(lab(), { hosts: names });
    assert.deepEqual(broken, [], 'containers have the addresses of before');
  });
});
