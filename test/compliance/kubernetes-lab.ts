// What weft does on the hosts of a Kubernetes cluster: the same cases on a real API server and on the
// fake one, with real daemons, kernel devices and containers.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { INSIDE } from '../../lab/daemon-command.ts';
import type { LabApiServer } from '../../lab/kubernetes/lab-api-server.ts';
import type { Lab } from '../../lab/lab.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { askReadyz } from '../support/daemon-view.ts';
import { waitUntilHealthy } from '../support/doctor/healthy.ts';
import { canPing, useLab, viewOf, waitUntilReady } from '../support/lab-suite.ts';
import { CONFLIST, LabCluster } from '../support/kubernetes/lab-cluster.ts';
import { PREFIX } from './assigning-registry.ts';

const CONFIG = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}';
const FOLLOW_MS = 60_000;

/** Declares the suite; `serverOf` makes the API server of a lab, which is not started. */
export function describeKubernetesLab(title: string, serverOf: (lab: Lab) => LabApiServer): void {
  describe(`a cluster with ${title}`, () => {
    const useIt = useLab({ hosts: 3, start: false });
    let lab: Lab;
    let server: LabApiServer;
    let cluster: LabCluster;

    before(async () => {
      lab = useIt();
      server = serverOf(lab);
      cluster = new LabCluster(lab, server);
      await server.start();
      await cluster.putConfig(CONFIG);
      await cluster.addNode('h1', ['10.244.1.0/24']);
      await cluster.addNode('h2');
      for (const name of ['h1', 'h2']) await cluster.startDaemon(name);
    });
    after(() => server.stop().catch(() => undefined));

    const subnetOf = async (name: string): Promise<string> =>
      (await lab.readSubnetEnv(name)).match(/SUBNET=(.*)/)?.[1] ?? '';
    const conflistsOf = (name: string): Promise<string[]> =>
      readdir(lab.sandbox.outside(cluster.confFolder(name))).catch(() => []);
    const annotationOf = async (name: string, key: string): Promise<string | undefined> =>
      (await cluster.node(name)).metadata.annotations?.[`${PREFIX}${key}`];

    it('waits for a pod CIDR and says so', async () => {
      await waitUntilReady(lab, 'h1');
      await waitFor('h2 to give the reason', async () =>
        /no spec\.podCIDR.*--allocate-node-cidrs/.test((await askReadyz(lab, 'h2')).body),
      );
      assert.equal(await subnetOf('h2'), '');
      // A node is ready for pods once it has a conflist.
      assert.deepEqual(await conflistsOf('h2'), []);
    });

    it('goes on once the pod CIDR is assigned', async () => {
      await cluster.assign('h2', ['10.244.2.0/24']);
      await waitUntilReady(lab, 'h2');
      assert.equal(await subnetOf('h1'), '10.244.1.1/24');
      assert.equal(await subnetOf('h2'), '10.244.2.1/24');
    });

    it('is healthy to weft doctor', () => waitUntilHealthy(lab, ['h1', 'h2']));

    it('installs the conflist once the node has a subnet', async () => {
      await waitFor('the conflist', async () => (await conflistsOf('h2')).includes('10-flannel.conflist'));
      const path = join(lab.sandbox.outside(cluster.confFolder('h2')), '10-flannel.conflist');
      assert.equal(await readFile(path, 'utf8'), CONFLIST);
      await rm(path);
      await waitFor('it to be restored', async () => (await conflistsOf('h2')).length === 1, FOLLOW_MS);
    });

    it('names a conflist that container runtimes use instead', async () => {
      const path = join(lab.sandbox.outside(cluster.confFolder('h2')), '05-other.conflist');
      await writeFile(path, '{"name":"other","plugins":[{"type":"bridge"}]}');
      const reasons = async (): Promise<string> => (await askReadyz(lab, 'h2')).body;
      await waitFor('the reason', async () =>
        /05-other\.conflist comes before 10-flannel/.test(await reasons()),
      );
      assert.equal(await lab.isReady('h2'), true);
      const { stdout } = await lab.weft('h2', ['doctor', '--only', 'conflist-order']);
      assert.match(stdout, /Container runtimes use the network of another program/);
      await rm(path);
      await waitFor('the reason to end', async () => !(await reasons()).includes('05-other'));
    });

    it('connects containers of two nodes', async () => {
      for (const name of ['h1', 'h2']) await lab.attachContainer(name);
      await waitFor('containers to reach each other', () => canPing(lab, 'c1', 'h2'), FOLLOW_MS);
    });

    it("publishes what flannel's nodes read", async () => {
      const { mac } = await viewOf(lab, 'h1');
      assert.equal(await annotationOf('h1', 'backend-data'), JSON.stringify({ VNI: 1, VtepMAC: mac }));
      assert.equal(await annotationOf('h1', 'public-ip'), lab.host('h1').publicIp);
      assert.equal(await annotationOf('h1', 'kube-subnet-manager'), 'true');
    });

    it('clears the condition NetworkUnavailable when the network works', async () => {
      await waitFor('the condition to be cleared', async () => {
        const { conditions = [] } = (await cluster.node('h1')).status;
        return conditions.some(({ type, status }) => type === 'NetworkUnavailable' && status === 'False');
      });
    });

    it('shows the config of the ConfigMap, and says how it is changed', async () => {
      const { code, stderr, stdout } = await lab.weft('h1', ['config', 'get']);
      assert.deepEqual([code, stdout], [0, `${CONFIG}\n`], stderr);
      const document = CONFIG.replace('"vxlan"', '"vxlan","MTU":1400');
      const weft = (verb: string, ...args: readonly string[]) =>
        lab.weft('h1', ['config', verb, ...args], { input: document });
      assert.match((await weft('diff', '-')).stdout, /Backend\.MTU: unset -> 1400/);
      for (const verb of ['set', 'rollback', 'edit', 'history']) {
        const answer = await weft(verb, ...({ set: ['-'], rollback: ['1'] }[verb] ?? []));
        assert.equal(answer.code, 2);
        assert.match(
          answer.stderr,
          /registry of this host is the Kubernetes API.*kubectl -n weft-system edit/,
        );
      }
    });

    it('writes annotations again that another program changed', async () => {
      await cluster.annotate('h1', {
        [`${PREFIX}public-ip`]: '203.0.113.9',
        [`${PREFIX}backend-data`]: null,
      });
      await waitFor(
        'the address to be back',
        async () => (await annotationOf('h1', 'public-ip')) === lab.host('h1').publicIp,
      );
      await waitFor('h2 to send to it again', () => canPing(lab, 'c2', 'h1'), FOLLOW_MS);
    });

    it('keeps forwarding while the API server is away, and follows after it', async () => {
      const pings = await startPings(lab, 'c1', await lab.containerAddress('h2'), 200);
      await server.stop();
      await waitFor(
        'h1 to notice',
        async () => /registry is not reachable/.test((await askReadyz(lab, 'h1')).body),
        FOLLOW_MS,
      );
      assert.equal(await lab.isReady('h1'), true);
      await server.start();
      await cluster.addNode('h3', ['10.244.3.0/24']);
      await cluster.startDaemon('h3');
      await waitUntilReady(lab, 'h3');
      await lab.attachContainer('h3');
      await waitFor('h1 to know h3', () => canPing(lab, 'c1', 'h3'), FOLLOW_MS);
      const { lost, sent } = await pings.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    });

    it('restarts without a write and without a lost packet', async () => {
      const revision = (await cluster.node('h1')).metadata.resourceVersion;
      const pings = await startPings(lab, 'c2', await lab.containerAddress('h1'), 200);
      await lab.stopDaemon('h1');
      await cluster.startDaemon('h1', ['--set-node-network-unavailable=false']);
      await waitUntilReady(lab, 'h1');
      const { lost, sent } = await pings.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
      assert.equal((await cluster.node('h1')).metadata.resourceVersion, revision);
    });

    it('follows a change of the config file from vxlan to host-gw', async () => {
      const pings = await startPings(lab, 'c1', await lab.containerAddress('h2'), 200);
      await cluster.putConfig('{"Network":"10.244.0.0/16","Backend":{"Type":"host-gw"}}');
      for (const name of ['h1', 'h2', 'h3'])
        await waitFor(
          `${name} to publish host-gw`,
          async () => (await annotationOf(name, 'backend-type')) === 'host-gw',
          FOLLOW_MS,
        );
      await waitFor(
        'routes to go by the underlay',
        async () => {
          const { stdout } = await lab.query('h1', ['ip', 'route', 'show', '10.244.2.0/24']);
          return /via .* dev eth0/.test(stdout);
        },
        FOLLOW_MS,
      );
      const { lost, sent } = await pings.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    });

    it('takes other subnets when its node is made again', async () => {
      await cluster.deleteNode('h3');
      await waitFor('h1 to drop the route', async () => !(await canPing(lab, 'c1', 'h3')), FOLLOW_MS);
      await cluster.addNode('h3', ['10.244.33.0/24']);
      await waitFor(
        'h3 to have the new subnet',
        async () => (await subnetOf('h3')) === '10.244.33.1/24',
        FOLLOW_MS,
      );
      await waitUntilReady(lab, 'h3');
    });

    it('leaves nothing of a node after weft cleanup, in Kubernetes and on the host', async () => {
      const inside = ['net.d', 'bin'].map((name) => `${INSIDE}/${name}`);
      const folders = inside.map((folder) => lab.sandbox.outside(folder));
      for (const folder of folders) await mkdir(folder, { recursive: true });
      const [confDir, binDir] = folders as [string, string];
      await writeFile(join(confDir, '10-flannel.conflist'), '{"plugins":[{"type": "weft-cni"}]}');
      await writeFile(join(confDir, '20-other.conflist'), '{"plugins":[{"type": "bridge"}]}');
      await symlink('.weft-1', join(binDir, '.weft'));
      await mkdir(join(binDir, '.weft-1'));
      await writeFile(join(binDir, 'bridge'), 'of another program');
      await cluster.annotate('h2', { [`${PREFIX}node-public-ip`]: '203.0.113.1' });
      const flags = [`--cni-conf-dir=${inside[0]}`, `--cni-bin-dir=${inside[1]}`, ...cluster.accessFlags];
      const args = ['cleanup', '--kube-node=h2', '--subnet-file', lab.subnetFile('h2'), ...flags];
      const clean = () => lab.weft('h2', args);

      const running = await clean();
      assert.match(running.stderr, /weft daemon runs here.*stop it first/);
      await lab.stopDaemon('h2');
      const { code, stdout, stderr } = await clean();
      assert.equal(code, 0, stderr);
      assert.match(stdout, /removed +node +h2: \d annotations/);
      assert.doesNotMatch(stdout, /CANNOT/);

      const { metadata, status } = await cluster.node('h2');
      const own = Object.keys(metadata.annotations ?? {}).filter((name) => name.startsWith(PREFIX));
      assert.deepEqual(own, [`${PREFIX}node-public-ip`]);
      const condition = status.conditions?.find(({ type }) => type === 'NetworkUnavailable');
      assert.deepEqual([condition?.status, condition?.reason], ['True', 'WeftRemoved']);
      assert.deepEqual([await readdir(confDir), await readdir(binDir)], [['20-other.conflist'], ['bridge']]);
      assert.doesNotMatch(
        await lab.check('h2', ['sh', '-c', 'ip route; ip link; nft list tables']),
        /flannel|proto 87/,
      );
      await waitFor(
        'h1 to drop the node',
        async () => (await lab.query('h1', ['ip', 'route', 'show', '10.244.2.0/24'])).stdout === '',
        FOLLOW_MS,
      );
      // A second run finds nothing.
      assert.match((await clean()).stdout, /^Nothing of weft/);
    });
  });
}
