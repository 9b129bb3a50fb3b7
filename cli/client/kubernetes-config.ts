// The network config where the Kubernetes API is the registry: a file of this host, which kubelet
// writes from a ConfigMap. It is read here and changed in Kubernetes.
import { readFile } from 'node:fs/promises';
import type { OptionsV1 } from '../../api/index.ts';
import type { ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { NO_REVISION } from '../../allocator/registry/registry.ts';
import { UsageError } from '../usage-error.ts';
import { ControlClient, socketPath } from './control-client.ts';
import { ETCD_OPTIONS } from './etcd-options.ts';
import { kubernetesOptionsOf } from './kubernetes-options.ts';

const SERVICE_FILE = '/etc/default/weft';
const REMEDY = 'kubectl -n weft-system edit configmap weft-config';

/**
 * Path of the file on hosts whose daemon uses that registry, or would; `undefined` on others, and
 * where a flag names an etcd.
 */
export async function kubernetesConfigPath(
  flags: Readonly<Record<string, unknown>>,
  client = new ControlClient(socketPath(undefined)),
): Promise<string | undefined> {
  if (Object.keys(ETCD_OPTIONS).some((name) => flags[name] !== undefined)) return undefined;
  const options = await client.request<OptionsV1>('options').catch(() => undefined);
  const serviceFile = await readFile(SERVICE_FILE, 'utf8').catch(() => undefined);
  return kubernetesOptionsOf(options, serviceFile)?.configPath;
}

/** @throws UsageError if the file cannot be read. */
export async function readKubernetesConfig(
  path: string,
): Promise<ConfigSnapshot & { readonly text: string }> {
  try {
    const text = await readFile(path, 'utf8');
    const config = { text, modRevision: NO_REVISION };
    return { text, revision: NO_REVISION, config, leases: [], reports: new Map() };
  } catch (error) {
    throw new UsageError(`There is no network config in ${path}: ${(error as Error).message}; ${REMEDY}`);
  }
}

/** What a command that writes to etcd answers there. */
export function notInEtcd(command: string, path: string): UsageError {
  return new UsageError(
    `${command} works with etcd alone, and the registry of this host is the Kubernetes API: change net-conf.json of the ConfigMap that ${path} comes from, ${REMEDY}`,
  );
}
