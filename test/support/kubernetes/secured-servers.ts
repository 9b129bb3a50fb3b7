// API servers of a lab as real clusters have them: certificates of an authority, rights by RBAC, and
// tokens of weft's service account that are bound to a Node. Several of them serve one etcd.
import { createPrivateKey, sign } from 'node:crypto';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { INSIDE } from '../../../lab/daemon-command.ts';
import { ADMIN_TOKEN, apiServerCommand, writeServerFiles } from '../../../lab/kubernetes/api-server.ts';
import type { Lab } from '../../../lab/lab.ts';
import { ETCD_ADDRESS, ETCD_URL } from '../../../lab/topology.ts';
import type { Certificates } from '../certificates.ts';
import type { NodeServer } from './lab-cluster.ts';
import { collectionOf, type ManifestObject } from './manifest-objects.ts';

const CALL = fileURLToPath(new URL('api-call.js', import.meta.url));
const RIGHTS = new URL('../../../../deploy/kubernetes/rbac.yaml', import.meta.url);
const FOLDER = `${INSIDE}/api`;
const ACCOUNT = '/api/v1/namespaces/weft-system/serviceaccounts/weft';
const ENVIRONMENT = ['env', 'NODE_TLS_REJECT_UNAUTHORIZED=0', 'NODE_NO_WARNINGS=1'] as const;

export const PORTS = [6443, 6444] as const;
export type Port = (typeof PORTS)[number];

/** The API server takes a token this long after its end: clocks differ. */
const LEEWAY_SEC = 60;

/** A Node or a Pod, which a token ends with. */
interface BoundObject {
  readonly kind: 'Node' | 'Pod';
  readonly name: string;
  readonly uid: string;
}

interface ApiObject extends ManifestObject {
  readonly metadata: ManifestObject['metadata'] & { readonly uid: string };
}

export class SecuredServers implements NodeServer {
  readonly token = ADMIN_TOKEN;
  readonly environment = ENVIRONMENT.slice(1);
  readonly daemonFlags: readonly string[] = [];
  /** The server that administrators use. */
  port: Port = PORTS[0];
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get url(): string {
    return this.urlOf(this.port);
  }

  urlOf(port: Port): string {
    return `https://${ETCD_ADDRESS}:${port}`;
  }

