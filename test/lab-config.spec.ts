// The network config edited while daemons run under traffic: what is right takes effect at once on every host, what is wrong
// on none, and no packet is lost by either.
import assert from 'node:assert/strict';
import { HEALTH_PORT } from '../lab/daemon-command.ts';
import { waitFor } from '../lab/wait.ts';
import { INVALID_CONFIGS } from './support/invalid-configs.ts';
import { logOf, routesOf, waitForLogLine } from './support/daemon-view.ts';
import {
  ask,
  shellTest,
  programmedPeers,
  subnetKey,
  useLab,
  viewOf,
  waitUntilReady,
} from './support/lab-suite.ts';
import { startPings } from '../lab/traffic.ts';

const configOf = (backend: object, more: object = {}) =>
  JSON.stringify({ Network: '10.5.0.0/16', ...more, Backend: { Type: 'vxlan', ...backend } });
interface Vxlan {
  readonly ifindex: number;
  readonly linkinfo: { readonly info_data: { readonly learning?: boolean } };
}
const FOLLOW_MS = 60_000;

describe('the network config edited while it runs', () => {
  const lab = useLab({ hosts: 3 });
  const hosts = ['h1', 'h2', 'h3'];

  before(async () => {
    for (const name of hosts) await waitUntilReady(lab(), name);
  });

  async function onAllHosts(what: string, isSo: (name: string) => Promise<boolean>): Promise<void> {
    for (const name of hosts) await waitFor(`${what} on ${name}`, () => isSo(name), FOLLOW_MS, 20);
  }

  /** Runs `change` under a thousand pings a second and returns the lost ones. */
  async function lossDuring(change: () => Promise<void>): Promise<number> {
    const pings = [
      await startPings(lab(), 'c1', await lab().containerAddress('h2'), 500),
      await startPings(lab(), 'c3', await lab().containerAddress('h1'), 500),
    ];
    await change();
    let lost = 0;
    for (const ping of pings) lost += (await ping.stop()).lost;
    return lost;
  }

  it('leaves a host ready while its device and subnet.env change, and logs what changed', async () => {
    const script = `for i in $(seq 400); do
      exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3; exec 3>&-; sleep 0.01
    done`;
    const port = HEALTH_PORT;
    const asked = lab().exec('h2', ['bash', '--norc', '-c', script.replace('8080', String(port))], {
      timeoutMs: FOLLOW_MS,
    });
    await lab().putConfig(configOf({ MTU: 1300 }));
    await waitForLogLine(lab(), 'h2', /Network config in force .*Backend\.MTU: unset -> 1300/);
    await waitForLogLine(lab(), 'h2', /Wrote the subnet file .*FLANNEL_MTU: 1450 -> 1250/);
    await lab().putConfig(configOf({}));
    const { stdout } = await asked;
    const lines = stdout.trim().split('\n');
    assert.ok(lines.length > 50, stdout);
    assert.deepEqual(
      lines.filter((line) => !line.includes(' 200 ')),
      [],
    );
  });

  it('changes the MTU of devices and subnet.env, without loss', async () => {
    const lost = await lossDuring(async () => {
      await lab().putConfig(configOf({ MTU: 1400 }));
      await onAllHosts('MTU 1350', (name) =>
        shellTest(lab(), name, 'ip link show flannel.1 | grep -q "mtu 1350 "'),
      );
      await onAllHosts('subnet.env', async (name) =>
        /^FLANNEL_MTU=1350$/m.test(await lab().readSubnetEnv(name)),
      );
    });
    assert.equal(lost, 0);
  });

  it('switches direct routing on and off without loss', async () => {
    const isDirect = async (name: string, wanted: boolean) => {
      const routes = await routesOf(lab(), name);
      return routes.length === 2 && routes.every(({ dev }) => (dev === 'eth0') === wanted);
    };
    const lost = await lossDuring(async () => {
      await lab().putConfig(configOf({ DirectRouting: true }));
      await onAllHosts('direct routes', (name) => isDirect(name, true));
      await lab().putConfig(configOf({}));
      await onAllHosts('tunnel routes', (name) => isDirect(name, false));
      await onAllHosts('all entries', async (name) => (await programmedPeers(lab(), name)).length === 2);
    });
    assert.equal(lost, 0);
  });

  it('switches learning on and off in place', async () => {
    const isLearning = async (name: string) => {
      const [link] = await ask<Vxlan>(lab(), name, 'ip -j -d link show flannel.1');
      return link?.linkinfo.info_data.learning === true;
    };
    for (const wanted of [true, false]) {
      const { ifindex } = (await ask<Vxlan>(lab(), 'h1', 'ip -j link show flannel.1'))[0]!;
      await lab().putConfig(configOf({ Learning: wanted }));
      await onAllHosts(`learning ${wanted}`, async (name) => (await isLearning(name)) === wanted);
      assert.equal((await ask<Vxlan>(lab(), 'h1', 'ip -j link show flannel.1'))[0]!.ifindex, ifindex);
    }
  });

  it(`refuses ${INVALID_CONFIGS.length} invalid documents everywhere, and traffic goes on`, async () => {
    const views = await Promise.all(hosts.map((name) => viewOf(lab(), name)));
    const lost = await lossDuring(async () => {
      for (const { text } of INVALID_CONFIGS) {
        const from = await Promise.all(hosts.map(async (name) => (await logOf(lab(), name)).length));
        await lab().putConfig(text);
        for (const [index, name] of hosts.entries())
          await waitFor(
            `${name} to refuse ${text}`,
            async () => (await logOf(lab(), name)).slice(from[index]).includes('is rejected, the last good'),
            FOLLOW_MS,
            10,
          );
      }
    });
    assert.equal(lost, 0);
    assert.deepEqual(await Promise.all(hosts.map((name) => viewOf(lab(), name))), views);
    for (const name of hosts) assert.equal(await lab().isReady(name), true);
  });

  it('renumbers no host because of a document alone, and all of them once that is confirmed', async () => {
    const before = await viewOf(lab(), 'h1');
    const lost = await lossDuring(async () => {
      await lab().putConfig(configOf({}, { Network: '10.6.0.0/16' }));
      for (const name of hosts)
        await waitForLogLine(lab(), name, /ERROR.*would get another subnet.*--renumber/);
    });
    assert.equal(lost, 0);
    assert.deepEqual(await viewOf(lab(), 'h1'), before);
    await lab().etcdctl(['put', '/coreos.com/network/weft/renumber', 'yes']);
    await onAllHosts('another subnet', async (name) =>
      /^FLANNEL_SUBNET=10\.6\./m.test(await lab().readSubnetEnv(name)),
    );
    await onAllHosts('new peers', async (name) => {
      const peers = await programmedPeers(lab(), name);
      return peers.length === 2 && peers.every((subnet) => subnet.startsWith('10.6.'));
    });
    const old = await lab().etcdctl(['get', `/coreos.com/network/subnets/${subnetKey(before.subnet)}`]);
    assert.equal(old, '');
    const addresses = await ask<{ addr_info: { local: string }[] }>(
      lab(),
      'h1',
      'ip -j -4 addr show flannel.1',
    );
    assert.deepEqual(
      addresses[0]!.addr_info.map(({ local }) => local.split('.').slice(0, 2).join('.')),
      ['10.6'],
    );
  });
});
