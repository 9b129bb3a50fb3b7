// The matrix of backends: each in a cluster of three hosts passes the same tests. Packets of the full MTU, TCP, both address
// families where it has them, restarts under traffic, a device deleted, a host that leaves and joins, wrong values.
// What a backend has beyond them is in its own suite.
import assert from 'node:assert/strict';
import type { Lab } from '../../lab/lab.ts';
import { pingAll, tcpThroughput } from '../../lab/probe.ts';
import { subnetOf } from '../../lab/run.ts';
import { startPing } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { askReadyz, logOf, putLease, waitForLogLine } from '../support/daemon-view.ts';
import { GRE_EXAMPLE, installGreExample } from '../support/gre-example.ts';
import { besideCharon, WITH_OWN_RUN } from '../support/ipsec/ipsec-lab.ts';
import { canPing, shellTest, subnetKey, useLab, waitUntilReady } from '../support/lab-suite.ts';

const REPAIR_MS = 60_000;
const NAMES = ['h1', 'h2', 'h3'];
const DUAL = { EnableIPv6: true, IPv6Network: 'fd00:5::/48' };

interface Row {
  readonly name: string;
  readonly backend: object;
  /** IPv4 alone: the config with IPv6 is refused, or `commands` make what they like of it. */
  readonly family?: 'IPv4' | 'commands';
  /** Bytes of the largest packet of a container. */
  readonly mtu: number;
  /** What another program breaks on h1. */
  readonly breaks: string;
  /** weft does not see what commands made: the documented remedy heals it. */
  readonly heals?: (lab: Lab) => Promise<unknown>;
  /** Fields of the backend that are wrong. */
  readonly wrong: object;
}

const gre = (JSON.parse(GRE_EXAMPLE.config) as { readonly Backend: object }).Backend;

const ROWS: readonly Row[] = [
  {
    name: 'wireguard',
    backend: { Type: 'wireguard' },
    mtu: 1420,
    breaks: 'ip link del flannel-wg',
    wrong: { Mode: 'both' },
  },
  {
    name: 'ipip',
    backend: { Type: 'ipip' },
    family: 'IPv4',
    mtu: 1480,
    breaks: 'ip link del flannel.ipip',
    wrong: { DirectRouting: 'yes' },
  },
  {
    name: 'ipsec',
    backend: { Type: 'ipsec', PSK: '0123456789abcdef'.repeat(6) },
    family: 'IPv4',
    mtu: 1423,
    breaks: 'ip xfrm policy flush',
    wrong: { PSK: 'short' },
  },
  {
    name: 'extension with GRE tunnels',
    backend: gre,
    family: 'commands',
    mtu: 1476,
    breaks: 'ip -o link show type gre | sed -n "s/.*: \\(gre-[0-9a-f]*\\)@.*/\\1/p" | xargs -n 1 ip link del',
    heals: async (lab) => {
      await lab.stopDaemon('h1');
      await lab.weft('h1', ['cleanup', '--subnet-file', lab.subnetFile('h1')]);
      await lab.startDaemon('h1');
      await waitUntilReady(lab, 'h1');
    },
    wrong: { SubnetAddCommand: 7 },
  },
  {
    name: 'vxlan',
    backend: { Type: 'vxlan' },
    mtu: 1430,
    breaks: 'ip link del flannel.1',
    wrong: { VNI: 16_777_216 },
  },
  {
    name: 'host-gw',
    backend: { Type: 'host-gw' },
    mtu: 1500,
    breaks: 'ip route flush proto 87',
    wrong: { Type: 'host-gate' },
  },
  {
    name: 'udp with FOU',
    backend: { Type: 'udp', Userspace: false },
    mtu: 1452,
    breaks: 'ip link del flannel0',
    wrong: { Port: 65_536 },
  },
];

