// Nodes of the API server of a lab: how a test makes, changes and removes them, as kubelet, the
// controller manager and administrators do. It knows the API alone, so that it serves any server.
import { fileURLToPath } from 'node:url';
import { mkdir, writeFile } from 'node:fs/promises';
import type { Lab } from '../../../lab/lab.ts';
import { INSIDE } from '../../../lab/daemon-command.ts';
import type { LabApiServer } from '../../../lab/kubernetes/lab-api-server.ts';
import type { FakeNode } from './fake-api-server.ts';

export const PREFIX = 'flannel.alpha.coreos.com/';
const CALL = fileURLToPath(new URL('api-call.js', import.meta.url));
/** Where the network config of all nodes is, inside the sandbox. */
const CONFIG_FOLDER = `${INSIDE}/kube-flannel`;
const CONFIG = `${CONFIG_FOLDER}/net-conf.json`;
const CNI_CONFIG = `${CONFIG_FOLDER}/cni-conf.json`;
/** What a ConfigMap of weft.yaml has for container runtimes. */
export const CONFLIST = '{"name":"cbr0","cniVersion":"1.0.0","plugins":[{"type":"weft-cni"}]}';

/** Each node has a MAC of its own: a second node with one of another's is refused. */
function macOf(publicIp: string): string {
  const bytes = publicIp.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['0e', '65', ...bytes].join(':');
}

/** What flanneld publishes; without a MAC, as with host-gw. */
export function flannelAnnotations({
  mac,
  publicIp,
}: {
  readonly publicIp: string;
  readonly mac?: string;
}): Record<string, string> {
  return {
    [`${PREFIX}kube-subnet-manager`]: 'true',
    [`${PREFIX}backend-type`]: mac === undefined ? 'host-gw' : 'vxlan',
    [`${PREFIX}backend-data`]: mac === undefined ? 'null' : JSON.stringify({ VNI: 1, VtepMAC: mac }),
    [`${PREFIX}public-ip`]: publicIp,
  };
}

/** What is asked, and what daemons use. */
export type NodeServer = Pick<LabApiServer, 'url' | 'token' | 'environment' | 'daemonFlags'>;

export class LabCluster {
  readonly #lab: Lab;
  readonly #server: NodeServer;
  #versions = 0;

  constructor(lab: Lab, server: NodeServer) {
    this.#lab = lab;
    this.#server = server;
  }

  /** Of commands that ask the API server themselves. */
  get accessFlags(): readonly string[] {
    return [`--kube-api-url=${this.#server.url}`, ...this.#server.daemonFlags];
  }

  async addNode(name: string, podCIDRs: readonly string[] = []): Promise<void> {
    const spec = podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0], podCIDRs };
    await this.call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec });
  }

  assign(name: string, podCIDRs: readonly string[]): Promise<unknown> {
    return this.call('PATCH', `/api/v1/nodes/${name}`, { spec: { podCIDR: podCIDRs[0], podCIDRs } });
  }

  annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
    return this.call('PATCH', `/api/v1/nodes/${name}/status`, { metadata: { annotations } });
  }

  /** A node of flannel that is no host of the lab. */
  async addFlannelNode(name: string, podCidr: string, publicIp: string): Promise<void> {
    await this.addNode(name, [podCidr]);
    await this.annotate(name, flannelAnnotations({ publicIp, mac: macOf(publicIp) }));
  }

  deleteNode(name: string): Promise<unknown> {
    return this.call('DELETE', `/api/v1/nodes/${name}`);
  }

  async node(name: string): Promise<FakeNode> {
    return JSON.parse(await this.call('GET', `/api/v1/nodes/${name}`)) as FakeNode;
  }

  /**
   * As kubelet changes a mounted ConfigMap: a new folder, the link `..data` to it, and the former
   * folder removed.
   */
  async putConfig(config: string): Promise<void> {
    const folder = `${CONFIG_FOLDER}/..${++this.#versions}`;
    await mkdir(this.#lab.sandbox.outside(folder), { recursive: true });
    await writeFile(this.#lab.sandbox.outside(`${folder}/net-conf.json`), config);
    await writeFile(this.#lab.sandbox.outside(`${folder}/cni-conf.json`), CONFLIST);
    const script = `cd "$1" && ln -s "$2" ..data_tmp && mv -T ..data_tmp ..data &&
      ln -sf ..data/net-conf.json ..data/cni-conf.json . && rm -rf "..$(($3 - 1))"`;
    const version = String(this.#versions);
    await this.#lab.sandbox.check(['sh', '-c', script, 'sh', CONFIG_FOLDER, `..${version}`, version]);
  }

  /** Folder, inside the sandbox, that a node's container runtime reads. */
  confFolder(name: string): string {
    return `${INSIDE}/${name}/net.d`;
  }

  /** @param node - name of its Node; default that of the host. */
  async startDaemon(name: string, more: readonly string[] = [], node = name): Promise<void> {
    const { daemonFlags, url } = this.#server;
    const flags = [
      '--kube-subnet-mgr',
      `--kube-api-url=${url}`,
      `--net-config-path=${CONFIG}`,
      `--cni-config-path=${CNI_CONFIG}`,
      `--cni-conf-file=${this.confFolder(name)}/10-flannel.conflist`,
      ...daemonFlags,
    ];
    const under = node === name ? [] : ['env', `NODE_NAME=${node}`];
    await this.#lab.startDaemon(name, [...flags, ...more], under);
  }

  /** One request as the administrator; returns the body. @throws unless the answer is 2xx. */
  async call(method: string, path: string, body?: object): Promise<string> {
    const { environment, token, url } = this.#server;
    const argv = ['env', ...environment, process.execPath, CALL, method, `${url}${path}`];
    const input = body === undefined ? {} : { input: JSON.stringify(body) };
    return this.#lab.check('etcd', token === undefined ? argv : [...argv, token], input);
  }
}
