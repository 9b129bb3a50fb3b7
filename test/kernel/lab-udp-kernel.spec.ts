// Backend udp carried by the kernel's FOU: mixed with a host in userspace, damaged by external actors, restarted, migrated and
// cleaned up.
import assert from 'node:assert/strict';
import { pingAll } from '../../lab/probe.ts';
import { subnetOf } from '../../lab/run.ts';
import { startPing } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { overlayDevicesOf, routesOf } from '../support/daemon-view.ts';
import { ask, canPing, shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';

const configOf = (backend: object) =>
  JSON.stringify({
    Network: '10.5.0.0/16',
    EnableIPv6: true,
    IPv6Network: 'fd00:5::/48',
    Backend: { Type: 'udp', ...backend },
  });

describe('backend udp in the kernel', () => {
  const lab = useLab({ hosts: 3, userspace: ['h3'], config: configOf({ Userspace: false }) });

  async function assertAllReachAll(): Promise<void> {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    assert.deepEqual((await pingAll(lab())).broken, []);
  }

  async function kindOf(name: string, device: string): Promise<string> {
    const [link] = await ask<{ linkinfo: { info_kind: string } }>(
      lab(),
      name,
      `ip -j -d link show ${device}`,
    );
    return link!.linkinfo.info_kind;
  }

  const isHealthy = async () =>
    (await shellTest(lab(), 'h1', "ip link show flannel0 up 2>/dev/null | grep -q 'mtu 1472 '")) &&
    (await shellTest(lab(), 'h1', "ip fou show | grep -q 'port 8285 ipproto 4'")) &&
    (await canPing(lab(), 'c1', 'h2'));

  it('reaches all hosts in both families, one in userspace among them', async () => {
    await assertAllReachAll();
    assert.deepEqual(
      [await kindOf('h1', 'flannel0'), await kindOf('h1', 'flannel-v6.0'), await kindOf('h3', 'flannel0')],
      ['ipip', 'ip6tnl', 'tun'],
    );
    const { stdout } = await lab().weft('h1', ['status']);
    assert.match(stdout, /network .* udp, flannel/);
  });

  for (const to of ['h2', 'h3'])
    it(`carries packets of the full MTU to ${to} with DF set, and no larger ones`, async () => {
      // Of the device itself: containers have the MTU that both families allow.
      const address = (await subnetOf(lab(), to)).split('/')[0]!;
      const ping = (bytes: number) =>
        lab().exec('h1', ['ping', '-c', '1', '-W', '5', '-M', 'do', '-s', String(bytes), address]);
      assert.equal((await ping(1472 - 28)).code, 0);
      assert.match((await ping(1472 - 27)).stderr, /message too long/);
    });

  for (const [what, script] of [
    ['deleted', 'ip link del flannel0'],
    [
      'deleted with its port',
      'ip link del flannel0; ip fou del port 8285 ipproto 4 local 198.18.0.1 || true',
    ],
    ['set down, with another MTU', 'ip link set flannel0 down mtu 1300'],
    ['replaced by a bridge', 'ip link del flannel0; ip link add flannel0 type bridge || true'],
    ['robbed of its routes', 'ip route flush dev flannel0'],
  ] as const)
    it(`repairs a device that was ${what}`, async () => {
      await lab().check('h1', ['sh', '-c', script]);
      await waitFor('the host to be healthy', isHealthy);
      assert.ok(await canPing(lab(), 'c2', 'h1'));
    });

  it('repairs a port that was deleted, once the kernel is checked', async () => {
    await lab().check('h1', [
      'ip',
      'fou',
      'del',
      'port',
      '8285',
      'ipproto',
      '4',
      'local',
      lab().host('h1').publicIp,
    ]);
    const { code, stdout } = await lab().weft('h1', ['diff']);
    assert.notEqual(code, 0);
    assert.match(stdout, /flannel0.*no FOU port/);
    await lab().check('h1', ['sh', '-c', 'ip link set flannel0 mtu 1400']);
    await waitFor('the host to be healthy', isHealthy);
  });

  it('a daemon that is killed and started costs no packet', async () => {
    await assertAllReachAll();
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 5);
    await lab().stopDaemon('h1', 'KILL');
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });

  for (const backend of [{ Type: 'vxlan' }, { Type: 'udp', Userspace: false }])
    it(`changes to ${backend.Type} without a lost packet`, async () => {
      const dev = backend.Type === 'udp' ? 'flannel0' : 'flannel.1';
      const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 5);
      await lab().putConfig(configOf(backend));
      const hasFollowed = async (name: string) =>
        (await overlayDevicesOf(lab(), name)).includes(dev) &&
        (await routesOf(lab(), name)).every(
          (route) => !/^10\.5\..*flannel/.test(`${route.dst} ${route.dev}`) || route.dev === dev,
        );
      for (const name of ['h1', 'h2'])
        await waitFor(`${name} to follow to ${backend.Type}`, () => hasFollowed(name));
      const { lost, sent } = await ping.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    });

  it('moves to userspace and back with the config', async () => {
    for (const [isInUserspace, kind] of [
      [true, 'tun'],
      [false, 'ipip'],
    ] as const) {
      await lab().putConfig(configOf({ Userspace: isInUserspace }));
      await waitFor(
        `h1 to have a device of kind ${kind}`,
        async () => (await kindOf('h1', 'flannel0')) === kind,
      );
      await waitFor('c1 to reach h2', () => canPing(lab(), 'c1', 'h2'));
    }
  });

  it('weft cleanup leaves neither device nor port', async () => {
    await lab().stopDaemon('h1');
    await lab().weft('h1', ['cleanup', '--subnet-file', lab().subnetFile('h1')]);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
    const ports = await lab().check('h1', ['sh', '-c', 'ip fou show; ip -6 fou show']);
    assert.equal(ports.trim(), '');
  });
});
