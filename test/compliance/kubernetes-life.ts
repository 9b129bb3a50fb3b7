// What may happen to the nodes of a Kubernetes cluster and to its API server: the state is right in
// the end, and containers of nodes that nothing happened to reach each other all the time.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'mocha';
import { lastKnownPath } from '../../daemon/last-known/last-known-file.ts';
import type { StatusV1 } from '../../api/index.ts';
import type { LabApiServer } from '../../lab/kubernetes/lab-api-server.ts';
import type { Lab } from '../../lab/lab.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { askReadyz, logOf } from '../support/daemon-view.ts';
import { canPing, shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { LabCluster, PREFIX } from '../support/kubernetes/lab-cluster.ts';

const CONFIG = { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } };
const DUAL = { ...CONFIG, EnableIPv6: true, IPv6Network: 'fd00:10::/48' };
const FOLLOW_MS = 60_000;
const HOSTS = ['h1', 'h2', 'h3'] as const;
/** IPv6 comes first on one node, as --cluster-cidr of kube-controller-manager may say. */
const POD_CIDRS: Readonly<Record<(typeof HOSTS)[number], readonly string[]>> = {
  h1: ['fd00:10:0:1::/64', '10.244.1.0/24'],
  h2: ['10.244.2.0/24', 'fd00:10:0:2::/64'],
  h3: ['10.244.3.0/24', 'fd00:10:0:3::/64'],
};

