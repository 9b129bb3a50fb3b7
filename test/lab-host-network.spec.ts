// Hosts whose own network is unusual: addresses that move between hosts, VIPs, default routes that lead nowhere, routes
// of other devices inside the cluster network, IPv6 off for new devices. No host may lose its network by them.
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.ts';
import { pingAll } from '../lab/probe.ts';
import { subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { logOf, putLease, waitForLogLine } from './support/daemon-view.ts';
import { canPing, shellTest, subnetKey, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

const FOLLOW_MS = 60_000;
const FOLDER = '/coreos.com/network/subnets';

async function shell(lab: Lab, name: string, script: string): Promise<string> {
  return (await lab.check(name, ['sh', '-ec', script])).trim();
}

async function allReady(lab: Lab): Promise<void> {
  for (const { name } of lab.topology.hosts) await waitUntilReady(lab, name);
}

async function assertPings(lab: Lab): Promise<void> {
  await waitFor('all pings', async () => (await pingAll(lab)).broken.length === 0, FOLLOW_MS);
}

async function restart(lab: Lab, name: string, meanwhile = ''): Promise<void> {
  const before = (await logOf(lab, name)).length;
  await lab.stopDaemon(name);
  await shell(lab, name, meanwhile);
  await lab.startDaemon(name);
  const isReady = async () => (await logOf(lab, name)).slice(before).includes('INFO  Ready ');
  await waitFor(`${name} to be ready again`, isReady, FOLLOW_MS);
}

/** The public address in the lease of `subnet`. */
async function publishedIp(lab: Lab, subnet: string): Promise<string> {
  const value = await lab.etcdctl(['get', '--print-value-only', `${FOLDER}/${subnetKey(subnet)}`]);
  return (JSON.parse(value) as { PublicIP: string }).PublicIP;
}

async function stateOf(lab: Lab, name: string, subnet: string): Promise<string> {
  const { stdout } = await lab.weft(name, ['peers', '--json']);
  const { peers } = JSON.parse(stdout) as { peers: { key: string; mode: string; reason?: string }[] };
  const peer = peers.find(({ key }) => key === subnetKey(subnet));
  return peer === undefined ? 'none' : `${peer.mode} ${peer.reason ?? ''}`;
}

describe('addresses that move between hosts', () => {
  const lab = useLab({ hosts: 3 });

  it('leave each host a MAC of its own, where a host starts with the former address of another', async () => {
    await allReady(lab());
    const [h1, h2] = [lab().host('h1'), lab().host('h2')];
    const renumber = (from: string, to: string, gateway: string) =>
      `ip addr del ${from}/16 dev eth0; ip addr add ${to}/16 dev eth0; ip route replace default via ${gateway}`;
    const before = await viewOf(lab(), 'h1');
    await shell(lab(), 'h1', renumber(h1.publicIp, '198.18.7.50', h1.gateway));
    await waitForLogLine(lab(), 'h1', /public IP of this host changed.*to=198\.18\.7\.50/);
    assert.equal((await viewOf(lab(), 'h1')).mac, before.mac);
    await lab().stopDaemon('h2');
    await lab().etcdctl(['del', `${FOLDER}/${subnetKey(await subnetOf(lab(), 'h2'))}`]);
    await shell(lab(), 'h2', `ip link del flannel.1; ${renumber(h2.publicIp, h1.publicIp, h2.gateway)}`);
    await lab().startDaemon('h2');
    await waitForLogLine(lab(), 'h2', new RegExp(`INFO  Ready [^]*INFO  Ready `));
    assert.notEqual((await viewOf(lab(), 'h2')).mac, before.mac);
    assert.equal((await viewOf(lab(), 'h1')).mac, before.mac);
    await assertPings(lab());
  });

  it('heal a MAC that another key publishes', async () => {
    const { mac } = await viewOf(lab(), 'h1');
    const value = { PublicIP: '198.18.9.9', BackendType: 'vxlan', BackendData: { VNI: 1, VtepMAC: mac } };
    await putLease(lab(), '10.5.250.0-24', value);
    await waitForLogLine(
      lab(),
      'h1',
      /Replacing a VTEP MAC that a peer publishes, too peer=10\.5\.250\.0-24/,
    );
    await waitFor('h1 to have another MAC', async () => (await viewOf(lab(), 'h1')).mac !== mac, FOLLOW_MS);
    await assertPings(lab());
    const after = (await viewOf(lab(), 'h1')).mac;
    await lab().etcdctl(['del', `${FOLDER}/10.5.250.0-24`]);
    await restart(lab(), 'h1');
    assert.equal((await viewOf(lab(), 'h1')).mac, after);
    await assertPings(lab());
  });

  it('never publish a permanent VIP beside a dynamic address', async () => {
    const subnet = await subnetOf(lab(), 'h3');
    const { publicIp } = lab().host('h3');
    const vip = '198.18.200.200';
    await lab().stopDaemon('h3');
    await shell(
      lab(),
      'h3',
      `ip addr change ${publicIp}/16 dev eth0 valid_lft 3600 preferred_lft 3600
       ip addr add ${vip}/32 dev eth0; ip addr add 198.18.200.201/16 dev eth0`,
    );
    await lab().startDaemon('h3');
    await waitForLogLine(lab(), 'h3', new RegExp(`INFO  Ready [^]*INFO  Ready `));
    assert.equal(await publishedIp(lab(), subnet), publicIp);
    await shell(lab(), 'h3', `ip addr del ${vip}/32 dev eth0`);
    await shell(lab(), 'h1', `ip addr add ${vip}/32 dev eth0`);
    await restart(lab(), 'h1');
    assert.equal(await publishedIp(lab(), subnet), publicIp);
    assert.equal(await publishedIp(lab(), await subnetOf(lab(), 'h1')), '198.18.7.50');
    assert.equal(await subnetOf(lab(), 'h3'), subnet);
    await assertPings(lab());
  });
});

describe('default routes that lead to no other host', () => {
  const lab = useLab({ hosts: 2 });

  for (const [name, script] of [
    ['into the overlay', 'ip route add default via 198.18.0.1 dev flannel.1 onlink metric 50'],
    [
      'of a container bridge',
      'ip link add br9 type bridge; ip addr add 10.5.240.1/24 dev br9; ip link set br9 up; ip route add default dev br9 metric 10',
    ],
    [
      'of a device without an address',
      'ip link add br9 type bridge; ip link set br9 up; ip route add default dev br9 metric 5',
    ],
  ] as const)
    it(`are passed over: ${name}`, async () => {
      await allReady(lab());
      const { gateway, publicIp } = lab().host('h1');
      const subnet = await subnetOf(lab(), 'h1');
      // A daemon that runs removes a route through its device.
      await restart(
        lab(),
        'h1',
        `ip route del default; ip route add default via ${gateway} metric 100; ${script}`,
      );
      assert.equal(await subnetOf(lab(), 'h1'), subnet);
      assert.equal(await publishedIp(lab(), subnet), publicIp);
      await assertPings(lab());
      await shell(lab(), 'h1', 'ip route flush exact default; ip link del br9 2>/dev/null || true');
      await shell(lab(), 'h1', `ip route add default via ${gateway}`);
    });

  it('are one with several next hops through one device', async () => {
    const { gateway, publicIp } = lab().host('h1');
    const subnet = await subnetOf(lab(), 'h1');
    await shell(
      lab(),
      'h1',
      `ip route replace default nexthop via ${gateway} dev eth0 nexthop via 198.18.0.77 dev eth0`,
    );
    await restart(lab(), 'h1');
    assert.equal(await publishedIp(lab(), subnet), publicIp);
    await assertPings(lab());
  });
});

const BACKENDS = {
  vxlan: { Type: 'vxlan' },
  'vxlan in userspace': { Type: 'vxlan', Userspace: true },
  'host-gw': { Type: 'host-gw' },
  udp: { Type: 'udp' },
} as const;

for (const [name, backend] of Object.entries(BACKENDS))
  describe(`routes of other devices with ${name}`, () => {
    const Network = '10.5.0.0/16';
    const ipv6 = { EnableIPv6: true, IPv6Network: 'fd00:5::/48' };
    const lab = useLab({ hosts: 2, config: JSON.stringify({ Network, ...ipv6, Backend: backend }) });
    const KEY = '10.5.77.0-24&fd00:5:0:77::-64';
    const ROUTES = 'ip route show 10.5.77.0/24; ip -6 route show fd00:5:0:77::/64';
    const peer = () => ({
      PublicIP: '198.18.9.9',
      PublicIPv6: 'fd00:198:18::99',
      ...(backend.Type !== 'udp' && { BackendType: backend.Type }),
      ...(backend.Type === 'vxlan' && {
        BackendData: { VNI: 1, VtepMAC: '02:00:00:00:09:09' },
        BackendV6Data: { VNI: 1, VtepMAC: '02:00:00:00:09:0a' },
      }),
    });
    const hasError = async () =>
      /^error .*10\.5\.77\.0\/24 through lan1, which stays.*fd00:5:0:77::\/64 through lan1/.test(
        await stateOf(lab(), 'h1', '10.5.77.0/24&fd00:5:0:77::/64'.replaceAll('/', '-')),
      );

    it('stay where a peer has their subnet, and after its lease', async () => {
      await allReady(lab());
      await shell(
        lab(),
        'h1',
        `ip link add lan1 type veth peer lan1p; ip link set lan1 up; ip link set lan1p up
         ip addr add 10.5.77.1/24 dev lan1; ip -6 addr add fd00:5:0:77::1/64 dev lan1 nodad`,
      );
      const routes = await shell(lab(), 'h1', ROUTES);
      assert.match(routes, /lan1[^]*lan1/);
      await putLease(lab(), KEY, peer());
      await waitFor('the error of the peer', hasError, FOLLOW_MS);
      assert.equal(await shell(lab(), 'h1', ROUTES), routes);
      await lab().etcdctl(['del', `${FOLDER}/${KEY}`]);
      await waitFor('the peer to go', async () => (await stateOf(lab(), 'h1', KEY)) === 'none', FOLLOW_MS);
      assert.equal(await shell(lab(), 'h1', ROUTES), routes);
      await assertPings(lab());
    });

    it('win over those of a peer that was there before', async () => {
      await shell(lab(), 'h1', 'ip link del lan1');
      await putLease(lab(), KEY, peer());
      await waitFor('the peer', async () => (await stateOf(lab(), 'h1', KEY)) !== 'none', FOLLOW_MS);
      await shell(
        lab(),
        'h1',
        `ip link add lan1 type veth peer lan1p; ip link set lan1 up; ip link set lan1p up
         ip addr add 10.5.77.1/24 dev lan1; ip -6 addr add fd00:5:0:77::1/64 dev lan1 nodad`,
      );
      await waitFor('the error of the peer', hasError, FOLLOW_MS);
      const usesLan = () =>
        shellTest(
          lab(),
          'h1',
          'ip route get 10.5.77.9 | grep -q "dev lan1" && ip route get fd00:5:0:77::9 | grep -q "dev lan1"',
        );
      await waitFor('lan1 to have its networks', usesLan, FOLLOW_MS);
      await shell(lab(), 'h1', 'ip link del lan1');
      await waitFor('the peer to be back', async () => !(await hasError()), FOLLOW_MS);
      await lab().etcdctl(['del', `${FOLDER}/${KEY}`]);
    });

    it('stay with a metric', async () => {
      const { gateway } = lab().host('h1');
      const show = 'ip route show 10.5.78.0/24';
      await shell(lab(), 'h1', `ip route add 10.5.78.0/24 via ${gateway} metric 100`);
      const before = await shell(lab(), 'h1', show);
      await putLease(lab(), '10.5.78.0-24', { ...peer(), PublicIPv6: undefined, BackendV6Data: undefined });
      const isError = async () =>
        /through eth0, which stays/.test(await stateOf(lab(), 'h1', '10.5.78.0/24'));
      await waitFor('the error of the peer', isError, FOLLOW_MS);
      await lab().etcdctl(['del', `${FOLDER}/10.5.78.0-24`]);
      await restart(lab(), 'h1');
      assert.equal(await shell(lab(), 'h1', show), before);
    });

    it('leave a reserved subnet of a live host its traffic', async () => {
      const subnet = await subnetOf(lab(), 'h2');
      const keys = await lab().etcdctl(['get', '--prefix', '--keys-only', `${FOLDER}/${subnetKey(subnet)}`]);
      const key = keys.trim();
      const value = (await lab().etcdctl(['get', '--print-value-only', key])).trim();
      await lab().etcdctl(['put', key, value]);
      const isReserved = async () => (await lab().weft('h2', ['status'])).stdout.includes('reserv');
      await waitFor('h2 to show the reservation', isReserved, FOLLOW_MS);
      assert.ok(await canPing(lab(), 'c1', 'h2'));
      await assertPings(lab());
    });
  });

describe('IPv6 that is off for new devices', () => {
  const config = JSON.stringify({ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:5::/48' });
  const lab = useLab({ hosts: 2, attach: false, start: false, config });

  for (const backend of ['vxlan', 'udp'])
    it(`is on for the device of ${backend}`, async () => {
      if (backend === 'vxlan') await lab().startEtcd();
      const document = { ...(JSON.parse(config) as object), Backend: { Type: backend } };
      await lab().etcdctl(['put', '/coreos.com/network/config', JSON.stringify(document)]);
      for (const { name } of lab().topology.hosts) {
        if (backend !== 'vxlan') await lab().stopDaemon(name);
        await shell(lab(), name, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
        await lab().startDaemon(name);
      }
      await allReady(lab());
      const env = await lab().readSubnetEnv('h2');
      const address = /^FLANNEL_IPV6_SUBNET=(.*)1\/64$/m.exec(env)?.[1] ?? '';
      await waitFor('a ping', () => shellTest(lab(), 'h1', `ping -6 -q -c 1 -W 1 ${address}`), FOLLOW_MS);
    });
});