for (const { name, backend, family, mtu, breaks, heals, wrong } of ROWS)
  describe(`backend ${name}`, () => {
    const configOf = (more: object = {}, network: object = family === undefined ? DUAL : {}) =>
      JSON.stringify({ Network: '10.5.0.0/16', ...network, Backend: { ...backend, ...more } });
    const lab = useLab({ hosts: 3, bare: NAMES, config: configOf() });

    /** Command that a daemon runs under, the first one of its host or a later one. */
    const underOf = async (host: string, isFirst = false): Promise<readonly string[]> => {
      if (name !== 'ipsec') return [];
      return isFirst ? WITH_OWN_RUN : besideCharon(lab(), host);
    };

    const restart = async (host: string, signal: 'TERM' | 'KILL'): Promise<void> => {
      const under = await underOf(host);
      await lab().stopDaemon(host, signal);
      await lab().startDaemon(host, [], under);
      await waitUntilReady(lab(), host);
    };

    const allReachAll = (what: string): Promise<void> =>
      waitFor(what, async () => (await pingAll(lab(), { hosts: NAMES })).lost === 0, REPAIR_MS);

    before(async () => {
      await installGreExample(lab());
      for (const host of NAMES) await lab().startDaemon(host, [], await underOf(host, true));
      for (const host of NAMES) {
        await waitUntilReady(lab(), host);
        await lab().attachContainer(host);
      }
      await allReachAll('all containers to reach all');
    });

    it('carries packets of the full MTU with DF between all, and no larger one', async () => {
      for (const from of NAMES)
        for (const to of NAMES.filter((other) => other !== from)) {
          const addresses = await lab().containerAddresses(to);
          assert.equal(addresses.length, family === undefined ? 2 : 1);
          for (const address of addresses) {
            const headers = address.includes(':') ? 48 : 28;
            const ping = (bytes: number) =>
              shellTest(
                lab(),
                lab().host(from).container,
                `ping -q -c 2 -i 0.2 -W 2 -M do -s ${bytes - headers} ${address}`,
              );
            assert.ok(await ping(mtu), `${mtu} bytes from ${from} to ${address}`);
            if (from === 'h1') assert.ok(!(await ping(mtu + 1)), `${mtu + 1} bytes to ${address}`);
          }
        }
    });

    it('carries TCP in both directions', async () => {
      for (const [from, to] of [
        ['c1', 'c2'],
        ['c2', 'c1'],
      ] as const) {
        const stream = { from, to, congestion: 'cubic', seconds: 1 } as const;
        assert.ok((await tcpThroughput(lab(), stream)) > 0, `TCP from ${from} to ${to} carries nothing`);
      }
    });

    it('loses no packet when a daemon is restarted and killed', async () => {
      const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 1);
      for (const signal of ['TERM', 'KILL'] as const) await restart('h1', signal);
      const { lost, sent, gaps } = await ping.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}: ${gaps}`);
    });

    it(`heals after: ${breaks}`, async () => {
      await lab().check('h1', ['sh', '-c', breaks]);
      await heals?.(lab());
      await allReachAll('traffic to flow');
      await waitFor('h1 to be in sync', async () => (await lab().weft('h1', ['diff'])).code === 0, REPAIR_MS);
    });

    it('forgets a host that leaves, and takes it back', async () => {
      const under = await underOf('h3');
      const peers = async (): Promise<number> => {
        const { stdout } = await lab().weft('h1', ['peers', '--json']);
        return (JSON.parse(stdout) as { readonly peers: readonly unknown[] }).peers.length;
      };
      await lab().stopDaemon('h3');
      const key = subnetKey(await subnetOf(lab(), 'h3'));
      await lab().etcdctl(['del', '--prefix', `/coreos.com/network/subnets/${key}`]);
      await waitFor('h1 to forget h3', async () => (await peers()) === 1, REPAIR_MS);
      await waitFor('h3 to be out of reach', async () => !(await canPing(lab(), 'c1', 'h3')), REPAIR_MS);
      await lab().startDaemon('h3', [], under);
      await waitUntilReady(lab(), 'h3');
      await allReachAll('all containers to reach all again');
    });

    it('refuses wrong values, and works on', async () => {
      const refusals = async () => (await logOf(lab(), 'h1')).split('is rejected, the last good').length;
      const configs = [configOf(wrong), ...(family === 'IPv4' ? [configOf({}, DUAL)] : [])];
      for (const config of configs) {
        const earlier = await refusals();
        await lab().putConfig(config);
        await waitFor(`h1 to refuse ${config}`, async () => (await refusals()) > earlier, REPAIR_MS);
      }
      await putLease(lab(), '10.5.250.0-24', { PublicIP: '1.2.3.04', PublicIPv6: null });
      await waitForLogLine(lab(), 'h1', /10\.5\.250\.0-24.*1\.2\.3\.04/);
      assert.equal((await askReadyz(lab(), 'h1')).status, 200);
      await allReachAll('traffic to flow');
    });
  });
