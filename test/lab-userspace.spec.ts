// Hosts whose daemons encapsulate in userspace: mixed with kernel datapaths, damaged by external actors, restarted with
// and without a descriptor store, and failing at start.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.ts';
import { packageRoot } from '../lab/package-root.ts';
import { pingAll } from '../lab/probe.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys, logOf, overlayDevicesOf, restartKept, waitForLogLine } from './support/daemon-view.ts';
import { toolFile } from '../lab/tools.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { ask, canPing, shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';
import { startPing } from '../lab/traffic.ts';

const WAIT_MS = 60_000;
const dual = (backend: string) =>
  `{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48","Backend":${backend}}`;

async function indexOf(lab: Lab, name: string, device: string): Promise<number | undefined> {
  const links = await ask<{ ifname: string; ifindex: number }>(lab, name, 'ip -j link show');
  return links.find(({ ifname }) => ifname === device)?.ifindex;
}

async function assertAllReachAll(lab: Lab): Promise<void> {
  for (const { name } of lab.topology.hosts) await waitUntilReady(lab, name);
  assert.deepEqual((await pingAll(lab)).broken, []);
}

describe('VXLAN in userspace on one host of three', () => {
  const lab = useLab({ hosts: 3, userspace: ['h2'], config: dual('{"Type":"vxlan"}') });

  it('reaches hosts whose kernels do it, and they reach it, in both families', async () => {
    await assertAllReachAll(lab());
    const kinds = async (name: string) =>
      (await ask<{ linkinfo: { info_kind: string } }>(lab(), name, 'ip -j -d link show flannel.1'))[0]!
        .linkinfo.info_kind;
    assert.deepEqual([await kinds('h1'), await kinds('h2'), await kinds('h3')], ['vxlan', 'tun', 'vxlan']);
    await assertHealthy(lab(), ['h1', 'h2']);
  });

  it('logs its offloads once', async () => {
    await waitForLogLine(lab(), 'h2', /INFO {2}Encapsulating in userspace device=flannel-v6\.1/);
    const lines = (await logOf(lab(), 'h2')).split('\n');
    const offloads = lines.filter((line) => line.includes('userspace device=flannel.1'));
    assert.equal(offloads.length, 1);
    assert.match(offloads[0]!, /offloads="?(?:none|tso|uso|udpGso|udpGro)/);
  });

  it('moves into the kernel and back with the flag, under the same lease', async () => {
    const subnet = await lab().readSubnetEnv('h2');
    for (const flag of ['--userspace=false', '--userspace=true']) {
      await lab().stopDaemon('h2');
      await lab().startDaemon('h2', [flag]);
      await assertAllReachAll(lab());
      assert.equal(await lab().readSubnetEnv('h2'), subnet);
    }
  });
});

describe('backend udp', () => {
  const lab = useLab({ hosts: 2, config: dual('{"Type":"udp"}') });

  it('carries both families, each over its own underlay', async () => {
    await assertAllReachAll(lab());
    assert.deepEqual((await overlayDevicesOf(lab(), 'h1')).toSorted(), ['flannel-v6.0', 'flannel0']);
    await assertHealthy(lab());
  });

  for (const address of ['10.5.255.7', 'fd00:5:0:ffff::7'])
    it(`a container that sends to ${address}, which no host has, gets an ICMP error`, async () => {
      await assertAllReachAll(lab());
      const { stdout } = await lab().exec('c1', ['ping', '-c', '1', '-W', '5', address]);
      assert.match(stdout, /Net Unreachable|No route/);
    });

  for (const [what, script] of [
    ['deleted', 'ip link del flannel0'],
    ['set down, with another MTU', 'ip link set flannel0 down mtu 1300'],
    [
      'replaced by a TUN device without a process',
      'ip link del flannel0; ip tuntap add dev flannel0 mode tun || true',
    ],
    ['replaced by a bridge', 'ip link del flannel0; ip link add flannel0 type bridge || true'],
    ['robbed of its routes', 'ip route flush dev flannel0'],
  ] as const)
    it(`repairs a device that was ${what}`, async () => {
      await lab().check('h1', ['sh', '-c', script]);
      const isHealthy = async () =>
        (await shellTest(lab(), 'h1', "ip link show flannel0 up 2>/dev/null | grep -q 'mtu 1472 '")) &&
        (await canPing(lab(), 'c1', 'h2'));
      await waitFor('the host to be healthy', isHealthy, WAIT_MS);
      assert.ok(await canPing(lab(), 'c2', 'h1'));
    });

  it('a second daemon on the host gives up and leaves the first one its device', async () => {
    const before = await indexOf(lab(), 'h1', 'flannel0');
    const command = lab().daemonCommand('h1', [
      '--subnet-file=/run/second.env',
      '--healthz-port=0',
      '--control-socket=',
    ]);
    const { code, stderr } = await lab().exec('h1', command, { timeoutMs: WAIT_MS });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /ERROR Cannot make flannel0: EBUSY: .*another flanneld or weft uses flannel0.*stop it/,
    );
    assert.equal(await indexOf(lab(), 'h1', 'flannel0'), before);
    assert.ok(await canPing(lab(), 'c1', 'h2'));
  });

  it('without a service manager the device ends with the process, and a start re-creates it', async () => {
    for (const signal of ['TERM', 'KILL'] as const) {
      await lab().stopDaemon('h1', signal);
      const isGone = async () => (await overlayDevicesOf(lab(), 'h1')).length === 0;
      await waitFor('the devices to be gone', isGone, WAIT_MS);
      await lab().startDaemon('h1');
      await assertAllReachAll(lab());
    }
  });
});

