// Reads a kubeconfig file: the cluster and the user of its current context. Source: Kubernetes,
// client-go/tools/clientcmd/api/v1.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ClusterAccess, Credentials } from './access.ts';
import { runExecPlugin, type ExecPlugin } from './exec-plugin.ts';

interface KubeCluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
}

interface KubeUser {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly exec?: ExecPlugin;
}

interface Kubeconfig {
  readonly 'current-context'?: string;
  readonly clusters?: readonly { readonly name: string; readonly cluster?: KubeCluster }[];
  readonly users?: readonly { readonly name: string; readonly user?: KubeUser }[];
  readonly contexts?: readonly {
    readonly name: string;
    readonly context?: { readonly cluster?: string; readonly user?: string };
  }[];
}

/** @throws Error that names the file, the missing part and the remedy. */
export async function readKubeconfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ClusterAccess> {
  const { cluster, user } = await readContext(path);
  const folder = dirname(resolve(path));
  const file = (name: string): Promise<string> => readFile(resolve(folder, name), 'utf8');
  if (cluster.server === undefined || !URL.canParse(cluster.server))
    throw new Error(
      `${path}: clusters[].cluster.server is ${JSON.stringify(cluster.server)}; expected https://host:port`,
    );
  return {
    servers: [cluster.server.replace(/\/+$/, '')],
    ...(cluster['tls-server-name'] !== undefined && { tlsServerName: cluster['tls-server-name'] }),
    isTlsVerified: cluster['insecure-skip-tls-verify'] !== true,
    readAuthority: async () => inlineOrFile(cluster, 'certificate-authority', file),
    readCredentials: (signal) =>
      readCredentials(user, { file, folder, env, server: cluster.server!, ...(signal && { signal }) }),
    source: path,
  };
}

async function readContext(
  path: string,
): Promise<{ readonly cluster: KubeCluster; readonly user: KubeUser }> {
  // Loaded only here: a pod has no kubeconfig.
  const { parse } = await import('yaml');
  let config: Kubeconfig;
  try {
    config = (parse(await readFile(path, 'utf8')) ?? {}) as Kubeconfig;
  } catch (error) {
    throw new Error(`--kubeconfig-file: cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const name = config['current-context'] ?? '';
  const context = config.contexts?.find((one) => one.name === name)?.context;
  if (context === undefined)
    throw new Error(
      `${path}: current-context ${JSON.stringify(name)} is not among its contexts; set it with kubectl config use-context`,
    );
  const cluster = config.clusters?.find((one) => one.name === context.cluster)?.cluster;
  const user = config.users?.find((one) => one.name === context.user)?.user;
  if (cluster === undefined)
    throw new Error(
      `${path}: context ${JSON.stringify(name)} names the cluster ${JSON.stringify(context.cluster)}, which is not in the file`,
    );
  return { cluster, user: user ?? {} };
}

interface ReadContext {
  readonly file: (name: string) => Promise<string>;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly server: string;
  readonly signal?: AbortSignal;
}

async function readCredentials(user: KubeUser, context: ReadContext): Promise<Credentials> {
  const { file } = context;
  if (user.exec !== undefined) return runExecPlugin(user.exec, context);
  const certificate = await inlineOrFile(user, 'client-certificate', file);
  const key = await inlineOrFile(user, 'client-key', file);
  const token = user.tokenFile === undefined ? user.token : (await file(user.tokenFile)).trim();
  return {
    ...(token !== undefined && { token }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
  };
}

/** The member `name-data` in base64, or else the file that `name` names. */
function inlineOrFile(
  object: object,
  name: string,
  file: (name: string) => Promise<string>,
): Promise<string | undefined> {
  const members = object as Readonly<Record<string, string | undefined>>;
  const inline = members[`${name}-data`];
  if (inline !== undefined && inline !== '')
    return Promise.resolve(Buffer.from(inline, 'base64').toString('utf8'));
  const path = members[name];
  return path === undefined || path === '' ? Promise.resolve(undefined) : file(path);
}
