// A cluster for the tests of one `describe`, and what each of them asserts of its pods.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before } from 'mocha';
import { packageRoot } from '../../../lab/package-root.ts';
import { startPings } from '../../../lab/traffic.ts';
import { Cluster, NODES, type NodeName } from './cluster.ts';
import { run } from './run-command.ts';
import { WeftDaemonSet } from './weft-daemon-set.ts';
import { fetchFrom, startPod, type Pod } from './workloads.ts';

/** Pings of {@link ClusterSuite.assertNoLoss}: a thousand a second. */
const LEAST_SENT = 500;

export class ClusterSuite {
  readonly cluster: Cluster;
  readonly weft: WeftDaemonSet;
  readonly #pods = new Map<NodeName, Pod>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.weft = new WeftDaemonSet(cluster);
  }

  pod(node: NodeName): Pod {
    const found = this.#pods.get(node);
    if (found === undefined) throw new Error(`No pod was started on ${node}`);
    return found;
  }

  async startPod(node: NodeName): Promise<void> {
    this.#pods.set(node, await startPod(this.cluster, `pod-${node}`, node));
  }

  /** Each pod reaches the other by each of its addresses. */
  async assertConnected(): Promise<void> {
    for (const [from, to] of [NODES, NODES.toReversed()] as readonly (readonly NodeName[])[])
      for (const address of this.pod(to!).addresses)
        assert.equal(await fetchFrom(this.cluster, this.pod(from!), address, 8080), this.pod(to!).name);
  }

  /** Runs `disturb` while a pod pings the other a thousand times a second; no answer may be missing. */
  async assertNoLoss(disturb: () => Promise<unknown>): Promise<void> {
    const { addresses } = this.pod('h2');
    const all = await Promise.all(
      addresses.map((address) => startPings(this.cluster.lab, this.pod('h1').name, address)),
    );
    await disturb();
    for (const pings of all) {
      const { lost, sent } = await pings.stop();
      assert.ok(sent >= LEAST_SENT, `${sent} sent`);
      assert.equal(lost, 0, `${lost} of ${sent} lost`);
    }
  }
}

/** Registers hooks that make and remove a cluster; the returned function gives it to tests. */
export function useCluster(): () => ClusterSuite {
  let suite: ClusterSuite | undefined;
  before(async function start() {
    this.timeout(300_000);
    suite = new ClusterSuite(await Cluster.create(`e2e-${process.pid}`));
    await suite.weft.importImage();
  });
  after(async function stop() {
    this.timeout(60_000);
    await suite?.cluster.down();
  });
  afterEach(async function showState() {
    if (this.currentTest?.state === 'failed' && suite !== undefined)
      console.error(await suite.weft.describe());
  });
  return () => suite!;
}

export function readManifest(name: string): Promise<string> {
  return readFile(join(packageRoot(), 'deploy/kubernetes', name), 'utf8');
}

/** Renders the chart as `make kube-manifests` does. HELM names the program. */
export function renderChart(...args: readonly string[]): Promise<string> {
  const helm = process.env['HELM'];
  if (helm === undefined) throw new Error('HELM is not set: run make test-kube-e2e');
  const chart = join(packageRoot(), 'deploy/kubernetes/chart');
  return run([helm, 'template', 'weft', chart, '--namespace', 'weft-system', ...args]);
}