describe('a start in userspace that cannot work', () => {
  const lab = useLab({ hosts: 1, bare: ['h1'], config: dual('{"Type":"udp"}') });

  /** Runs the daemon after `script`, in a mount namespace of its own, until it ends. */
  async function run(script: string): Promise<string> {
    const args = ['unshare', '--mount', 'sh', '-c', `${script}; exec "$@"`, 'sh'];
    const command = [...args, ...lab().daemonCommand('h1', [])];
    const { code, stderr } = await lab().exec('h1', command, { timeoutMs: WAIT_MS });
    assert.equal(code, 1, stderr);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
    assert.deepEqual(await leaseKeys(lab()), []);
    return stderr.split('\n').findLast((line) => line.includes(' ERROR '))!;
  }

  const hideAddon = () => {
    const from = (path: string) => join(packageRoot(), path);
    // Beside a bundle lies the addon of the netlink package, too, which no daemon can do without.
    const ofBundle = `for file in ${from('dist/addons')}/*/weft.node; do [ ! -e $file ] || mount --bind /dev/null $file; done`;
    return [hide(from('native/build')), hide(from('native/prebuilds')), ofBundle].join('; ');
  };
  const hide = (path: string) => `[ ! -d ${path} ] || mount -t tmpfs tmpfs ${path}`;

  for (const [what, script, expected] of [
    [
      'without the TUN driver',
      () => hide('/dev/net'),
      /Backend udp .*\/dev\/net\/tun: ENOENT: .*modprobe tun/,
    ],
    ['without the addon', hideAddon, /Backend udp .*needs weft's addon/],
    [
      'without CAP_NET_ADMIN',
      () => 'set -- setpriv --bounding-set -net_admin --inh-caps -net_admin "$@"',
      /CAP_NET_ADMIN/,
    ],
    [
      'with its UDP port in use',
      () =>
        'socat -u UDP4-RECV:8285 STDOUT >/dev/null 2>&1 & while ! ss -Hlun | grep -q :8285; do sleep 0.05; done',
      /Cannot make flannel0: EADDRINUSE.*UDP port 8285 .*"Port"/,
    ],
  ] as const)
    it(`fails with one line and leaves nothing: ${what}`, async () => {
      assert.match(await run(script()), expected);
      await lab().exec('h1', [
        'sh',
        '-c',
        'ss -Hlunp | sed -n "s/.*:8285.*pid=\\([0-9]*\\).*/\\1/p" | xargs -r kill',
      ]);
    });
});

describe('a service manager that keeps descriptors', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'], config: dual('{"Type":"vxlan","Userspace":true}') });
  const flags = ['--packet-workers=2'];

  before(async () => {
    await lab().startDaemon('h1', flags, [toolFile('fd-store')]);
    await lab().attachContainer('h1');
    await waitUntilReady(lab(), 'h1');
    await waitUntilReady(lab(), 'h2');
  });

  it('a restart keeps devices, addresses and routes, and loses no packet', async () => {
    const before = await lab().check('h1', ['ip', '-o', 'link', 'show', 'type', 'tun']);
    const pings = [];
    for (const address of await lab().containerAddresses('h2'))
      pings.push(await startPing(lab(), 'c1', address, 20));
    for (const address of await lab().containerAddresses('h1'))
      pings.push(await startPing(lab(), 'c2', address, 20));
    for (let round = 0; round < 2; round++) await restartKept(lab(), 'h1');
    for (const ping of pings) assert.equal((await ping.stop()).lost, 0);
    assert.equal(await lab().check('h1', ['ip', '-o', 'link', 'show', 'type', 'tun']), before);
  });

  it('a device of an earlier configuration goes when nothing takes it', async () => {
    await lab().putConfig(dual('{"Type":"udp"}'));
    await restartKept(lab(), 'h1');
    const isGone = async () =>
      (await overlayDevicesOf(lab(), 'h1')).toSorted().join(' ') === 'flannel-v6.0 flannel0';
    await waitFor('the old devices to be gone', isGone, WAIT_MS);
    await lab().putConfig(dual('{"Type":"vxlan","Userspace":false}'));
    await restartKept(lab(), 'h1');
    await waitFor(
      'the kernel to have taken over',
      async () => (await overlayDevicesOf(lab(), 'h1')).toSorted().join(' ') === 'flannel-v6.1 flannel.1',
      WAIT_MS,
    );
    assert.equal(await lab().check('h1', ['ip', '-o', 'link', 'show', 'type', 'tun']), '');
  });

  it('the end of the service is the end of its devices', async () => {
    await lab().putConfig(dual('{"Type":"udp"}'));
    await restartKept(lab(), 'h1');
    await lab().stopDaemon('h1');
    assert.deepEqual(
      (await overlayDevicesOf(lab(), 'h1')).filter((name) => name.endsWith('0')),
      [],
    );
  });
});
