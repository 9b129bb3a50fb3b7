// Backend ipip, mixed with a host that a flannel node is rebuilt on by iproute2.
import assert from 'node:assert/strict';
import { checkLab, subnetOf } from '../../lab/run.ts';
import { startPing } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { overlayDevicesOf, putLease, routesOf } from '../support/daemon-view.ts';
import { ask, canPing, shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';

const REPAIR_MS = 60_000;
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

describe('backend ipip', () => {
  const lab = useLab({ hosts: 4, bare: ['h4'], config: configOf({ Type: 'ipip' }) });
  const daemons = ['h1', 'h2', 'h3'];

  before(async () => {
    for (const name of daemons) await waitUntilReady(lab(), name);
  });

  const routeTo = async (name: string) => ({
    dst: await subnetOf(lab(), name),
    gateway: lab().host(name).publicIp,
    dev: 'flannel.ipip',
    protocol: '87',
    flags: ['onlink'],
  });

  it('carries pings at the full MTU with DF, and TCP', async () => {
    const { ping, tcpGbitPerSec } = await checkLab(lab(), () => undefined);
    assert.deepEqual(ping.broken, []);
    assert.ok((tcpGbitPerSec ?? 0) > 0, 'TCP carries nothing');
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1480$/m);
    const full = ['ping', '-q', '-c', '2', '-M', 'do', '-s', '1452', await lab().containerAddress('h2')];
    assert.equal((await lab().query('c1', full)).code, 0);
  });

  it("makes flannel's device and routes", async () => {
    const [link] = await ask<{
      mtu: number;
      linkinfo: { info_kind: string; info_data: Record<string, unknown> };
    }>(lab(), 'h1', 'ip -j -d link show flannel.ipip');
    const { local, remote, ttl, pmtudisc } = link!.linkinfo.info_data;
    assert.deepEqual(
      [link!.mtu, link!.linkinfo.info_kind, local, remote, ttl, pmtudisc],
      [1480, 'ipip', lab().host('h1').publicIp, 'any', 0, false],
    );
    const expected = await Promise.all([routeTo('h2'), routeTo('h3')]);
    assert.deepEqual(
      (await routesOf(lab(), 'h1')).map((route) => JSON.stringify(route)).sort(),
      expected.map((route) => JSON.stringify(route)).sort(),
    );
  });

  it('reaches a flannel node, and is reached', async () => {
    const [own, h1] = [lab().host('h4').publicIp, await subnetOf(lab(), 'h1')];
    await lab().check('h4', [
      'sh',
      '-ec',
      `ip link add flannel.ipip type ipip local ${own} nopmtudisc
       ip link set flannel.ipip mtu 1480 up
       ip address add 10.5.250.0/32 dev flannel.ipip
       ip address add 10.5.250.1/24 dev lo
       ip route add ${h1} via ${lab().host('h1').publicIp} dev flannel.ipip onlink`,
    ]);
    await putLease(lab(), '10.5.250.0-24', { PublicIP: own, PublicIPv6: null, BackendType: 'ipip' });
    const isReached = () => shellTest(lab(), 'c1', 'ping -q -c 1 -W 1 10.5.250.1');
    await waitFor('the node to be reached', isReached, REPAIR_MS);
    const address = await lab().containerAddress('h1');
    assert.ok(await shellTest(lab(), 'h4', `ping -q -c 1 -W 2 -I 10.5.250.1 ${address}`));
  });

  it('loses no packet when the daemon restarts', async () => {
    const ping = await startPing(lab(), lab().host('h1').container, await lab().containerAddress('h2'), 1);
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });

  const faults: readonly [string, string][] = [
    ['device deleted', 'ip link del flannel.ipip'],
    ['device down', 'ip link set flannel.ipip down'],
    ['another source', 'ip link change flannel.ipip type ipip local 127.0.0.1'],
    ['routes flushed', 'ip route flush proto 87'],
  ];
  for (const [name, script] of faults)
    it(`repairs: ${name}`, async () => {
      await lab().check('h1', ['sh', '-c', script]);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    });

  const changes: readonly [string, object, readonly string[]][] = [
    ['vxlan', { Type: 'vxlan' }, ['flannel.1']],
    ['ipip', { Type: 'ipip' }, ['flannel.ipip']],
    ['udp', { Type: 'udp', Userspace: false }, ['flannel0']],
    ['ipip again', { Type: 'ipip', DirectRouting: true }, ['flannel.ipip']],
    ['host-gw', { Type: 'host-gw' }, []],
  ];
  for (const [name, backend, devices] of changes)
    it(`migrates to ${name} without a lost packet`, async () => {
      await lab().etcdctl(['del', '/coreos.com/network/subnets/10.5.250.0-24']);
      const ping = await startPing(lab(), lab().host('h1').container, await lab().containerAddress('h2'), 5);
      await lab().putConfig(configOf(backend));
      for (const host of daemons) {
        const hasFollowed = async () => (await overlayDevicesOf(lab(), host)).join() === devices.join();
        await waitFor(`${host} to follow to ${name}`, hasFollowed, REPAIR_MS);
      }
      const { lost, sent } = await ping.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
      assert.ok(await canPing(lab(), 'c3', 'h1'));
    });
});