/** Declares the suite; `serverOf` makes the API server of a lab, which is not started. */
export function describeKubernetesLife(title: string, serverOf: (lab: Lab) => LabApiServer): void {
  describe(`the life of nodes with ${title}`, () => {
    const useIt = useLab({ hosts: 3, start: false });
    let lab: Lab;
    let server: LabApiServer;
    let cluster: LabCluster;

    before(async () => {
      lab = useIt();
      server = serverOf(lab);
      cluster = new LabCluster(lab, server);
      await server.start();
      await cluster.putConfig(JSON.stringify(CONFIG));
      for (const name of HOSTS) await cluster.addNode(name, POD_CIDRS[name]);
      for (const name of HOSTS) await cluster.startDaemon(name);
      for (const name of HOSTS) await waitUntilReady(lab, name);
      for (const name of HOSTS) await lab.attachContainer(name);
      for (const name of ['h2', 'h3'])
        await waitFor(`c1 to reach ${name}`, () => canPing(lab, 'c1', name), FOLLOW_MS);
    });
    after(() => server.stop().catch(() => undefined));

    const annotationOf = async (name: string, key: string): Promise<string | undefined> =>
      (await cluster.node(name)).metadata.annotations?.[`${PREFIX}${key}`];
    const reasonsOf = async (name: string): Promise<string> => (await askReadyz(lab, name)).body;
    const statusOf = async (name: string): Promise<StatusV1> =>
      JSON.parse((await lab.weft(name, ['status', '--json'])).stdout) as StatusV1;
    const routes = (name: string, cidr: string): Promise<boolean> =>
      shellTest(lab, name, `ip route show ${cidr} | grep -q flannel.1`);
    const follows = (name: string, cidr: string, isThere = true): Promise<void> =>
      waitFor(
        `${name} to have ${isThere ? 'a' : 'no'} route to ${cidr}`,
        async () => (await routes(name, cidr)) === isThere,
        FOLLOW_MS,
      );
    const answers = (name: string): Promise<void> =>
      waitFor(
        `${name} to have the API server`,
        async () => !/registry is not reachable/.test(await reasonsOf(name)),
        FOLLOW_MS,
      );

    /** Does `action` while c1 pings the container of h2, and c3, which loses nothing. */
    async function undisturbed(
      action: () => Promise<void>,
      more: readonly (readonly [string, string])[] = [],
    ) {
      const pairs = [['c1', 'h2'], ...more] as const;
      const all = [];
      for (const [from, to] of pairs)
        all.push(await startPings(lab, from, await lab.containerAddress(to), 200));
      try {
        await action();
      } finally {
        const results = await Promise.all(all.map((pings) => pings.stop()));
        for (const [index, { lost, sent }] of results.entries())
          assert.equal(lost, 0, `${pairs[index]!.join(' to ')}: lost ${lost} of ${sent}`);
      }
    }

    it('takes IPv6 first in podCIDRs, and IPv4 alone while the config has no IPv6', async () => {
      const { lease } = await statusOf('h1');
      assert.deepEqual([lease?.ipv4, lease?.ipv6], ['10.244.1.0/24', undefined]);
    });

    it('starts while the API server is away with the nodes known last, and says so', async () => {
      const kept = lab.sandbox.outside(lastKnownPath(lab.subnetFile('h1')));
      await waitFor('the known nodes to be kept', async () => {
        const text = await readFile(kept, 'utf8').catch(() => '{}');
        const { entries = [] } = JSON.parse(text) as { entries?: { value: string }[] };
        return entries.filter(({ value }) => value.includes('VtepMAC')).length === HOSTS.length;
      });
      await undisturbed(async () => {
        await server.stop();
        await lab.stopDaemon('h1');
        await cluster.startDaemon('h1');
        await waitUntilReady(lab, 'h1');
        assert.match(await reasonsOf('h1'), /the peers known last, of 20\S+Z by a file, are in force/);
        assert.match(await logOf(lab, 'h1'), /Going on with the nodes known last.*nodes=3/);
        const { registry, peers } = await statusOf('h1');
        assert.ok(registry.lastKnownAt !== undefined);
        assert.equal(peers.inSync, 2);
      }, [['c3', 'h1']]);
    });

    it('removes nothing that it does not know while the API server is away', async () => {
      await lab.stopDaemon('h1');
      const kept = lab.sandbox.outside(lastKnownPath(lab.subnetFile('h1')));
      const saved = JSON.parse(await readFile(kept, 'utf8')) as { entries: { key: string }[] };
      const entries = saved.entries.filter(({ key }) => key !== 'h2');
      await writeFile(kept, JSON.stringify({ ...saved, entries }));
      await undisturbed(async () => {
        await cluster.startDaemon('h1');
        await waitUntilReady(lab, 'h1');
        assert.ok(await routes('h1', '10.244.2.0/24'));
      });
    });

    it('repairs the kernel meanwhile', async () => {
      await lab.check('h1', ['ip', 'route', 'del', '10.244.3.0/24']);
      await follows('h1', '10.244.3.0/24');
    });

    it('follows a change of the config file meanwhile', () =>
      undisturbed(async () => {
        const cases = [
          [{ MTU: 1400 }, 1350],
          [{}, 1450],
        ] as const;
        for (const [change, mtu] of cases) {
          const backend = { ...CONFIG.Backend, ...change };
          await cluster.putConfig(JSON.stringify({ ...CONFIG, Backend: backend }));
          for (const name of HOSTS)
            await waitFor(
              `${name} to have an MTU of ${mtu}`,
              async () => (await lab.readSubnetEnv(name)).includes(`FLANNEL_MTU=${mtu}\n`),
              FOLLOW_MS,
            );
        }
      }));

    it('goes on from there once the API server is back', () =>
      undisturbed(async () => {
        await server.start();
        await answers('h1');
        assert.equal((await statusOf('h1')).registry.lastKnownAt, undefined);
        await cluster.addFlannelNode('late', '10.244.9.0/24', '198.18.9.9');
        await follows('h1', '10.244.9.0/24');
      }));

    it('drops and learns after such a start what happened while it was stopped', () =>
      undisturbed(async () => {
        await lab.stopDaemon('h1');
        await cluster.deleteNode('late');
        await cluster.addFlannelNode('later', '10.244.10.0/24', '198.18.9.10');
        await server.stop();
        await cluster.startDaemon('h1');
        await waitUntilReady(lab, 'h1');
        assert.ok(await routes('h1', '10.244.9.0/24'));
        await server.start();
        await follows('h1', '10.244.10.0/24');
        await follows('h1', '10.244.9.0/24', false);
      }));

    it('follows an API server that was restored from a backup', () =>
      undisturbed(async () => {
        await server.stop();
        await server.backUp();
        await server.start();
        await cluster.deleteNode('later');
        await cluster.addFlannelNode('lost', '10.244.11.0/24', '198.18.9.11');
        for (const name of HOSTS) await follows(name, '10.244.11.0/24');
        await server.stop();
        await server.restore();
        await server.start();
        for (const name of HOSTS) {
          await follows(name, '10.244.11.0/24', false);
          await follows(name, '10.244.10.0/24');
        }
        await cluster.addFlannelNode('new', '10.244.12.0/24', '198.18.9.12');
        for (const name of HOSTS) await follows(name, '10.244.12.0/24');
        assert.match(await logOf(lab, 'h2'), /restored from a backup/);
      }));

    it('makes an error of two nodes with one pod CIDR, and costs others nothing', async () => {
      await undisturbed(async () => {
        await cluster.addFlannelNode('twin', '10.244.3.0/24', '198.18.9.13');
        await waitFor(
          'h3 to say so',
          async () => /overlaps that of "twin"/.test(await reasonsOf('h3')),
          FOLLOW_MS,
        );
        assert.match(await logOf(lab, 'h3'), /ERROR .*overlaps the subnet of this host.*peerKey=twin/);
        const { health, lease } = await statusOf('h3');
        assert.deepEqual([health, lease?.overlapping], ['degraded', ['twin']]);
        const doctor = await lab.weft('h3', ['doctor', '--only', 'subnet-overlap']);
        assert.match(doctor.stdout, /twin and this host share 10\.244\.3\.0\/24/);
        await waitFor('h1 to report one of the two', async () =>
          /1 of \d+ peers cannot be programmed/.test(await reasonsOf('h1')),
        );
      });
      await cluster.deleteNode('twin');
      await waitFor('h3 to be rid of it', async () => !/overlaps/.test(await reasonsOf('h3')), FOLLOW_MS);
      await waitFor('c1 to reach h3', () => canPing(lab, 'c1', 'h3'), FOLLOW_MS);
    });

    it('publishes the address that an operator sets, and its own one after that', () =>
      undisturbed(async () => {
        const isSentTo = (address: string): Promise<void> =>
          waitFor(
            `h1 to send to ${address}`,
            () => shellTest(lab, 'h1', `bridge fdb show dev flannel.1 | grep -q 'dst ${address} '`),
            FOLLOW_MS,
          );
        await cluster.annotate('h3', { [`${PREFIX}public-ip-overwrite`]: '198.18.77.7' });
        await isSentTo('198.18.77.7');
        await cluster.annotate('h3', { [`${PREFIX}public-ip-overwrite`]: null });
        await isSentTo(lab.host('h3').publicIp);
        await waitFor('c1 to reach h3 again', () => canPing(lab, 'c1', 'h3'), FOLLOW_MS);
      }));

    it('publishes another address when the host gets one', () =>
      undisturbed(async () => {
        const { gateway, publicIp } = lab.host('h3');
        await lab.check('h3', [
          'sh',
          '-ec',
          `ip addr del ${publicIp}/16 dev eth0; ip addr add 198.18.7.7/16 dev eth0; ip route replace default via ${gateway}`,
        ]);
        await waitFor(
          'the new address to be published',
          async () => (await annotationOf('h3', 'public-ip')) === '198.18.7.7',
          FOLLOW_MS,
        );
        await waitFor('c1 to reach h3 there', () => canPing(lab, 'c1', 'h3'), FOLLOW_MS);
      }));

    it('takes the same pod CIDR of a Node that was made again, with other UID', async () => {
      const publicIp = await annotationOf('h3', 'public-ip');
      await undisturbed(async () => {
        await cluster.deleteNode('h3');
        await follows('h1', '10.244.3.0/24', false);
        await cluster.addNode('h3', POD_CIDRS.h3);
        await waitFor(
          'h3 to publish again',
          async () => (await annotationOf('h3', 'public-ip')) === publicIp,
          FOLLOW_MS,
        );
        await follows('h1', '10.244.3.0/24');
      });
      await waitFor('c1 to reach h3', () => canPing(lab, 'c1', 'h3'), FOLLOW_MS);
      await waitFor('the condition to be cleared again', async () => {
        const { conditions = [] } = (await cluster.node('h3')).status;
        return conditions.some(({ status, type }) => type === 'NetworkUnavailable' && status === 'False');
      });
    });

    it('uses both families once the config has IPv6', () =>
      undisturbed(async () => {
        await cluster.putConfig(JSON.stringify(DUAL));
        for (const name of HOSTS) {
          await waitFor(
            `${name} to have an IPv6 subnet`,
            async () => /FLANNEL_IPV6_SUBNET=fd00:10:0:/.test(await lab.readSubnetEnv(name)),
            FOLLOW_MS,
          );
          await waitFor(
            `${name} to publish its IPv6 address`,
            async () => (await annotationOf(name, 'public-ipv6')) === lab.host(name).publicIpv6,
            FOLLOW_MS,
          );
        }
        await waitFor(
          'h1 to route IPv6 to h2',
          () => shellTest(lab, 'h1', 'ip -6 route show fd00:10:0:2::/64 | grep -q flannel'),
          FOLLOW_MS,
        );
      }));

    it('takes the Node of another name once its host is renamed, and peers drop the former one', () =>
      undisturbed(async () => {
        await cluster.addNode('renamed', ['10.244.33.0/24', 'fd00:10:0:33::/64']);
        await lab.stopDaemon('h3');
        await cluster.startDaemon('h3', [], 'renamed');
        await waitFor(
          'h3 to have the subnet of the new Node',
          async () => /FLANNEL_SUBNET=10\.244\.33\.1\/24/.test(await lab.readSubnetEnv('h3')),
          FOLLOW_MS,
        );
        await cluster.deleteNode('h3');
        await follows('h1', '10.244.3.0/24', false);
        await follows('h1', '10.244.33.0/24');
        await waitUntilReady(lab, 'h3');
      }));
  });
}
