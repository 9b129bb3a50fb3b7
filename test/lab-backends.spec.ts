// Every backend and the settings of vxlan, each in a cluster that is configured for it: what the kernel then holds, what
// peers read in the lease, and that packets arrive.
import assert from 'node:assert/strict';
import { checkLab, subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import type { Lab } from '../lab/lab.ts';
import {
  ask,
  canPing,
  shellTest,
  programmedPeers,
  useLab,
  viewOf,
  waitUntilReady,
} from './support/lab-suite.ts';
import { assertHealthy, waitUntilHealthy } from './support/doctor/healthy.ts';
import {
  askReadyz,
  leaseKeys,
  logOf,
  overlayDevicesOf,
  putLease,
  routesOf,
  waitForLogLine,
} from './support/daemon-view.ts';

const REPAIR_MS = 60_000;
const UNICAST = { protocol: '87', flags: [] };

const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

async function allReady(lab: Lab): Promise<void> {
  for (const { name, isBare } of lab.topology.hosts) if (!isBare) await waitUntilReady(lab, name);
}

async function assertAllPing(lab: Lab): Promise<void> {
  await allReady(lab);
  const { ping, tcpGbitPerSec } = await checkLab(lab, () => undefined);
  assert.deepEqual(ping.broken, []);
  assert.ok((tcpGbitPerSec ?? 0) > 0, 'TCP carries nothing');
}

describe('host-gw', () => {
  const lab = useLab({ hosts: 3, config: configOf({ Type: 'host-gw' }) });

  async function expectedRoutes() {
    const peers = await Promise.all(
      ['h2', 'h3'].map(async (name) => ({
        dst: await subnetOf(lab(), name),
        gateway: lab().host(name).publicIp,
        dev: 'eth0',
        ...UNICAST,
      })),
    );
    return peers.toSorted((a, b) => (a.dst < b.dst ? -1 : 1));
  }

  const actualRoutes = async () => (await routesOf(lab(), 'h1')).toSorted((a, b) => (a.dst < b.dst ? -1 : 1));

  it('carries pings and TCP', () => assertAllPing(lab()));

  it('is healthy to weft doctor', () => assertHealthy(lab()));

  it('has one route a peer through the interface, no device, and the full MTU', async () => {
    assert.deepEqual(await actualRoutes(), await expectedRoutes());
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1500$/m);
  });

  const downAndUp =
    'ip link set eth0 down; ip link set eth0 up; ip route replace default via 198.18.0.1 dev eth0';
  const faults: readonly [string, (subnet: string) => string][] = [
    ['route deleted', (subnet) => `ip route del ${subnet}`],
    ['route altered', (subnet) => `ip route replace ${subnet} via 198.18.0.1 dev eth0`],
    ['routes flushed', () => 'ip route flush proto 87'],
    ['interface down and up', () => downAndUp],
  ];
  for (const [name, script] of faults)
    it(`repairs: ${name}`, async () => {
      const expected = JSON.stringify(await expectedRoutes());
      await lab().check('h1', ['sh', '-c', script(await subnetOf(lab(), 'h2'))]);
      const isHealthy = async () => JSON.stringify(await actualRoutes()) === expected;
      await waitFor('the routes to be back', isHealthy, REPAIR_MS);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    });

  it('reports a peer that is not on the link, and that peer alone', async () => {
    await putLease(lab(), '10.5.250.0-24', { PublicIP: '203.0.113.9', BackendType: 'host-gw' });
    await waitForLogLine(lab(), 'h1', /10\.5\.250\.0.*203\.0\.113\.9 is not on the link of eth0/);
    const { status, body } = await askReadyz(lab(), 'h1');
    assert.equal(status, 200, body);
    assert.match(body, /1 of 3 peers/);
    assert.deepEqual(await actualRoutes(), await expectedRoutes());
    assert.ok(await canPing(lab(), 'c1', 'h3'));
  });
});

describe('vxlan between two underlay networks, with settings', () => {
  const backend = { Type: 'vxlan', VNI: 7, Port: 4789, MTU: 1400, Learning: true };
  const lab = useLab({ hosts: 2, routed: true, config: configOf(backend) });

  it('carries pings and TCP', async () => {
    await assertAllPing(lab());
    assert.deepEqual(await programmedPeers(lab(), 'h1', 'flannel.7'), [await subnetOf(lab(), 'h2')]);
  });

  it('is healthy to weft doctor', () => assertHealthy(lab()));

  it('makes the device with them', async () => {
    const [link] = await ask<{ mtu: number; linkinfo: { info_data: Record<string, unknown> } }>(
      lab(),
      'h1',
      'ip -j -d link show flannel.7',
    );
    const { id, port, learning, local } = link!.linkinfo.info_data;
    const expected = { id: 7, port: 4789, learning: true, local: lab().host('h1').publicIp, mtu: 1350 };
    assert.deepEqual({ id, port, learning, local, mtu: link!.mtu }, expected);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1350$/m);
  });
});

