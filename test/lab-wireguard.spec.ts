// Backend wireguard: what the kernel holds, what peers read in the lease, that packets arrive whole and encrypted, and what a
// host does when another process damages it. By the kernel where it has WireGuard, else by wireguard-go.
import assert from 'node:assert/strict';
import { METRICS } from '../daemon/metrics/metrics.ts';
import { checkLab, subnetOf } from '../lab/run.ts';
import { startPing } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import {
  askReadyz,
  leaseKeys,
  logOf,
  overlayDevicesOf,
  putLease,
  routesOf,
  waitForLogLine,
} from './support/daemon-view.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { ask, canPing, shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';
import {
  FlannelHost,
  packetsInClear,
  watchUnderlay,
  wg,
  wgPeers,
} from './support/wireguard/wireguard-lab.ts';

const REPAIR_MS = 60_000;
const METRICS_MS = 120_000;
const NETWORK = { Network: '10.5.0.0/16' };
const DUAL = { ...NETWORK, EnableIPv6: true, IPv6Network: 'fd00:5::/48' };
const configOf = (backend: object, network: object = NETWORK) =>
  JSON.stringify({ ...network, Backend: { Type: 'wireguard', ...backend } });
const PSK = Buffer.alloc(32, 0x5c).toString('base64');

interface PublishedLease {
  readonly PublicIP: string;
  readonly BackendType: string;
  readonly BackendData: { readonly PublicKey: string; readonly Port: number };
  readonly BackendV6Data?: { readonly PublicKey: string; readonly Port: number };
}

