// Where etcd is, for commands that talk to it themselves: the flags of the daemon, and its environment.
import { createEtcdConfigStore } from '../allocator/etcd/config-store.ts';
import type { ConfigStore } from '../allocator/config-store.ts';
import { parseEtcdOptions, type EtcdFlagValues } from '../daemon/etcd-options.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from '../daemon/flags.ts';
import type { OptionWords } from './command.ts';
import { UsageError } from './usage-error.ts';

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
) as Record<EtcdFlag, OptionWords & { readonly type: 'string' }>;

/** Opens the store that options and environment name. @throws UsageError if they make no sense. */
export function openConfigStore(
  given: Readonly<Partial<Record<EtcdFlag, string | undefined>>>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): { readonly store: ConfigStore; readonly key: string } {
  const values = Object.fromEntries(
    NAMES.map((name) => [name, given[name] ?? env[envOf(name)] ?? DAEMON_FLAGS[name].default]),
  ) as unknown as EtcdFlagValues;
  const errors: string[] = [];
  const { auth, ...etcd } = parseEtcdOptions(values, {
    errors,
    warnings: [],
    labelOf: (name) => `--${name}`,
  });
  if (errors.length > 0) throw new UsageError(errors.join('; '));
  const credentials = auth && { username: auth.username, password: auth.password.reveal() };
  return { store: createEtcdConfigStore({ ...etcd, auth: credentials }), key: `${etcd.prefix}/config` };
}

function envOf(name: string): string {
  return `${ENV_PREFIX}${name.toUpperCase().replaceAll('-', '_')}`;
}
