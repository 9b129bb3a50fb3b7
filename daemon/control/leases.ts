// GET /v1/leases, and the two requests that change leases.
import type { Lease } from '../../allocator/lease.ts';
import { RegistryError, type Registry } from '../../allocator/registry/registry.ts';
import {
  describeLeases,
  LeaseAdminError,
  releaseLease,
  reserveLease,
} from '../../allocator/lease/lease-admin.ts';
import type { DecodeEntry } from '../../allocator/registry/registry-snapshot-store.ts';
import type { NodeView, RegistryView } from '../view/node-view.ts';
import { ControlError, type ControlledNode, type Endpoint } from './endpoint.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { LeaseChangeV1, LeasesV1, ReleaseV1, ReserveV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export const leasesEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/leases',
  summary: 'every key below subnets/, from the registry cache',
  handle: async (daemon) => {
    await daemon.hostNames?.refresh();
    return { json: leasesOf(daemon) };
  },
};

export const reserveEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/leases/reserve',
  summary: 'reserves a subnet for a host: {"subnet":"10.5.72.0/24","publicIp":"198.18.1.2"}',
  handle: (daemon, { body }) => {
    const { subnet, publicIp } = readStrings(body, ['subnet', 'publicIp']);
    if (subnet === undefined) throw new ControlError(400, 'bad-request', 'subnet: is required');
    const request: ReserveV1 = { subnet, ...(publicIp !== undefined && { publicIp }) };
    return change(daemon, (registry) => reserveLease(registry, request));
  },
};

export const releaseEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/leases/release',
  summary: 'removes a key whose mod revision is unchanged: {"subnet":"10.5.72.0/24","modRevision":17}',
  handle: (daemon, { body }) => {
    const { subnet } = readStrings(body, ['subnet']);
    const { modRevision } = (body ?? {}) as Partial<ReleaseV1>;
    if (subnet === undefined || !Number.isSafeInteger(modRevision))
      throw new ControlError(
        400,
        'bad-request',
        'subnet and modRevision: both are required; GET /v1/leases has them',
      );
    return change(daemon, (registry) => releaseLease(registry, { subnet, modRevision: modRevision! }));
  },
};

function leasesOf({ clock, hostName, hostNames, registryCache, leaseManager }: NodeView): LeasesV1 {
  const nameOf = (lease: Lease): string | undefined =>
    lease.key === leaseManager?.own?.key ? hostName : hostNames?.of(lease);
  return {
    version: CONTROL_VERSION,
    at: wallTime(clock.nowMs()),
    revision: registryCache?.revision ?? 0,
    leases:
      registryCache === undefined
        ? []
        : describeLeases(
            registryCache.entries.values(),
            leaseManager?.own?.key,
            decodedBy(registryCache),
            nameOf,
          ),
  };
}

/** The cache has decoded each entry, as its registry wants it. */
function decodedBy({ invalidEntries, leases }: RegistryView): DecodeEntry {
  return ({ key }) => {
    const lease = leases.get(key);
    return lease === undefined ? { ok: false, invalid: invalidEntries.get(key)! } : { ok: true, lease };
  };
}

function readStrings<Name extends string>(
  body: unknown,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const members = (typeof body === 'object' && body !== null ? body : {}) as Readonly<
    Record<string, unknown>
  >;
  for (const name of names)
    if (members[name] !== undefined && typeof members[name] !== 'string')
      throw new ControlError(400, 'bad-request', `${name}: must be a string`);
  return members as Partial<Record<Name, string>>;
}

const STATUS = { 'bad-request': 400, 'not-found': 404, conflict: 409, 'not-ready': 503 } as const;

async function change(
  { registry }: ControlledNode,
  act: (registry: Registry) => Promise<LeaseChangeV1>,
): Promise<{ readonly json: LeaseChangeV1 }> {
  if (registry === undefined)
    throw new ControlError(503, 'not-ready', 'The daemon has not opened the registry yet');
  if (registry.allocation === 'assigned')
    throw new ControlError(
      409,
      'conflict',
      'Kubernetes assigns the subnets of this cluster: they go with the Node objects',
    );
  try {
    return { json: await act(registry) };
  } catch (error) {
    throw answerTo(error) ?? new ControlError(503, 'registry-unavailable', (error as Error).message);
  }
}

/** The answer to a change of a lease that failed; `undefined` if no lease is the reason. */
export function answerTo(error: unknown): ControlError | undefined {
  if (error instanceof LeaseAdminError)
    return new ControlError(STATUS[error.reason], error.reason, error.message);
  if (error instanceof RegistryError) return new ControlError(503, 'registry-unavailable', error.message);
  return undefined;
}