  /** Writes the files of the servers and starts etcd. */
  async prepare(certificates: Certificates): Promise<void> {
    await mkdir(this.#outside(FOLDER), { recursive: true });
    await writeServerFiles(this.#outside(FOLDER));
    await this.useCertificates(certificates);
    await this.#lab.startEtcd();
  }

  /** Servers that start from now on have these, and believe clients of that authority. */
  async useCertificates({ ca, serverCert, serverKey }: Certificates): Promise<void> {
    await copyFile(ca, this.#outside(`${FOLDER}/client-ca.crt`));
    await copyFile(serverCert, this.#outside(`${FOLDER}/tls.crt`));
    await copyFile(serverKey, this.#outside(`${FOLDER}/tls.key`));
  }

  async start(port: Port): Promise<void> {
    const name = processOf(port);
    const place = { folder: FOLDER, address: ETCD_ADDRESS, port, etcdUrl: ETCD_URL };
    const files = [
      `--tls-cert-file=${FOLDER}/tls.crt`,
      `--tls-private-key-file=${FOLDER}/tls.key`,
      `--client-ca-file=${FOLDER}/client-ca.crt`,
    ];
    await this.#lab.startProcess(name, 'etcd', [...apiServerCommand(place), ...files]);
    const isReady = (): Promise<boolean> => this.accepts(ADMIN_TOKEN, port, '/readyz');
    await this.#lab.waitForProcess(name, `${name} is ready`, isReady);
  }

  stop(port: Port): Promise<void> {
    return this.#lab.signalProcess(processOf(port), 'KILL');
  }

  /** Keeps a copy of what etcd has; servers go on. */
  async backUp(): Promise<void> {
    await this.#lab.stopEtcd();
    await cp(this.#etcdFolder, `${this.#etcdFolder}.backup`, { recursive: true });
    await this.#lab.startEtcd();
  }

  /** Replaces what etcd has by the copy; servers go on. */
  async restore(): Promise<void> {
    await this.#lab.stopEtcd();
    await rm(this.#etcdFolder, { recursive: true });
    await cp(`${this.#etcdFolder}.backup`, this.#etcdFolder, { recursive: true });
    await this.#lab.startEtcd();
  }

  /** Whether a server answers a request with this token by 2xx. */
  async accepts(token: string, port = this.port, path = '/api/v1/nodes?limit=1'): Promise<boolean> {
    return (await this.#lab.query('etcd', this.#call('GET', path, token, port))).code === 0;
  }

  /** One request as the administrator. @throws unless the answer is 2xx. */
  async call(method: string, path: string, body?: object): Promise<ApiObject & Record<string, unknown>> {
    const input = body === undefined ? {} : { input: JSON.stringify(body) };
    const text = await this.#lab.check('etcd', this.#call(method, path, ADMIN_TOKEN, this.port), input);
    return JSON.parse(text) as ApiObject & Record<string, unknown>;
  }

  /** Creates the objects of deploy/kubernetes/rbac.yaml, or the one of a kind. */
  async grantRights(kind?: string): Promise<void> {
    const yaml = await readFile(fileURLToPath(RIGHTS), 'utf8');
    const objects = parseAllDocuments(yaml).map((document) => document.toJS() as ApiObject);
    for (const one of objects.filter((object) => kind === undefined || object.kind === kind))
      await this.call('POST', collectionOf(one), one);
  }

  /** Gives a user weft's rights to Nodes. */
  async grantRightsTo(user: string): Promise<void> {
    const group = 'rbac.authorization.k8s.io';
    await this.call('POST', `/apis/${group}/v1/clusterrolebindings`, {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `weft-${user}` },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'weft' },
      subjects: [{ apiGroup: group, kind: 'User', name: user }],
    });
  }

  /** weft's service account has no rights to Nodes from now on. */
  async revokeRights(): Promise<void> {
    await this.call('DELETE', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/weft');
  }

  /** What weft's service account may do to Nodes, and to their status. */
  async setVerbs(nodes: readonly string[], status: readonly string[]): Promise<void> {
    const of = (resource: string, verbs: readonly string[]): object[] =>
      verbs.length === 0 ? [] : [{ apiGroups: [''], resources: [resource], verbs }];
    const rules = [...of('nodes', nodes), ...of('nodes/status', status)];
    await this.call('PATCH', '/apis/rbac.authorization.k8s.io/v1/clusterroles/weft', { rules });
  }

  /** A token that lives an hour, or as long as what it is bound to. */
  async tokenOf(bound: Omit<BoundObject, 'uid'>): Promise<string> {
    const boundObjectRef = { apiVersion: 'v1', ...(await this.#identify(bound)) };
    const { status } = await this.call('POST', `${ACCOUNT}/token`, { spec: { boundObjectRef } });
    return (status as { token: string }).token;
  }

  /** A token of a Node that lives `seconds`: the API server itself gives ten minutes at least. */
  async shortTokenOf(node: string, seconds: number): Promise<string> {
    const { metadata } = await this.call('GET', ACCOUNT);
    const { name, uid } = await this.#identify({ kind: 'Node', name: node });
    const now = Math.floor((performance.timeOrigin + performance.now()) / 1000);
    const issuedAt = now - 2 * LEEWAY_SEC;
    const claims = {
      aud: ['https://kubernetes.default.svc'],
      iss: 'https://kubernetes.default.svc',
      sub: 'system:serviceaccount:weft-system:weft',
      iat: issuedAt,
      nbf: issuedAt,
      exp: now + seconds - LEEWAY_SEC,
      'kubernetes.io': {
        namespace: 'weft-system',
        node: { name, uid },
        serviceaccount: { name: 'weft', uid: metadata.uid },
      },
    };
    const key = createPrivateKey(await readFile(this.#outside(`${FOLDER}/sa.key`)));
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const text = `${encode({ alg: 'RS256' })}.${encode(claims)}`;
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }

  /** Makes a pod of weft's on a node, for a token that is bound to it. */
  async addPod(name: string, nodeName: string): Promise<void> {
    const spec = { serviceAccountName: 'weft', nodeName, containers: [{ name: 'weft', image: 'weft' }] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'weft-system' }, spec };
    await this.call('POST', collectionOf(pod), pod);
  }

  async deletePod(name: string): Promise<void> {
    await this.call('DELETE', `/api/v1/namespaces/weft-system/pods/${name}?gracePeriodSeconds=0`);
  }

  async #identify({ kind, name }: Omit<BoundObject, 'uid'>): Promise<BoundObject> {
    const namespace = kind === 'Pod' ? '/namespaces/weft-system' : '';
    const { metadata } = await this.call('GET', `/api/v1${namespace}/${kind.toLowerCase()}s/${name}`);
    return { kind, name, uid: metadata.uid };
  }

  #call(method: string, path: string, token: string, port: Port): string[] {
    return [...ENVIRONMENT, process.execPath, CALL, method, `${this.urlOf(port)}${path}`, token];
  }

  get #etcdFolder(): string {
    return this.#outside(`${INSIDE}/etcd`);
  }

  #outside(path: string): string {
    return this.#lab.sandbox.outside(path);
  }
}

function processOf(port: Port): string {
  return `api-${port}`;
}

/**
 * Writes the kubeconfig of a host's daemon, as those have that run beside kubelet: with the files
 * `ca.crt` and `token` of its folder, or with certificates inline.
 */
export async function writeKubeconfig(
  lab: Lab,
  host: string,
  server: string,
  inline?: Pick<Certificates, 'ca' | 'clientCert' | 'clientKey'>,
): Promise<void> {
  const data = async (file: string): Promise<string> => (await readFile(file)).toString('base64');
  const authority =
    inline === undefined
      ? { 'certificate-authority': 'ca.crt' }
      : { 'certificate-authority-data': await data(inline.ca) };
  const user =
    inline === undefined
      ? { tokenFile: 'token' }
      : {
          'client-certificate-data': await data(inline.clientCert),
          'client-key-data': await data(inline.clientKey),
        };
  const config = {
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    clusters: [{ name: 'lab', cluster: { server, ...authority } }],
    users: [{ name: 'lab', user }],
  };
  await writeFile(lab.sandbox.outside(`${INSIDE}/${host}/kubeconfig`), JSON.stringify(config));
}
