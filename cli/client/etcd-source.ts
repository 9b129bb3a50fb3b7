// Which etcd a command uses: of flags, the environment, the daemon beside it, or the file of its service,
// in this order. Without any of them flannel's defaults are a guess.
import { readFile } from 'node:fs/promises';
import type { EtcdOptions } from '../../allocator/registry/etcd/options.ts';
import type { OptionsV1 } from '../../api/index.ts';
import { parseEnvFile } from '../../lib/env-file.ts';
import { UsageError } from '../usage-error.ts';
import type { ControlClient } from './control-client.ts';
import { etcdOptionsOf, namesEndpoints, type EtcdFlags } from './etcd-options.ts';

/** Variables of the daemon's unit (deploy/systemd/weft.service). */
const SERVICE_FILE = '/etc/default/weft';

export interface EtcdSource {
  readonly etcd: EtcdOptions;
  /** Options of the running daemon; unset if none answers. */
  readonly daemon: OptionsV1 | undefined;
  /** Whether anything names the endpoints. */
  readonly isNamed: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws UsageError for values that make no sense. */
export async function findEtcd(
  client: Pick<ControlClient, 'request'>,
  flags: EtcdFlags,
  env: Env = process.env,
  serviceFile = SERVICE_FILE,
): Promise<EtcdSource> {
  const daemon = await client.request<OptionsV1>('options').catch(() => undefined);
  // A daemon has read its file already, and perhaps with other flags before it.
  const all = daemon === undefined ? { ...(await serviceVariables(serviceFile)), ...env } : env;
  const isNamed = daemon !== undefined || namesEndpoints(flags, all);
  return { etcd: etcdOptionsOf(flags, all, daemon), daemon, isNamed };
}

/** Empty if the file cannot be read. */
async function serviceVariables(path: string): Promise<Env> {
  return Object.fromEntries(parseEnvFile(await readFile(path, 'utf8').catch(() => '')));
}

/** @throws UsageError where the daemon takes its config from a file. */
export function requireEtcd(
  { daemon }: Pick<EtcdSource, 'daemon'>,
  flags: EtcdFlags,
  env: Env = process.env,
): void {
  const kubernetes = daemon?.options['kubernetes'] as { readonly configPath?: string } | undefined;
  if (kubernetes === undefined || namesEndpoints(flags, env)) return;
  throw new UsageError(
    `The network config of this host is the file ${kubernetes.configPath ?? 'of --net-config-path'}, of a ConfigMap, ` +
      'as Kubernetes is the registry: edit that; for an etcd give --etcd-endpoints',
  );
}