describe('backend wireguard', () => {
  const lab = useLab({ hosts: 3, config: configOf({ PSK }, DUAL) });

  const leaseOf = async (name: string): Promise<PublishedLease> => {
    const subnet = (await subnetOf(lab(), name)).replace('/', '-');
    const key = (await leaseKeys(lab())).find((one) => one.startsWith(subnet))!;
    const text = await lab().etcdctl(['get', '--print-value-only', `/coreos.com/network/subnets/${key}`]);
    return JSON.parse(text) as PublishedLease;
  };

  it('carries pings and TCP between all, in both families', async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    const { ping, tcpGbitPerSec } = await checkLab(lab(), () => undefined);
    assert.deepEqual(ping.broken, []);
    assert.ok((tcpGbitPerSec ?? 0) > 0, 'TCP carries nothing');
    const [, ipv6] = await lab().containerAddresses('h2');
    await lab().check('c1', ['ping', '-6', '-q', '-c', '2', '-W', '2', ipv6!]);
  });

  it('is healthy to weft doctor', () => assertHealthy(lab(), ['h1', 'h2']));

  it('serves each metric of WireGuard', async () => {
    const script = `require('http').get({socketPath:'${lab().controlSocket('h1')}',path:'/metrics'},(r)=>r.pipe(process.stdout))`;
    const names = METRICS.map(({ name }) => name).filter((name) => name.startsWith('weft_wireguard_'));
    // Handshakes are read at intervals.
    await waitFor(
      'all metrics of WireGuard',
      async () => {
        const text = await lab().check('h1', [process.execPath, '-e', script]);
        return names.every((name) => new RegExp(`^# TYPE ${name} `, 'm').test(text));
      },
      METRICS_MS,
    );
  });

  it('carries a packet of full MTU whole, and no larger one', async () => {
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1420$/m);
    const [ipv4, ipv6] = await lab().containerAddresses('h2');
    for (const [address, headers] of [
      [ipv4!, 28],
      [ipv6!, 48],
    ] as const) {
      const ping = (bytes: number) => [
        'ping',
        '-q',
        '-c',
        '3',
        '-W',
        '2',
        '-M',
        'do',
        '-s',
        String(bytes - headers),
        address,
      ];
      await lab().check('c1', ping(1420));
      assert.notEqual((await lab().query('c1', ping(1421))).code, 0, `1421 bytes to ${address}`);
    }
  });

  it('has a device a family, and of each peer its key, endpoint, subnet and route', async () => {
    const lease = await leaseOf('h2');
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel-wg', 'flannel-wg-v6']);
    const ours = (await wgPeers(lab(), 'h1')).find(
      ({ publicKey }) => publicKey === lease.BackendData.PublicKey,
    );
    const subnet = await subnetOf(lab(), 'h2');
    assert.deepEqual(
      [ours?.endpoint, ours?.allowedIps, ours?.keepalive],
      [`${lease.PublicIP}:51820`, subnet, 'off'],
    );
    assert.equal((await wgPeers(lab(), 'h1', 'flannel-wg-v6')).length, 2);
    const [route] = await routesOf(lab(), 'h1', subnet);
    assert.deepEqual(route, { dst: subnet, dev: 'flannel-wg', protocol: '87', flags: [] });
    const links = await ask<{ mtu: number }>(lab(), 'h1', 'ip -j link show flannel-wg');
    assert.equal(links[0]?.mtu, 1440);
  });

  it('publishes what flannel publishes', async () => {
    const lease = await leaseOf('h1');
    const publicKey = (await wg(lab(), 'h1', ['show', 'flannel-wg', 'public-key'])).trim();
    assert.equal(lease.BackendType, 'wireguard');
    assert.deepEqual(lease.BackendData, { PublicKey: publicKey, Port: 51820 });
    assert.deepEqual(lease.BackendV6Data, { PublicKey: publicKey, Port: 51821 });
  });

  it('keeps its private key in a file of mode 0600, and shows no secret', async () => {
    assert.ok(await shellTest(lab(), 'h1', 'test $(stat -c %a /run/weft-lab/h1/wgkey) = 600'));
    const key = await lab().check('h1', ['cat', '/run/weft-lab/h1/wgkey']);
    const texts = [await logOf(lab(), 'h1')];
    for (const command of [['status', '--json'], ['peers', '--json'], ['diff'], ['ifconfig', '--json']])
      texts.push((await lab().weft('h1', command)).stdout);
    const dump = ['sh', '-c', 'weft sysdump -o - | tar -xzO'];
    texts.push(await lab().check('h1', [...lab().environment('h1'), ...dump]));
    texts.push(await lab().check('h1', ['sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']));
    for (const text of texts)
      for (const secret of [key, PSK]) assert.ok(!text.includes(secret), 'a secret is shown');
  });

  it('lets no packet of the overlay out in the clear', async () => {
    await watchUnderlay(lab(), 'h1');
    await canPing(lab(), 'c1', 'h2');
    const { clear, encrypted } = await packetsInClear(lab(), 'h1');
    assert.equal(clear, 0);
    assert.ok(encrypted > 0);
  });

  it('is restarted and killed without a packet lost', async () => {
    // wireguard-go shares two processors with all hosts.
    const isOfKernel = (await lab().check('h1', ['ip', '-o', 'link', 'show', 'type', 'wireguard'])) !== '';
    const intervalMs = isOfKernel ? 1 : 5;
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), intervalMs);
    for (const signal of ['TERM', 'KILL'] as const) {
      await lab().stopDaemon('h1', signal);
      await lab().startDaemon('h1');
      await waitUntilReady(lab(), 'h1');
    }
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });

  const faults: readonly [string, string][] = [
    ['device deleted', 'ip link delete flannel-wg'],
    ['device down', 'ip link set flannel-wg down'],
    ['routes flushed', 'ip route flush proto 87'],
    ['address removed', 'ip address flush dev flannel-wg'],
  ];
  for (const [name, script] of faults)
    it(`repairs: ${name}`, async () => {
      await lab().check('h1', ['sh', '-c', script]);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      await waitFor('all peers to be back', async () => (await wgPeers(lab(), 'h1')).length === 2, REPAIR_MS);
    });

  it('repairs at the next check what sends no notification: a peer removed, a stale one added', async () => {
    const [peer] = await wgPeers(lab(), 'h1');
    const stale = Buffer.alloc(32, 9).toString('base64');
    await wg(lab(), 'h1', ['set', 'flannel-wg', 'peer', peer!.publicKey, 'remove']);
    await wg(lab(), 'h1', ['set', 'flannel-wg', 'peer', stale, 'allowed-ips', '10.5.99.0/24']);
    // Any change of an interface makes the daemon read all.
    await lab().check('h1', ['ip', 'link', 'set', 'flannel-wg', 'mtu', '1400']);
    const isRepaired = async (): Promise<boolean> => {
      const keys = (await wgPeers(lab(), 'h1')).map(({ publicKey }) => publicKey);
      return keys.length === 2 && keys.includes(peer!.publicKey);
    };
    await waitFor('the peers to be as wanted', isRepaired, REPAIR_MS);
  });

  const ALIEN = Buffer.alloc(32, 7).toString('base64');
  const refused: readonly [string, () => Promise<object>, RegExp][] = [
    [
      'a key that is none',
      () => Promise.resolve({ PublicKey: 'AAAA', Port: 51820 }),
      /its PublicKey is .*AAAA/,
    ],
    [
      'the key of this host',
      async () => (await leaseOf('h1')).BackendData,
      /this host's own; two hosts share one key file/,
    ],
    ['the key of another peer', async () => (await leaseOf('h2')).BackendData, /wireguard-peer flannel-wg/],
  ];
  for (const [index, [what, dataOf, reason]] of refused.entries())
    it(`refuses a peer with ${what}, and that peer alone`, async () => {
      const lease = { PublicIP: '203.0.113.9', PublicIPv6: null, BackendType: 'wireguard' };
      await putLease(lab(), `10.5.${250 + index}.0-24`, { ...lease, BackendData: await dataOf() });
      await waitForLogLine(lab(), 'h1', new RegExp(`10\\.5\\.${250 + index}\\.0.*${reason.source}`));
      const { status, body } = await askReadyz(lab(), 'h1');
      assert.equal(status, 200, body);
      assert.ok(await canPing(lab(), 'c1', 'h2'));
      await lab().etcdctl(['del', `/coreos.com/network/subnets/10.5.${250 + index}.0-24`]);
    });

  it('follows the endpoint of a peer, and removes the peer with its lease', async () => {
    const lease = {
      PublicIPv6: null,
      BackendType: 'wireguard',
      BackendData: { PublicKey: ALIEN, Port: 51999 },
    };
    const find = async () => (await wgPeers(lab(), 'h1')).find(({ publicKey }) => publicKey === ALIEN);
    for (const ip of ['203.0.113.9', '203.0.113.10']) {
      await putLease(lab(), '10.5.254.0-24', { PublicIP: ip, ...lease });
      const isAt = async () => (await find())?.endpoint === `${ip}:51999`;
      await waitFor(`the peer to be at ${ip}`, isAt, REPAIR_MS);
    }
    await lab().etcdctl(['del', '/coreos.com/network/subnets/10.5.254.0-24']);
    await waitFor('the peer to be gone', async () => (await find()) === undefined, REPAIR_MS);
  });

  it('drops packets to a host that has left, instead of sending them in the clear', async () => {
    const gone = async (name: string, family: '4' | '6'): Promise<string> => {
      const address = family === '4' ? '10.5.253.7' : 'fd00:5:0:fd::7';
      return (await lab().query(name, ['ip', `-${family}`, 'route', 'get', address])).stderr;
    };
    assert.match(await gone('h1', '4'), /Invalid argument/);
    assert.match(await gone('h1', '6'), /Invalid argument/);
    await watchUnderlay(lab(), 'h1');
    await lab().query('c1', ['ping', '-q', '-c', '2', '-i', '0.2', '-W', '0.5', '10.5.253.7']);
    await canPing(lab(), 'c1', 'h2');
    const { clear, encrypted } = await packetsInClear(lab(), 'h1');
    assert.equal(clear, 0);
    assert.ok(encrypted > 0);
  });

  it('a host leaves and comes back with another key', async () => {
    await lab().stopDaemon('h3');
    await lab().check('h3', [
      'sh',
      '-c',
      'ip link delete flannel-wg; ip link delete flannel-wg-v6; rm /run/weft-lab/h3/wgkey',
    ]);
    await lab().startDaemon('h3');
    await waitUntilReady(lab(), 'h3');
    await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h3'), REPAIR_MS);
    await waitFor(
      'the former key to be gone',
      async () => (await wgPeers(lab(), 'h1')).length === 2,
      REPAIR_MS,
    );
  });
});

