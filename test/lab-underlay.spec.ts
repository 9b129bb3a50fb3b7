// The network between hosts changes: routes that make direct routing right or wrong, addresses of interfaces, MTUs; and a
// host that boots with nothing in its kernel, before its interface and etcd are there.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import type { Lab } from '../lab/lab.ts';
import { pingAll } from '../lab/probe.ts';
import { subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys, overlayDevicesOf, waitForLogLine } from './support/daemon-view.ts';
import { assertHealthy, waitUntilHealthy } from './support/doctor/healthy.ts';
import { canPing, shellTest, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';
import { startPing } from '../lab/traffic.ts';

const FOLLOW_MS = 60_000;
const DUAL = { Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:5::/48' };
const configOf = (backend: object) => JSON.stringify({ ...DUAL, Backend: { Type: 'vxlan', ...backend } });

async function allReady(lab: Lab): Promise<void> {
  for (const { name } of lab.topology.hosts) await waitUntilReady(lab, name);
}

async function assertFullPings(lab: Lab): Promise<void> {
  const { broken, sent } = await pingAll(lab, { isFullSize: true });
  assert.deepEqual(broken, []);
  assert.ok(sent > 0);
}

/** The IPv6 subnet of a host. */
async function subnet6Of(lab: Lab, name: string): Promise<string> {
  return (/^FLANNEL_IPV6_SUBNET=(.*)$/m.exec(await lab.readSubnetEnv(name))?.[1] ?? '').replace(
    '::1/',
    '::/',
  );
}

describe('direct routing while the underlay changes', () => {
  const lab = useLab({
    hosts: 3,
    routed: true,
    config: configOf({ DirectRouting: true }),
    daemonFlags: ['--ip-blackhole-route'],
  });

  it('carries packets of the full MTU, directly and through the tunnel, in both families', async () => {
    await allReady(lab());
    await assertFullPings(lab());
    // The first echoes of the daemon may have come before the other host had its IPv6 address.
    await waitUntilHealthy(lab(), ['h1']);
  });

  const ROUNDS = 5;
  it(`follows a route to a peer ${ROUNDS} times there and back, without loss and leftovers`, async () => {
    const [subnet, subnet6] = [await subnetOf(lab(), 'h3'), await subnet6Of(lab(), 'h3')];
    const [h1, h3] = [lab().host('h1'), lab().host('h3')];
    const leadsThrough = (dev: string) =>
      waitFor(
        `the routes to ${subnet} and ${subnet6} to lead through ${dev}`,
        () =>
          shellTest(
            lab(),
            'h1',
            `ip route show ${subnet} | grep -q 'dev ${dev} ' && ip -6 route show ${subnet6} | grep -q 'dev ${dev} '`,
          ),
        FOLLOW_MS,
      );
    // Of those who are reached directly nothing may be left on the devices: h2 alone is behind the router.
    const hasEntriesOf = (hosts: number) =>
      shellTest(
        lab(),
        'h1',
        `for dev in flannel.1 flannel-v6.1; do [ $(ip neigh show dev $dev nud permanent | grep -c .) = ${hosts} ] &&
          [ $(bridge fdb show dev $dev | grep -c ' dst ') = ${hosts} ] || exit 1; done`,
      );
    const [address = '', address6 = ''] = await lab().containerAddresses('h3');
    const pings = await Promise.all([startPing(lab(), 'c1', address), startPing(lab(), 'c1', address6)]);
    for (let round = 0; round < ROUNDS; round++) {
      const route = (action: string) =>
        `ip route ${action} ${h3.publicIp}/32 via ${h1.gateway}; ip route ${action} ${h3.publicIpv6}/128 via ${h1.gatewayIpv6}`;
      await lab().check('h1', ['sh', '-ec', route('add')]);
      await leadsThrough('flannel[^ ]*');
      await lab().check('h1', ['sh', '-ec', route('del')]);
      await leadsThrough('eth0');
    }
    const [four, six] = await Promise.all(pings.map((ping) => ping.stop()));
    assert.deepEqual([four?.lost, six?.lost], [0, 0]);
    await waitFor('the entries of h3 to go', () => hasEntriesOf(1), FOLLOW_MS);
  });

  const hasBlackholes = async (family: string) =>
    (await lab().check('h1', ['ip', family, 'route', 'show', 'type', 'blackhole'])).trim();

  it('drops packets for its own subnet that no bridge takes, under the route of the bridge', async () => {
    const [subnet, subnet6] = [await subnetOf(lab(), 'h1'), await subnet6Of(lab(), 'h1')];
    const expected = [
      `blackhole ${subnet} proto 87 metric 1000000`,
      `blackhole ${subnet6} dev lo proto 87 metric 1000000`,
    ];
    const isThere = async () => {
      const found = [await hasBlackholes('-4'), await hasBlackholes('-6')];
      return found.every((line, index) => line.replace(' pref medium', '').startsWith(expected[index]!));
    };
    assert.ok(await isThere(), `${await hasBlackholes('-4')} ${await hasBlackholes('-6')}`);
    const own = await lab().containerAddress('h1');
    assert.ok(await shellTest(lab(), 'h1', `ip route get ${own} | grep -q 'dev br0'`));
    await lab().check('h1', ['ip', 'route', 'del', 'blackhole', subnet]);
    await lab().check('h1', ['ip', '-6', 'route', 'del', 'blackhole', subnet6]);
    await waitFor('the routes to be back', isThere, FOLLOW_MS);
    await lab().check('h1', ['sysctl', '-qw', 'net.ipv6.conf.br0.keep_addr_on_down=1']);
    await lab().check('h1', ['ip', 'link', 'set', 'br0', 'down']);
    assert.ok(await shellTest(lab(), 'h1', `! ip route get ${own}`));
    await lab().check('h1', ['ip', 'link', 'set', 'br0', 'up']);
    assert.ok(await canPing(lab(), 'c2', 'h1'));
  });

  it('has no such routes without the flag', async () => {
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1', []);
    await waitUntilReady(lab(), 'h1');
    assert.equal((await hasBlackholes('-4')) + (await hasBlackholes('-6')), '');
  });

  it('keeps its subnets when its interface gets other addresses', async () => {
    const keys = await leaseKeys(lab());
    const { publicIp, publicIpv6, gateway, gatewayIpv6 } = lab().host('h1');
    const [next, next6] = ['198.18.7.7', 'fd00:198:18::77'];
    await lab().check('h1', [
      'sh',
      '-ec',
      `ip addr del ${publicIp}/16 dev eth0; ip addr add ${next}/16 dev eth0
       ip addr del ${publicIpv6}/64 dev eth0; ip addr add ${next6}/64 dev eth0 nodad
       ip route replace default via ${gateway}; ip -6 route replace default via ${gatewayIpv6}`,
    ]);
    await waitForLogLine(lab(), 'h1', new RegExp(`public IP of this host changed.*to=${next}`));
    const isSentTo = (name: string) =>
      shellTest(
        lab(),
        name,
        `bridge fdb show dev flannel.1 | grep -q ' dst ${next} ' && bridge fdb show dev flannel-v6.1 | grep -q ' dst ${next6} '`,
      );
    await waitFor('h2 to send there', () => isSentTo('h2'), FOLLOW_MS);
    await allReady(lab());
    assert.deepEqual(await leaseKeys(lab()), keys);
    assert.ok(
      await shellTest(
        lab(),
        'h1',
        `ip -d link show flannel.1 | grep -q 'local ${next} ' && ip -d link show flannel-v6.1 | grep -q 'local ${next6} '`,
      ),
    );
    // Other hosts find the new address by solicitations, the first of which may be lost (RFC 4861 §7.2.2).
    const isWhole = async () => (await pingAll(lab(), { isFullSize: true })).broken.length === 0;
    await waitFor('all to reach all', isWhole, FOLLOW_MS);
    await assertFullPings(lab());
  });
});

describe('jumbo frames, and a reboot', () => {
  const lab = useLab({ hosts: 2, mtu: 9000, config: configOf({}) });

  it('carries packets of the full MTU in both families', async () => {
    await allReady(lab());
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=8930$/m);
    await assertFullPings(lab());
    await assertHealthy(lab());
  });

  it('gets the same subnets and MACs with nothing of before, the daemon first, then address, then etcd', async () => {
    const viewsOf = () =>
      Promise.all(['flannel.1', 'flannel-v6.1'].map((device) => viewOf(lab(), 'h1', device)));
    const [before, env] = [await viewsOf(), await lab().readSubnetEnv('h1')];
    await lab().stopDaemon('h1', 'KILL');
    await lab().stopEtcd();
    const forget =
      'ip link del flannel.1; ip link del flannel-v6.1; ip link del br0; ip link del veth0; ip link set eth0 down; ip addr flush dev eth0';
    await lab().check('h1', ['sh', '-ec', forget]);
    await rm(`/proc/${lab().sandbox.pid}/root${lab().subnetFile('h1')}`);
    await lab().startDaemon('h1');
    await waitForLogLine(lab(), 'h1', /Registry unavailable, waiting for it/);
    await lab().startEtcd();
    const { publicIp, publicIpv6, gateway, gatewayIpv6 } = lab().host('h1');
    await lab().check('h1', [
      'sh',
      '-ec',
      `ip addr add ${publicIp}/16 dev eth0; ip link set eth0 up; ip addr add ${publicIpv6}/64 dev eth0 nodad
       ip route add default via ${gateway}; ip -6 route add default via ${gatewayIpv6}`,
    ]);
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await viewsOf(), before);
    assert.equal(await lab().readSubnetEnv('h1'), env);
    await lab().attachContainer('h1');
    await assertFullPings(lab());
  });
});

describe('an underlay of the smallest MTU', () => {
  const lab = useLab({ hosts: 2, mtu: 1280, config: configOf({}) });

  it('carries IPv4, and logs why not IPv6', async () => {
    await allReady(lab());
    await waitForLogLine(lab(), 'h1', /WARN.*No IPv6 on this host.*leaves 1210 bytes and IPv6 needs 1280/);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1230$/m);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel.1']);
    await assertFullPings(lab());
  });

  it('carries both once it is larger', async () => {
    await lab().check('sw', ['sh', '-ec', 'for dev in br-a h1 h2 etcd; do ip link set $dev mtu 1500; done']);
    for (const name of ['h1', 'h2']) await lab().check(name, ['ip', 'link', 'set', 'eth0', 'mtu', '1500']);
    for (const name of ['h1', 'h2'])
      await waitFor(
        `IPv6 on ${name}`,
        async () => (await overlayDevicesOf(lab(), name)).toSorted().join() === 'flannel-v6.1,flannel.1',
        FOLLOW_MS,
      );
    await allReady(lab());
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1430$/m);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_SUBNET=10\.5\./m);
  });
});
