// Lease administration through the daemon of this host, or directly at an etcd that options name.
import { describeLeases, releaseLease, reserveLease } from '../../allocator/lease/lease-admin.ts';
import { parseEtcdOptions, type EtcdFlagValues } from '../../daemon/options/etcd-options.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { LeaseChangeV1, LeasesV1, ReleaseV1, ReserveV1 } from '../../api/index.ts';
import type { CommandSpec } from '../command-spec.ts';
import { ControlClient, socketPath } from './control-client.ts';
import { UsageError } from '../usage-error.ts';

export interface LeaseAdminClient {
  list(): Promise<LeasesV1>;
  reserve(request: ReserveV1): Promise<LeaseChangeV1>;
  release(request: ReleaseV1): Promise<LeaseChangeV1>;
}

/** Options that name an etcd. */
export const ETCD_OPTIONS = {
  'etcd-endpoints': {
    type: 'string',
    value: 'URLS',
    help: "connect to this etcd instead of this host's daemon; separated by commas",
  },
  'etcd-prefix': { type: 'string', value: 'KEY', help: 'key prefix (default: /coreos.com/network)' },
  'etcd-cafile': { type: 'string', value: 'FILE', help: 'certificate authority of etcd' },
  'etcd-certfile': { type: 'string', value: 'FILE', help: 'client certificate' },
  'etcd-keyfile': { type: 'string', value: 'FILE', help: 'key of the client certificate' },
  'etcd-username': {
    type: 'string',
    value: 'NAME',
    help: 'etcd user; the password comes from FLANNELD_ETCD_PASSWORD',
  },
} as const satisfies CommandSpec['options'];

type EtcdValues = { readonly [Name in keyof typeof ETCD_OPTIONS]: string | undefined };

export async function openLeaseAdmin(
  values: EtcdValues & { readonly socket: string | undefined },
): Promise<LeaseAdminClient> {
  if (values['etcd-endpoints'] !== undefined) return openAtEtcd(values);
  const given = Object.keys(ETCD_OPTIONS).find((name) => values[name as keyof EtcdValues] !== undefined);
  if (given !== undefined) throw new UsageError(`--${given} needs --etcd-endpoints`);
  const client = new ControlClient(socketPath(values.socket));
  return {
    list: () => client.request<LeasesV1>('leases'),
    reserve: (body) =>
      client.request<LeaseChangeV1>('leases/reserve', { method: 'POST', body, timeoutMs: TIMEOUT_MS }),
    release: (body) =>
      client.request<LeaseChangeV1>('leases/release', { method: 'POST', body, timeoutMs: TIMEOUT_MS }),
  };
}

/** Covers a write to etcd. */
const TIMEOUT_MS = 20_000;

async function openAtEtcd(values: EtcdValues): Promise<LeaseAdminClient> {
  const { prefix, auth, ...etcd } = etcdOptionsOf(values);
  // Loaded late: the etcd client takes most of the load time.
  const { createEtcdRegistry } = await import('../../allocator/registry/etcd/index.ts');
  const credentials = auth && { username: auth.username, password: auth.password.reveal() };
  const registry = createEtcdRegistry({ ...etcd, prefix, auth: credentials });
  return {
    list: async () => {
      const { entries, revision } = await registry.snapshot();
      const at = new Date().toISOString();
      return { version: CONTROL_VERSION, at, revision, leases: describeLeases(entries) };
    },
    reserve: (request) => reserveLease(registry, request),
    release: (request) => releaseLease(registry, request),
  };
}

function etcdOptionsOf(values: EtcdValues) {
  const flags: EtcdFlagValues = {
    'etcd-endpoints': values['etcd-endpoints'] ?? '',
    'etcd-prefix': values['etcd-prefix'] ?? '/coreos.com/network',
    'etcd-cafile': values['etcd-cafile'] ?? '',
    'etcd-certfile': values['etcd-certfile'] ?? '',
    'etcd-keyfile': values['etcd-keyfile'] ?? '',
    'etcd-username': values['etcd-username'] ?? '',
    'etcd-password':
      values['etcd-username'] === undefined ? '' : (process.env['FLANNELD_ETCD_PASSWORD'] ?? ''),
  };
  const errors: string[] = [];
  const options = parseEtcdOptions(flags, { errors, warnings: [], labelOf: (name) => `--${name}` });
  if (errors.length > 0) throw new UsageError(errors.join('; '));
  return options;
}
