// weft's DaemonSet in a cluster: its pods, their containers, and what it has left on nodes.
import { join } from 'node:path';
import { packageRoot } from '../../../lab/package-root.ts';
import type { Output } from '../../../lab/sandbox.ts';
import { waitFor } from '../../../lab/wait.ts';
import { NODES, type Cluster, type NodeName } from './cluster.ts';

const NAMESPACE = ['-n', 'weft-system'] as const;

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName: string };
    readonly status: PodStatus;
  }[];
}

interface PodStatus {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly { readonly restartCount: number }[];
}

const isReady = ({ conditions }: PodStatus): boolean =>
  conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

export class WeftDaemonSet {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** WEFT_IMAGE names an archive, relative to the project. */
  async importImage(): Promise<void> {
    const archive = process.env['WEFT_IMAGE'];
    if (archive === undefined) throw new Error('WEFT_IMAGE is not set: run make test-kube-e2e');
    for (const node of NODES) await this.#cluster.importImage(node, join(packageRoot(), archive));
  }

  /** Waits until the DaemonSet is as its template says, and each node has a pod that is ready. */
  async waitUntilRolledOut(): Promise<void> {
    const argv = [...NAMESPACE, 'rollout', 'status', 'daemonset/weft', '--timeout=120s'];
    await this.#cluster.kubectl(argv, { timeoutMs: 130_000 });
    // The status of the DaemonSet is old while its controller is behind.
    await waitFor('a ready pod of weft on each node', async () => {
      const pods = await this.#pods();
      return NODES.every((node) =>
        pods.some(({ spec, status }) => spec.nodeName === node && isReady(status)),
      );
    });
  }

  async podOn(node: NodeName): Promise<string> {
    const found = (await this.#pods()).find(
      ({ metadata, spec }) => spec.nodeName === node && metadata.deletionTimestamp === undefined,
    );
    if (found === undefined) throw new Error(`No pod of weft on ${node}`);
    return found.metadata.name;
  }

  async restartsOf(pod: string): Promise<number> {
    const found = (await this.#pods()).find(({ metadata }) => metadata.name === pod);
    return found?.status.containerStatuses?.[0]?.restartCount ?? 0;
  }

  async #pods(): Promise<PodList['items']> {
    return (await this.#cluster.get<PodList>([...NAMESPACE, 'pods', '-l', 'weft/pool=default'])).items;
  }

  exec(pod: string, argv: readonly string[]): Promise<Output> {
    return this.#cluster.tryKubectl([...NAMESPACE, 'exec', pod, '-c', 'weft', '--', ...argv]);
  }

  /** Ends the daemon of a node by SIGKILL, as the kernel does when memory is short. */
  async kill(node: NodeName): Promise<void> {
    const pid = await this.#daemonOn(node);
    if (pid === undefined) throw new Error(`No daemon runs on ${node}`);
    await this.#cluster.lab.sandbox.check(['kill', '-KILL', pid]);
    await waitFor(`the daemon on ${node} to end`, async () => (await this.#daemonOn(node)) !== pid);
  }

  /** Ends the pod of a node without a request to the API server: by its pause, as kubelet notices. */
  async endPodOn(node: NodeName): Promise<void> {
    const pid = await this.#daemonOn(node);
    const script = `ctr -n k8s.io tasks ls | awk -v daemon="$1" '$2 == daemon { print $1 }'`;
    const id = (await this.#cluster.checkOnNode(node, ['sh', '-c', script, 'sh', pid ?? ''])).trim();
    const label = `ctr -n k8s.io containers info "$1" | sed -n 's/.*"io.kubernetes.cri.sandbox-id": "\\(.*\\)".*/\\1/p'`;
    const sandbox = (await this.#cluster.checkOnNode(node, ['sh', '-c', label, 'sh', id])).trim();
    for (const task of [id, sandbox])
      await this.#cluster.checkOnNode(node, ['ctr', '-n', 'k8s.io', 'tasks', 'kill', '-s', 'SIGKILL', task]);
    await waitFor(`the daemon on ${node} to end`, async () => (await this.#daemonOn(node)) !== pid);
  }

  async isRunning(node: NodeName): Promise<boolean> {
    return (await this.#daemonOn(node)) !== undefined;
  }

  /** The brackets keep the shell from its own answer; daemons of other nodes are in another network. */
  async #daemonOn(node: NodeName): Promise<string | undefined> {
    const script = `for pid in $(pgrep -f -- '[-]-kube-subnet-mgr'); do
      [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ] && echo $pid; done; true`;
    const { stdout } = await this.#cluster.onNode(node, ['sh', '-c', script]);
    return stdout.split('\n').find((line) => line !== '');
  }

  /** Names of what is on a node and would not be there without weft. Empty means clean. */
  async tracesOn(node: NodeName): Promise<string> {
    const script = `
      ip -o link show type vxlan
      ip -4 route show | grep -E '^10\\.244\\.' | grep -v 'dev cni0'
      nft list tables | grep -iE 'weft|flannel'
      iptables-save 2>/dev/null | grep -iE 'weft|flannel'
      find /run/flannel /run/weft /var/cache/weft /etc/cni /opt/cni ! -type d
      true`;
    return (await this.#cluster.checkOnNode(node, ['sh', '-c', script])).trim();
  }

  /** Nodes, pods, and the last lines of events and logs, for the report of a failed test. */
  async describe(): Promise<string> {
    const logs = [...NAMESPACE, 'logs', '-l', 'weft/pool=default', '--all-containers', '--ignore-errors'];
    const outputs = await Promise.all(
      [
        ['get', 'nodes,pods', '-A', '-o', 'wide'],
        ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
        [...logs, '--tail=15', '--prefix', '--previous'],
        [...logs, '--tail=15', '--prefix'],
      ].map((argv) => this.#cluster.tryKubectl(argv)),
    );
    const kubelets = await Promise.all(NODES.map((node) => this.#cluster.lab.logTail(`kubelet-${node}`, 8)));
    const texts = [...outputs.map(({ stdout, stderr }) => stdout + stderr), ...kubelets];
    return texts.map((text) => text.trim().split('\n').slice(-40).join('\n')).join('\n---\n');
  }
}
