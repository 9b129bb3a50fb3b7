// Gives the subnet of this host back: removes its key with compare, and that of no other host.
import { decodeEntry } from '../registry/lease-entry.ts';
import type { Registry, RegistryEntry } from '../registry/registry.ts';
import { LeaseAdminError } from './lease-admin.ts';
import type { OwnLease } from './lease-events.ts';
import { isPublishedByAnother } from './node-identity.ts';
import type { NodeIdentity } from './node-identity.ts';

/** Another program may write the key between two attempts. */
const ATTEMPTS = 3;

/**
 * Resolves once `own` is not in the registry, or is another host's.
 * @throws RegistryError, then it may be there or not; LeaseAdminError
 */
export async function releaseOwnKey(
  registry: Pick<Registry, 'remove'>,
  { key, modRevision }: OwnLease,
  node: NodeIdentity,
  signal: AbortSignal,
): Promise<void> {
  let revision = modRevision;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const result = await registry.remove(key, revision, signal);
    if (result.written || result.current === undefined || isForeign(result.current, node)) return;
    revision = result.current.modRevision;
  }
  throw new LeaseAdminError('conflict', `${key} changes all the time: retry`);
}

function isForeign(entry: RegistryEntry, node: NodeIdentity): boolean {
  const decoded = decodeEntry(entry);
  return decoded.ok && isPublishedByAnother(decoded.lease.attributes, node);
}
