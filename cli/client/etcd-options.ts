// Options of etcd for commands that connect to it: the daemon's flags and environment variables.
import type { EtcdOptions as EtcdStoreOptions } from '../../allocator/registry/etcd/options.ts';
import {
  parseEtcdOptions,
  type EtcdFlagValues,
  type EtcdOptions,
} from '../../daemon/options/etcd-options.ts';
import type { OptionsV1 } from '../../api/index.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from '../../daemon/options/flags.ts';
import { findStrayCharacters } from '../../daemon/options/stray-characters.ts';
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

export type EtcdFlags = Readonly<Partial<Record<EtcdFlag, string | undefined>>>;
type Env = Readonly<Record<string, string | undefined>>;

/** Whether flags or environment name the endpoints. */
export function namesEndpoints(flags: EtcdFlags, env: Env = process.env): boolean {
  return (flags['etcd-endpoints'] ?? variableOf(env, 'etcd-endpoints')) !== undefined;
}

/**
 * Options of etcd, in this order: flags, environment, options of the running daemon, defaults. The
 * daemon does not report passwords, and its certificates are for its own endpoints.
 * @throws UsageError for invalid values.
 */
export function etcdOptionsOf(
  flags: EtcdFlags,
  env: Env = process.env,
  daemonOptions?: OptionsV1,
): EtcdStoreOptions {
  const ofDaemon =
    daemonOptions &&
    flagsOf(daemonOptions.options['etcd'] as Partial<EtcdOptions> | undefined, !namesEndpoints(flags, env));
  const values = Object.fromEntries(
    NAMES.map((name) => [
      name,
      flags[name] ?? variableOf(env, name) ?? ofDaemon?.[name] ?? DAEMON_FLAGS[name].default,
    ]),
  ) as unknown as EtcdFlagValues;
  const errors: string[] = NAMES.flatMap((name) => findStray(name, flags, env));
  const { auth, ...etcd } = parseEtcdOptions(values, {
    errors,
    warnings: [],
    labelOf: (name) => `--${name}`,
  });
  if (errors.length > 0) throw new UsageError(errors.join('; '));
  return { ...etcd, auth: auth && { username: auth.username, password: auth.password.reveal() } };
}

/** As for the daemon, an empty variable counts as unset. */
function variableOf(env: Env, name: EtcdFlag): string | undefined {
  return env[envOf(name)] || undefined;
}

/** A password may have any character. */
function findStray(name: EtcdFlag, flags: EtcdFlags, env: Env): string[] {
  const text = flags[name] ?? variableOf(env, name);
  if (text === undefined || name === 'etcd-password') return [];
  const stray = findStrayCharacters(text);
  const label = flags[name] === undefined ? envOf(name) : `--${name}`;
  return stray === undefined ? [] : [`${label}=${JSON.stringify(text)}: ${stray}`];
}

/** The flags that these options of a daemon come from. */
function flagsOf({ endpoints, prefix, ...etcd }: Partial<EtcdOptions> = {}, hasTls = true): EtcdFlags {
  const tls = hasTls ? etcd.tls : undefined;
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
