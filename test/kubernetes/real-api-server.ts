// A real kube-apiserver for suites: the command line, its files, and requests as an administrator.
// The caller runs it beside an etcd. KUBE_APISERVER names the program.
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const ADMIN_TOKEN = 'admin-of-the-suite';
const MANIFEST = fileURLToPath(new URL('../../../deploy/kubernetes/rbac.yaml', import.meta.url));

export interface ApiServerPlace {
  /** Folder for keys and certificates, which exists. As the server sees it. */
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  readonly etcdUrl: string;
}

/** Writes the files of the server; `folder` is as this process sees it. */
export async function writeServerFiles(folder: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFile(join(folder, 'sa.key'), privateKey);
  await writeFile(join(folder, 'sa.pub'), publicKey);
  await writeFile(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,system:masters\n`);
}

export function apiServerCommand({ address, etcdUrl, folder, port }: ApiServerPlace): string[] {
  const program = process.env['KUBE_APISERVER'];
  if (program === undefined) throw new Error('KUBE_APISERVER is not set: run make test-kube');
  return [
    program,
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--cert-dir=${folder}`,
    `--token-auth-file=${folder}/tokens.csv`,
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${folder}/sa.pub`,
    `--service-account-signing-key-file=${folder}/sa.key`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--endpoint-reconciler-type=none',
  ];
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Call {
  readonly url: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string;
  /** Default: a strategic merge for PATCH, JSON otherwise. */
  readonly contentType?: string;
}

/** One request, whatever certificate the server has. */
export function call({ body, method = 'GET', token = ADMIN_TOKEN, url, ...rest }: Call): Promise<Answer> {
  const usual = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
  const { contentType = usual } = rest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      rejectUnauthorized: false,
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** @throws unless the answer is 2xx. */
export async function mustCall(one: Call): Promise<Record<string, unknown>> {
  const { body, status } = await call(one);
  if (status < 200 || status > 299) throw new Error(`${one.method ?? 'GET'} ${one.url}: ${status} ${body}`);
  return JSON.parse(body) as Record<string, unknown>;
}

/** Applies the manifest of weft's rights; unknown fields are errors. */
export async function applyRights(url: string): Promise<void> {
  for (const document of parseAllDocuments(await readFile(MANIFEST, 'utf8'))) {
    const body = document.toJS() as { apiVersion: string; kind: string; metadata: { namespace?: string } };
    await mustCall({ url: `${url}${pathOf(body)}?fieldValidation=Strict`, method: 'POST', body });
  }
}

function pathOf({
  apiVersion,
  kind,
  metadata,
}: {
  apiVersion: string;
  kind: string;
  metadata: { namespace?: string };
}): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const plural = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  return `${group}${namespace}/${plural.toLowerCase()}`;
}

/** A token of weft's service account that is bound to the Node `name`, as one of a pod there is. */
export async function tokenFor(url: string, name: string): Promise<string> {
  const node = await mustCall({ url: `${url}/api/v1/nodes/${name}` });
  const { uid } = node['metadata'] as { uid: string };
  const answer = await mustCall({
    url: `${url}/api/v1/namespaces/weft-system/serviceaccounts/weft/token`,
    method: 'POST',
    body: { spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name, uid } } },
  });
  return (answer['status'] as { token: string }).token;
}
