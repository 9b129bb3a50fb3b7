// A Kubernetes cluster on this machine, for the tests of one `describe`: a control plane in namespace
// `etcd` of a lab, and on its hosts kubelet, containerd and kube-proxy. Everything ends with the
// sandbox of the lab, however this process ends, but for control groups.
// KUBE_BIN names the folder of Kubernetes' programs.
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSIDE } from '../../../lab/daemon-command.ts';
import { Lab } from '../../../lab/lab.ts';
import { packageRoot } from '../../../lab/package-root.ts';
import type { Output, RunOptions } from '../../../lab/sandbox.ts';
import { ETCD_ADDRESS, ETCD_URL } from '../../../lab/topology.ts';
import { waitFor } from '../../../lab/wait.ts';
import { ADMIN_TOKEN, apiServerCommand, writeServerFiles } from '../../../lab/kubernetes/api-server.ts';
import { writeBoxImage } from './box-image.ts';
import { makeGroups, removeGroups } from './cgroups.ts';
import * as files from './node-files.ts';

const PORT = 6443;
const SERVER = `https://${ETCD_ADDRESS}:${PORT}`;
/** Files of the cluster, as the sandbox sees them. */
const FOLDER = `${INSIDE}/kube`;
/** The same, as nodes see them: /run of the sandbox is `/run/lab` there. */
const FOLDER_IN_NODE = FOLDER.replace('/run', '/run/lab');
const NODE_SCRIPT = join(packageRoot(), 'test/kubernetes/e2e/node.sh');
/** `test/kubernetes/e2e/run.sh` removes control groups by this name when this process cannot. */
const GROUP = process.env['WEFT_E2E_GROUP'] ?? `weft-e2e-${process.pid}`;

export const NODES = ['h1', 'h2'] as const;
export type NodeName = (typeof NODES)[number];

export class Cluster {
  readonly lab: Lab;

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async create(name: string): Promise<Cluster> {
    const lab = await Lab.create({ name, hosts: NODES.length, start: false });
    const cluster = new Cluster(lab);
    try {
      await mkdir(lab.sandbox.outside(FOLDER), { recursive: true });
      await lab.sandbox.check([
        'sh',
        '-c',
        `mkdir ${FOLDER}/cgroup && mount --rbind /sys/fs/cgroup ${FOLDER}/cgroup`,
      ]);
      await makeGroups(GROUP, NODES);
      await writeBoxImage(lab.sandbox.outside(`${FOLDER}/box.tar`));
      await cluster.#startControlPlane();
      for (const node of NODES) await cluster.#startNode(node);
      for (const node of NODES)
        await lab.waitForProcess(
          `kubelet-${node}`,
          'kubelet registers its node',
          async () => (await cluster.tryKubectl(['get', 'node', node])).code === 0,
        );
      return cluster;
    } catch (error) {
      await cluster.down();
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.lab.down({ keepLogs: process.env['KEEP_LOGS'] === '1' });
    await removeGroups(GROUP);
  }

  async #startControlPlane(): Promise<void> {
    const folder = `${FOLDER}/api`;
    const outside = this.lab.sandbox.outside(folder);
    await mkdir(outside);
    await writeServerFiles(outside);
    const users = [
      'proxy,system:kube-proxy,proxy,',
      ...NODES.map((node) => `kubelet-${node},system:node:${node},${node},system:nodes`),
    ];
    await appendFile(join(outside, 'tokens.csv'), `${users.join('\n')}\n`);
    await this.#write('admin.kubeconfig', files.kubeconfigOf(SERVER, ADMIN_TOKEN));
    await this.#write('proxy.kubeconfig', files.kubeconfigOf(SERVER, 'proxy'));
    await this.lab.startEtcd();
    await this.startApiServer();
    const common = [`--kubeconfig=${FOLDER}/admin.kubeconfig`, '--leader-elect=false', '--secure-port=0'];
    await this.lab.startProcess('controller-manager', 'etcd', [
      program('kube-controller-manager'),
      ...common,
      '--allocate-node-cidrs',
      `--cluster-cidr=${files.POD_CIDRS}`,
      `--service-cluster-ip-range=${files.SERVICE_CIDRS}`,
      // The certificate that the API server made for itself.
      `--root-ca-file=${folder}/apiserver.crt`,
      `--service-account-private-key-file=${folder}/sa.key`,
    ]);
    await this.lab.startProcess('scheduler', 'etcd', [program('kube-scheduler'), ...common]);
  }

  async startApiServer(): Promise<void> {
    const place = { folder: `${FOLDER}/api`, address: ETCD_ADDRESS, port: PORT, etcdUrl: ETCD_URL };
    const command = [
      ...apiServerCommand(place),
      '--endpoint-reconciler-type=lease',
      // Nodes have no names in any DNS.
      '--kubelet-preferred-address-types=InternalIP',
      `--service-cluster-ip-range=${files.SERVICE_CIDRS}`,
      // Debian's etcd 3.4 does not report the progress that they need.
      '--feature-gates=WatchList=false',
    ];
    await this.lab.startProcess('api', 'etcd', command);
    await this.lab.waitForProcess(
      'api',
      'the API server is ready',
      async () => (await this.tryKubectl(['get', '--raw', '/readyz'])).code === 0,
    );
  }

