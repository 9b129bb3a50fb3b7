// `weft cleanup` leaves no trace of weft or flannel on a host, and all of what others made.
import assert from 'node:assert/strict';
import type { CleanupResult } from '../daemon/cleanup/cleanup.ts';
import { overlayDevicesOf } from './support/daemon-view.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

/** Artifacts of flannel with host-gw and with iptables-legacy, of weft with a blackhole route, and of a foreign program. */
const LEFT = [
  'ip route add 10.5.77.0/24 via 198.18.0.1',
  'ip route add blackhole 10.5.78.0/24 proto 87',
  'iptables-legacy -t nat -N FLANNEL-POSTRTG',
  'iptables-legacy -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
  'iptables -N FLANNEL-FWD',
  'iptables -A FORWARD -j FLANNEL-FWD',
];
const FOREIGN = [
  'ip route add 10.99.0.0/24 via 198.18.0.1',
  'ip route add 10.5.79.0/25 via 198.18.0.1 proto static',
  'iptables -A FORWARD -i other0 -j DROP',
  'nft add table ip other',
  'ip link add flannel-bridge type bridge',
];
const SNAPSHOT_SCRIPT = 'ip route; ip -6 route; iptables-save | grep -v "^[#:]"; nft list tables; ip -o link';

describe('weft cleanup', () => {
  const lab = useLab({ hosts: 2, daemonFlags: ['--ip-masq'] });
  const args = (...more: readonly string[]) => ['cleanup', '--subnet-file', lab().subnetFile('h1'), ...more];
  const snapshot = (): Promise<string> => lab().check('h1', ['sh', '-c', SNAPSHOT_SCRIPT]);

  before(() => waitUntilReady(lab(), 'h1'));

  it('fails while the daemon of this host runs, and names the override', async () => {
    const { code, stderr } = await lab().weft('h1', args());
    assert.equal(code, 1);
    assert.match(stderr, /weft daemon runs here \(process \d+\).*stop it first.*--force/);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel.1']);
  });

  it('shows what it would remove, and removes nothing', async () => {
    await lab().stopDaemon('h1');
    await lab().check('h1', ['sh', '-ec', [...LEFT, ...FOREIGN].join('\n')]);
    const before = await snapshot();
    const { code, stdout } = await lab().weft('h1', args('--dry-run', '--json'));
    const traces = JSON.parse(stdout) as CleanupResult[];
    assert.equal(code, 0);
    assert.ok(traces.every(({ result }) => result === 'found'));
    const shown = traces.map(({ kind, name }) => `${kind} ${name.split(',')[0]}`).toSorted();
    assert.deepEqual(shown, [
      'device flannel.1 (vxlan)',
      `file ${lab().subnetFile('h1')}`,
      'route 10.5.77.0/24 via 198.18.0.1 dev eth0',
      'route 10.5.78.0/24 blackhole',
      'rules iptables-legacy: nat/FLANNEL-POSTRTG and the rules that jump to it',
      'rules iptables: filter/FLANNEL-FWD and the rules that jump to it',
      'rules nftables: table ip flannel-ipv4',
    ]);
    assert.equal(await snapshot(), before);
  });

  it('removes all of it, and nothing else', async () => {
    const { code, stdout } = await lab().weft('h1', args());
    assert.deepEqual([code, stdout.split('\n').filter((line) => line.startsWith('removed')).length], [0, 7]);
    const after = await snapshot();
    assert.doesNotMatch(after, /flannel\.1|FLANNEL|flannel-ipv|10\.5\.7[78]/);
    for (const kept of [/10\.99\.0\.0/, /10\.5\.79\.0/, /other0/, /table ip other/, /flannel-bridge/])
      assert.match(after, kept);
    assert.equal(
      await lab()
        .check('h1', ['iptables-legacy-save'])
        .then((text) => /FLANNEL/.test(text)),
      false,
    );
    const second = await lab().weft('h1', args());
    assert.equal(second.stdout, 'Nothing of weft or flannel is on this host.\n');
  });

  it('leaves a host that can start afresh', async () => {
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), ['flannel-bridge', 'flannel.1']);
    const { code, stderr } = await lab().weft('h2', [
      'cleanup',
      '--force',
      '--subnet-file',
      lab().subnetFile('h2'),
    ]);
    assert.deepEqual([code, stderr], [0, '']);
  });
});
