// Where etcd is, for commands that talk to it themselves: the flags of the daemon, and its environment.
import { createEtcdConfigStore } from '../../allocator/registry/etcd/config-store.ts';
import type { EtcdOptions as EtcdStoreOptions } from '../../allocator/registry/etcd/options.ts';
import type { ConfigStore } from '../../allocator/registry/config-store.ts';
import {
  parseEtcdOptions,
  type EtcdFlagValues,
  type EtcdOptions,
} from '../../daemon/options/etcd-options.ts';
import type { OptionsV1 } from '../../api/index.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from '../../daemon/options/flags.ts';
import type { OptionSpec } from '../command-spec.ts';
import { UsageError } from '../usage-error.ts';

type EtcdFlag = keyof EtcdFlagValues;

const NAMES: readonly EtcdFlag[] = [
  'etcd-endpoints',
  'etcd-prefix',
  'etcd-keyfile',
  'etcd-certfile',
  'etcd-cafile',
  'etcd-username',
  'etcd-password',
];

/** Options of every such command. */
export const ETCD_OPTIONS = Object.fromEntries(
  NAMES.map((name) => [name, { type: 'string', help: `${DAEMON_FLAGS[name].help} Also ${envOf(name)}.` }]),
) as Record<EtcdFlag, OptionSpec & { readonly type: 'string' }>;

type EtcdFlags = Readonly<Partial<Record<EtcdFlag, string | undefined>>>;
type Env = Readonly<Record<string, string | undefined>>;

/** Opens the store that options and environment name. @throws UsageError if they make no sense. */
export function openConfigStore(
  flags: EtcdFlags,
  env: Env = process.env,
): { readonly store: ConfigStore; readonly key: string } {
  const etcd = etcdOptionsOf(flags, env);
  return { store: createEtcdConfigStore(etcd), key: `${etcd.prefix}/config` };
}

/**
 * Where etcd is: by options, by environment, by what a daemon says that it was `daemonOptions`, by default. A daemon keeps passwords to
 * itself. @throws UsageError if they make no sense.
 */
export function etcdOptionsOf(
  flags: EtcdFlags,
  env: Env = process.env,
  daemonOptions?: OptionsV1,
): EtcdStoreOptions {
  const ofDaemon =
    daemonOptions && flagsOf(daemonOptions.options['etcd'] as Partial<EtcdOptions> | undefined);
  const values = Object.fromEntries(
    NAMES.map((name) => [
      name,
      flags[name] ?? env[envOf(name)] ?? ofDaemon?.[name] ?? DAEMON_FLAGS[name].default,
    ]),
  ) as unknown as EtcdFlagValues;
  const errors: string[] = [];
  const { auth, ...etcd } = parseEtcdOptions(values, {
    errors,
    warnings: [],
    labelOf: (name) => `--${name}`,
  });
  if (errors.length > 0) throw new UsageError(errors.join('; '));
  return { ...etcd, auth: auth && { username: auth.username, password: auth.password.reveal() } };
}

/** Flags that a daemon with these options was started with. */
function flagsOf(etcd: Partial<EtcdOptions> = {}): EtcdFlags {
  const { endpoints, prefix, tls } = etcd;
  return {
    ...(endpoints && { 'etcd-endpoints': endpoints.join(',') }),
    ...(prefix !== undefined && { 'etcd-prefix': prefix }),
    ...(tls?.caFile !== undefined && { 'etcd-cafile': tls.caFile }),
    ...(tls?.client && { 'etcd-certfile': tls.client.certFile, 'etcd-keyfile': tls.client.keyFile }),
  };
}

function envOf(name: string): string {
  return `${ENV_PREFIX}${name.toUpperCase().replaceAll('-', '_')}`;
}