  stopApiServer(): Promise<void> {
    return this.lab.signalProcess('api', 'KILL');
  }

  async #startNode(node: NodeName): Promise<void> {
    const [config, folder] = [`${FOLDER}/${node}.toml`, `${FOLDER}/${node}`];
    await this.#write(`${node}.toml`, files.containerdConfig());
    await this.lab.startProcess(`containerd-${node}`, node, [
      'sh',
      NODE_SCRIPT,
      folder,
      `${FOLDER}/cgroup`,
      config,
    ]);
    await this.lab.waitForProcess(
      `containerd-${node}`,
      'containerd answers',
      async () => (await this.onNode(node, ['ctr', 'version'])).code === 0,
    );
    await this.importImage(node, `${FOLDER_IN_NODE}/box.tar`);
    const address = this.lab.host(node).publicIp;
    await this.#write(`${node}.kubeconfig`, files.kubeconfigOf(SERVER, `kubelet-${node}`));
    await this.#write(`${node}.kubelet`, files.kubeletConfig(address, `/${GROUP}/${node}`));
    await this.startProxy(node, 'nftables');
    await this.#startOnNode(`kubelet-${node}`, node, [
      program('kubelet'),
      `--kubeconfig=${FOLDER_IN_NODE}/${node}.kubeconfig`,
      `--config=${FOLDER_IN_NODE}/${node}.kubelet`,
      `--hostname-override=${node}`,
      `--node-ip=${address},${this.lab.host(node).publicIpv6}`,
    ]);
  }

  async startProxy(node: NodeName, mode: files.ProxyMode): Promise<void> {
    const kubeconfig = `${FOLDER_IN_NODE}/proxy.kubeconfig`;
    await this.#write(`${node}.proxy`, files.proxyConfig(node, mode, kubeconfig));
    const command = [program('kube-proxy'), `--config=${FOLDER_IN_NODE}/${node}.proxy`];
    await this.#startOnNode(`proxy-${node}`, node, command);
  }

  /** Ends kube-proxy, removes its rules, and starts it in another mode. */
  async changeProxyMode(node: NodeName, mode: files.ProxyMode): Promise<void> {
    await this.lab.signalProcess(`proxy-${node}`, 'TERM');
    await this.onNode(node, [program('kube-proxy'), `--config=${FOLDER_IN_NODE}/${node}.proxy`, '--cleanup']);
    await this.startProxy(node, mode);
  }

  /** Imports an archive, whose path is as the node sees it. */
  async importImage(node: NodeName, path: string): Promise<void> {
    await this.checkOnNode(node, ['ctr', '-n', 'k8s.io', 'images', 'import', path]);
  }

  /** Runs a command on a node, with its network and its files. */
  async onNode(node: NodeName, argv: readonly string[], options?: RunOptions): Promise<Output> {
    return this.lab.sandbox.run([...(await this.#enter(node)), ...argv], undefined, options);
  }

  async checkOnNode(node: NodeName, argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.lab.sandbox.check([...(await this.#enter(node)), ...argv], undefined, options);
  }

  async #enter(node: NodeName): Promise<string[]> {
    const pid = await readFile(this.lab.sandbox.outside(`/run/containerd-${node}.pid`), 'utf8');
    return ['nsenter', '-t', pid.trim(), '-m', '-n', '--'];
  }

  async #startOnNode(name: string, node: NodeName, argv: readonly string[]): Promise<void> {
    await this.lab.startProcess(name, node, [...(await this.#enter(node)), ...argv]);
  }

  tryKubectl(argv: readonly string[], options?: RunOptions): Promise<Output> {
    const flags = [`--kubeconfig=${FOLDER}/admin.kubeconfig`, `--cache-dir=${FOLDER}/cache`];
    return this.lab.sandbox.query([program('kubectl'), ...flags, ...argv], 'etcd', options);
  }

  async kubectl(argv: readonly string[], options?: RunOptions): Promise<string> {
    const { code, stderr, stdout } = await this.tryKubectl(argv, options);
    if (code !== 0) throw new Error(`kubectl ${argv.join(' ')} failed (${code}): ${stderr || stdout}`);
    return stdout;
  }

  /** Creates or changes the objects of manifests. */
  apply(manifests: string): Promise<string> {
    return this.kubectl(['apply', '-f', '-'], { input: manifests });
  }

  async get<Item>(argv: readonly string[]): Promise<Item> {
    return JSON.parse(await this.kubectl(['get', '-o', 'json', ...argv])) as Item;
  }

  async waitUntilReady(node: NodeName): Promise<void> {
    await waitFor(`node ${node} to be ready`, async () => (await this.conditionOf(node, 'Ready')) === 'True');
  }

  async conditionOf(node: NodeName, type: string): Promise<string | undefined> {
    const found = await this.get<{ status: { conditions?: { type: string; status: string }[] } }>([
      'node',
      node,
    ]);
    return found.status.conditions?.find((condition) => condition.type === type)?.status;
  }

  #write(name: string, text: string): Promise<void> {
    return writeFile(this.lab.sandbox.outside(`${FOLDER}/${name}`), text);
  }
}

function program(name: string): string {
  const folder = process.env['KUBE_BIN'];
  if (folder === undefined) throw new Error('KUBE_BIN is not set: run make test-kube-e2e');
  return join(folder, name);
}
