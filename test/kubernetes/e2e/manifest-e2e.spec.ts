// weft on a fresh cluster of two nodes with kubelet, containerd and kube-proxy: what an administrator
// does in the order of docs/how-to/use-kubernetes.md, with pods for real.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { waitFor } from '../../../lab/wait.ts';
import { NODES } from './cluster.ts';
import { readManifest, useCluster } from './suite.ts';
import { fetchFrom, startService } from './workloads.ts';

describe('weft.yaml on a fresh cluster', function inOrder() {
  this.bail(true);
  const suite = useCluster();

  it('makes both nodes ready', async () => {
    const { cluster, weft } = suite();
    for (const node of NODES) assert.notEqual(await cluster.conditionOf(node, 'Ready'), 'True');
    await cluster.apply(await readManifest('weft.yaml'));
    await weft.waitUntilRolledOut();
    for (const node of NODES) {
      await cluster.waitUntilReady(node);
      assert.equal(await cluster.conditionOf(node, 'NetworkUnavailable'), 'False');
    }
  });

  it('keeps compiled code on each node for the next start', async () => {
    for (const node of NODES) {
      const isKept = async (): Promise<boolean> =>
        (await suite().cluster.onNode(node, ['test', '-s', '/var/cache/weft/weft.cjs'])).code === 0;
      await waitFor(`${node} to keep compiled code`, isKept);
    }
  });

  it('connects pods of both nodes', async () => {
    await Promise.all(NODES.map((node) => suite().startPod(node)));
    await suite().assertConnected();
  });

  for (const mode of ['nftables', 'iptables'] as const)
    it(`connects pods with a service through kube-proxy with ${mode}`, async () => {
      const { cluster } = suite();
      if (mode !== 'nftables') for (const node of NODES) await cluster.changeProxyMode(node, mode);
      const [address] = await startService(cluster, `web-${mode}`);
      for (const node of NODES) {
        const seen = new Set<string>();
        await waitFor(`the pod on ${node} to be served by both pods`, async () => {
          seen.add(await fetchFrom(cluster, suite().pod(node), address!));
          return seen.size === NODES.length;
        });
      }
    });

  it('connects a pod that is made again', async () => {
    await suite().cluster.kubectl(['delete', 'pod', suite().pod('h2').name]);
    await suite().startPod('h2');
    await suite().assertConnected();
  });

  it('gives the commands by kubectl exec', async () => {
    const { weft } = suite();
    for (const node of NODES) {
      const pod = await weft.podOn(node);
      const status = await weft.exec(pod, ['weft', 'status']);
      assert.match(status.stdout, /10\.244\./, status.stderr);
      const doctor = await weft.exec(pod, ['weft', 'doctor']);
      assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr);
    }
  });

  it('names rules that kube-proxy left in another mode', async () => {
    const { cluster, weft } = suite();
    const legacy = (option: string) =>
      cluster.checkOnNode('h1', ['iptables-legacy', '-t', 'nat', option, 'KUBE-SERVICES']);
    const doctor = async () => weft.exec(await weft.podOn('h1'), ['weft', 'doctor', '--only', 'proxy-mode']);
    await legacy('-N');
    const { stdout } = await doctor();
    assert.match(stdout, /more than one mode: iptables-legacy, iptables-nft/);
    await legacy('-X');
    assert.equal((await doctor()).code, 0);
  });

  it('loses no packet when the DaemonSet is rolled', async () => {
    const { cluster, weft } = suite();
    const former = await Promise.all(NODES.map((node) => weft.podOn(node)));
    await suite().assertNoLoss(async () => {
      await cluster.kubectl(['-n', 'weft-system', 'rollout', 'restart', 'daemonset/weft']);
      await weft.waitUntilRolledOut();
    });
    for (const node of NODES) assert.ok(!former.includes(await weft.podOn(node)));
    await suite().assertConnected();
  });

  it('loses no packet when a daemon is killed, which starts again', async () => {
    const { weft } = suite();
    const pod = await weft.podOn('h1');
    await suite().assertNoLoss(async () => {
      await weft.kill('h1');
      await waitFor('the container to be started again', async () => (await weft.restartsOf(pod)) === 1);
      await weft.waitUntilRolledOut();
    });
    await suite().assertConnected();
  });

  it('loses no packet when a pod of weft is deleted and the API server is away', async () => {
    const { cluster, weft } = suite();
    await suite().assertNoLoss(async () => {
      // It would make another pod at once.
      await cluster.lab.signalProcess('controller-manager', 'STOP');
      await cluster.kubectl(['-n', 'weft-system', 'delete', 'pod', await weft.podOn('h1')]);
      await cluster.stopApiServer();
      assert.ok(!(await weft.isRunning('h1')));
    });
    await suite().assertNoLoss(async () => {
      await cluster.startApiServer();
      await cluster.lab.signalProcess('controller-manager', 'CONT');
      await weft.waitUntilRolledOut();
    });
    await suite().assertConnected();
  });

  it('loses no packet when kubelet makes a pod of weft again while the API server is away', async () => {
    const { cluster, weft } = suite();
    await suite().assertNoLoss(async () => {
      await cluster.stopApiServer();
      await weft.endPodOn('h2');
      await waitFor('kubelet to start the pod again', () => weft.isRunning('h2'));
    });
    await suite().assertNoLoss(() => cluster.startApiServer());
    await weft.waitUntilRolledOut();
    await suite().assertConnected();
  });

  it('leaves nothing on nodes when it is uninstalled', async () => {
    const { cluster, weft } = suite();
    await cluster.kubectl(['delete', 'pod', '--all']);
    await cluster.apply(await readManifest('cleanup.yaml'));
    await weft.waitUntilRolledOut();
    await cluster.kubectl(['delete', '-f', '-'], {
      input: await readManifest('weft.yaml'),
      timeoutMs: 150_000,
    });
    for (const node of NODES) assert.equal(await weft.tracesOn(node), '');
  });
});
