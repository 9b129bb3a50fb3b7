// The chart on a fresh cluster, with both families, and a change of its ConfigMap.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { waitFor } from '../../../lab/wait.ts';
import { NODES, type NodeName } from './cluster.ts';
import { renderChart, useCluster } from './suite.ts';
import { fetchFrom, startService } from './workloads.ts';

const NAMESPACE = ['--set', 'namespace.create=true'];
const DUAL_STACK = [...NAMESPACE, '--set', 'podCidrv6=fd00:10::/48'];

describe('the chart on a fresh cluster', function inOrder() {
  this.bail(true);
  const suite = useCluster();

  it('connects pods by addresses of both families', async () => {
    const { cluster, weft } = suite();
    await cluster.apply(await renderChart(...DUAL_STACK));
    await weft.waitUntilRolledOut();
    for (const node of NODES) await cluster.waitUntilReady(node);
    await Promise.all(NODES.map((node) => suite().startPod(node)));
    for (const node of NODES) assert.equal(suite().pod(node).addresses.length, 2);
    await suite().assertConnected();
  });

  it('connects pods with a service by addresses of both families', async () => {
    const addresses = await startService(suite().cluster, 'web');
    assert.equal(addresses.length, 2);
    for (const node of NODES)
      for (const address of addresses)
        assert.match(await fetchFrom(suite().cluster, suite().pod(node), address), /^pod-/);
  });

  /** Whether the pods of the other node are behind its own address. */
  async function isDirect(node: NodeName): Promise<boolean> {
    const routes = await suite().cluster.checkOnNode(node, ['ip', 'route']);
    return /^10\.244\.\d\.0\/24 via 198\.18\./m.test(routes);
  }

  it('changes the backend without a lost packet when the ConfigMap changes', async () => {
    const { cluster } = suite();
    await suite().assertNoLoss(async () => {
      await cluster.apply(await renderChart(...DUAL_STACK, '--set', 'backend.Type=host-gw'));
      // kubelet writes mounted ConfigMaps once a minute.
      for (const node of NODES)
        await waitFor(`${node} to reach the other pods without a tunnel`, () => isDirect(node), 170_000);
    });
    await suite().assertConnected();
  }).timeout(240_000);
});
