// Finds how to reach an API server: the service account of a pod, a kubeconfig file or the flag
// --kube-api-url. Credentials are not read before they are needed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterAccess } from './access.ts';
import { readKubeconfig } from './kubeconfig.ts';

export interface AccessOptions {
  /** Several are separated by commas and tried in turn. Empty: from kubeconfig or the pod. */
  readonly apiUrl: string;
  /** Path; empty means none. */
  readonly kubeconfigFile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** @throws Error that names the setting and the remedy if no API server is configured. */
export async function findAccess(
  { apiUrl, kubeconfigFile }: AccessOptions,
  env: Environment,
  serviceAccount = SERVICE_ACCOUNT,
): Promise<ClusterAccess> {
  const urls = parseUrls(apiUrl);
  if (kubeconfigFile !== '') {
    const access = await readKubeconfig(kubeconfigFile, env);
    return urls.length === 0 ? access : { ...access, servers: urls };
  }
  const inCluster = inClusterAccess(env, serviceAccount);
  if (urls.length > 0)
    return inCluster === undefined ? anonymousAccess(urls) : { ...inCluster, servers: urls };
  if (inCluster === undefined)
    throw new Error(
      'No Kubernetes API server is configured: set --kubeconfig-file or --kube-api-url, or run weft in a pod (KUBERNETES_SERVICE_HOST is unset)',
    );
  return inCluster;
}

/** @throws Error that names the URL. */
function parseUrls(text: string): readonly string[] {
  const urls = text.split(',').map((url) => url.trim());
  return urls
    .filter((url) => url !== '')
    .map((url) => {
      if (!URL.canParse(url) || !/^https?:\/\//.test(url))
        throw new Error(`--kube-api-url: ${JSON.stringify(url)} is no URL; expected https://host:port`);
      return url.replace(/\/+$/, '');
    });
}

function anonymousAccess(servers: readonly string[]): ClusterAccess {
  return {
    servers,
    isTlsVerified: true,
    readAuthority: () => Promise.resolve(undefined),
    readCredentials: () => Promise.resolve({}),
    source: '--kube-api-url',
  };
}

/** Access by the service account of this pod; `undefined` outside of a cluster. */
function inClusterAccess(env: Environment, folder: string): ClusterAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || host === '' || port === undefined) return undefined;
  return {
    servers: [`https://${host.includes(':') ? `[${host}]` : host}:${port}`],
    isTlsVerified: true,
    readAuthority: () => readFile(join(folder, 'ca.crt'), 'utf8'),
    readCredentials: async () => ({ token: (await readFile(join(folder, 'token'), 'utf8')).trim() }),
    source: 'the service account of the pod',
  };
}