for (const mode of ['auto', 'ipv4', 'ipv6'] as const)
  describe(`backend wireguard with Mode ${mode}`, () => {
    const lab = useLab({ hosts: 2, config: configOf({ Mode: mode }, DUAL) });

    it('carries both families through one device', async () => {
      for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
      for (const address of await lab().containerAddresses('h2'))
        await lab().check('c1', ['ping', '-q', '-c', '3', '-W', '2', address]);
      assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel-wg']);
      const [peer] = await wgPeers(lab(), 'h1');
      assert.equal(peer?.allowedIps.split(',').length, 2);
      // Addresses of the lab are none of RFC 1918.
      assert.equal(peer?.endpoint.startsWith('['), mode === 'ipv6');
    });
  });

describe('backend wireguard beside a host of flannel', () => {
  const lab = useLab({ hosts: 3, bare: ['h3'], config: configOf({}) });

  it('reaches it, and follows its key; it is reached through a change of the key here', async () => {
    for (const name of ['h1', 'h2']) await waitUntilReady(lab(), name);
    const flannel = new FlannelHost(lab(), 'h3', '10.5.240.0/24');
    await flannel.start();
    const keyOf = async (name: string) => (await subnetOf(lab(), name)).replace('/', '-');
    const keys = [await keyOf('h1'), await keyOf('h2')];
    for (const key of keys) await flannel.follow(key);
    await flannel.waitUntilReachedFrom('c1');
    await lab().putConfig(configOf({ KeyEpoch: 1 }));
    const hasAnnounced = async (key: string): Promise<boolean> => {
      const text = await lab().etcdctl(['get', '--print-value-only', `/coreos.com/network/subnets/${key}`]);
      return (JSON.parse(text) as PublishedLease).BackendData.Port === 51822;
    };
    for (const key of keys) {
      await waitFor('the new key to be announced', () => hasAnnounced(key), REPAIR_MS);
      await flannel.follow(key);
    }
    await flannel.waitUntilReachedFrom('c1');
    const isOver = async () => (await overlayDevicesOf(lab(), 'h1')).join() === 'flannel-wg.1';
    await waitFor('the former device to be gone', isOver, REPAIR_MS);
    assert.ok(await flannel.isReachedFrom('c1'));
  });
});