describe('vxlan with DirectRouting', () => {
  const config = configOf({ Type: 'vxlan', DirectRouting: true });
  const lab = useLab({ hosts: 4, routed: true, config });
  const tunnelTo = (subnet: string) => ({
    dst: subnet,
    gateway: subnet.replace('/24', ''),
    dev: 'flannel.1',
    protocol: '87',
    flags: ['onlink'],
  });

  it('carries pings and TCP', () => assertAllPing(lab()));

  it('is healthy to weft doctor', () => assertHealthy(lab(), ['h1', 'h2']));

  it('routes to hosts of the same network directly, to others through the tunnel', async () => {
    const [h2, h3, h4] = await Promise.all(['h2', 'h3', 'h4'].map((name) => subnetOf(lab(), name)));
    const direct = { dst: h3!, gateway: lab().host('h3').publicIp, dev: 'eth0', ...UNICAST };
    assert.deepEqual(await routesOf(lab(), 'h1', h3), [direct]);
    assert.deepEqual(await routesOf(lab(), 'h1', h2), [tunnelTo(h2!)]);
    assert.deepEqual(await programmedPeers(lab(), 'h1'), [h2!, h4!].toSorted());
    assert.ok(await hasNoTunnelEntries((await viewOf(lab(), 'h3')).mac));
  });

  /** No neighbour, no FDB entry with this MAC on h1's device. */
  const hasNoTunnelEntries = (mac: string) =>
    shellTest(
      lab(),
      'h1',
      `! ip neigh show dev flannel.1 | grep -q ${mac} && ! bridge fdb show dev flannel.1 | grep -q ${mac}`,
    );

  it('follows a peer that moves between the networks, leaving nothing of the form before', async () => {
    const [subnet, mac] = ['10.5.250.0/24', '02:00:00:00:00:aa'];
    const move = (ip: string) =>
      putLease(lab(), '10.5.250.0-24', {
        PublicIP: ip,
        BackendType: 'vxlan',
        BackendData: { VNI: 1, VtepMAC: mac },
      });
    const becomes = (expected: object) =>
      waitFor(
        `one route ${JSON.stringify(expected)}`,
        async () => JSON.stringify(await routesOf(lab(), 'h1', subnet)) === JSON.stringify([expected]),
        REPAIR_MS,
      );
    const direct = { dst: subnet, gateway: '198.18.9.9', dev: 'eth0', ...UNICAST };
    await move('198.18.9.9');
    await becomes(direct);
    assert.ok(await hasNoTunnelEntries(mac));
    await move('198.19.9.9');
    await becomes(tunnelTo(subnet));
    await waitFor(
      'the tunnel entries',
      async () => (await programmedPeers(lab(), 'h1')).includes(subnet),
      REPAIR_MS,
    );
    await move('198.18.9.9');
    await becomes(direct);
    await waitFor('the tunnel entries to go', () => hasNoTunnelEntries(mac), REPAIR_MS);
  });
});

describe('alloc', () => {
  const lab = useLab({ hosts: 1, config: configOf({ Type: 'alloc' }) });

  it('leases a subnet, writes subnet.env, is ready, and leaves the kernel alone', async () => {
    await waitUntilReady(lab(), 'h1');
    const subnet = await subnetOf(lab(), 'h1');
    assert.deepEqual(await leaseKeys(lab()), [subnet.replace('/', '-')]);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1500$/m);
    await putLease(lab(), '10.5.250.0-24', { PublicIP: '198.18.9.9', BackendType: 'host-gw' });
    const { status } = await askReadyz(lab(), 'h1');
    assert.equal(status, 200);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
    assert.deepEqual(await routesOf(lab(), 'h1'), []);
    await assertHealthy(lab());
  });
});

describe('a network config without Backend', () => {
  const lab = useLab({ hosts: 1, config: '{"Network":"10.5.0.0/16"}' });

  it('means vxlan, with a warning once a flannel host took udp', async () => {
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel.1']);
    const warning = /WARN.*runs flannel with its default, udp.*10\.5\.250\.0-24/i;
    assert.doesNotMatch(await logOf(lab(), 'h1'), warning);
    await putLease(lab(), '10.5.250.0-24', { PublicIP: '198.18.9.9', PublicIPv6: null });
    await waitForLogLine(lab(), 'h1', warning);
    assert.equal((await askReadyz(lab(), 'h1')).status, 200);
  });
});

describe('a host behind a NAT', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'] });
  const natted = '203.0.113.5';

  before(async () => {
    await lab().startDaemon('h1', ['--iface=eth0', `--public-ip=${natted}`]);
    await lab().attachContainer('h1');
    for (const name of ['h1', 'h2']) await waitUntilReady(lab(), name);
  });

  it('sends from an address that it has', async () => {
    assert.equal(await tunnelSource(), lab().host('h1').publicIp);
  });

  async function tunnelSource(): Promise<string> {
    const [link] = await ask<{ linkinfo: { info_data: { local: string } } }>(
      lab(),
      'h1',
      'ip -j -d link show flannel.1',
    );
    return link!.linkinfo.info_data.local;
  }

  it('publishes the address outside of the NAT, which peers send to', async () => {
    const { subnet, mac } = await viewOf(lab(), 'h1');
    const key = `/coreos.com/network/subnets/${subnet.replace('/', '-')}`;
    const value = await lab().etcdctl(['get', '--print-value-only', key]);
    const expected = `{"PublicIP":"${natted}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
    assert.equal(value.trim(), expected);
    assert.deepEqual(await programmedPeers(lab(), 'h2'), [subnet]);
    assert.ok(
      await shellTest(lab(), 'h2', `bridge fdb show dev flannel.1 | grep -q '^${mac} dst ${natted} '`),
    );
  });

  it('carries packets in both directions once the NAT forwards them', async () => {
    await lab().check('h1', ['ip', 'addr', 'add', `${natted}/32`, 'dev', 'lo']);
    await lab().check('h2', ['ip', 'route', 'add', `${natted}/32`, 'via', lab().host('h1').publicIp]);
    await waitFor('a ping', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    assert.ok(await canPing(lab(), 'c2', 'h1'));
    assert.equal(await tunnelSource(), lab().host('h1').publicIp);
    // Echoes to each other were lost before the NAT forwarded them.
    await waitUntilHealthy(lab(), ['h1', 'h2']);
  });
});
