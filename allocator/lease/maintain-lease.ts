// The next step of a host with a key: check that the key is unchanged and its subnets still fit,
// publish what changed, remove a leaked second key. Pure.
import type { Now } from '../../lib/clock.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import { adopt, choiceInput, move, reportExhausted } from './acquire-lease.ts';
import { chooseMove } from './choose-subnet.ts';
import type { LeaseEffect, RegistryView } from './lease-effects.ts';
import type { LeaseEvent } from './lease-events.ts';
import type { Keyed } from './lease-state.ts';
import { isPublishedByAnother } from './node-identity.ts';
import { ownKeyStatus } from './own-key.ts';
import type { HeldKey } from './own-key.ts';
import { lose } from './lost-lease.ts';
import { recordOverwrite } from './overwrites.ts';
import { isBuried } from './tombstones.ts';
import { emit, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';
import { carryOn } from './write-key.ts';

/** Overwrites in a row that show another host with the same public address. */
const CONTEST_COUNT = 3;

export function maintain(state: Keyed, registry: RegistryView, now: Now): Transition {
  const { own } = state;
  // Until the cache has seen the last write, what it shows of the key is older than what is known.
  const isCurrent = registry.revision >= own.modRevision;
  return (
    (isCurrent ? checkOwnKey(state, registry, now) : undefined) ??
    // Before a move, since the leaked key may be the one to move to.
    removeLeak(state, registry, now) ??
    moveOrRelease(state, registry, now) ??
    publish(state, now) ??
    // A key that the last write removed may still be in the cache: it is no collision.
    to(state, ...(isCurrent ? [audit(own)] : []))
  );
}

/** Answers what another program did to the key. */
function checkOwnKey(state: Keyed, registry: RegistryView, now: Now): Transition | undefined {
  const { own } = state;
  const entry = registry.entries.get(own.key);
  const lease = registry.leases.get(own.key);
  if (entry === undefined) return lose(state, 'deleted', own);
  switch (ownKeyStatus(own, entry, lease, state.nodes)) {
    case 'taken':
      return lose(state, 'overwritten', own, entry);
    case 'modified':
      return isContested(state, lease)
        ? lose(state, 'overwritten', own, entry)
        : repair(state, entry, lease, now);
    case 'reattached':
      return adopt(state, entry, own.subnets, registry, now);
    case 'rewritten':
      return to(withFacts(state, { own: { ...own, modRevision: entry.modRevision } }));
    case 'intact':
    case 'gone':
      return undefined;
  }
}

/**
 * Whether another host has this key, too, and the address that this one had before: a backup brings
 * that back once, a host writes it again and again.
 */
function isContested({ nodes, overwrites }: Keyed, lease: Lease | undefined): boolean {
  const isAnother = lease !== undefined && isPublishedByAnother(lease.attributes, nodes.current);
  return isAnother && overwrites.count >= CONTEST_COUNT;
}

/**
 * Writes the own data again over another program's. A key without registry lease stays a
 * reservation.
 */
function repair(state: Keyed, entry: RegistryEntry, lease: Lease | undefined, now: Now): Transition {
  const { own } = state;
  const overwrites = recordOverwrite(state.overwrites, entry.modRevision, now);
  if (overwrites !== state.overwrites)
    return to(withFacts(state, { overwrites }), ...reportOverwrite(state, overwrites.count, lease));
  if (now.ms < overwrites.dueMs) return to(state);
  const isReserved = entry.leaseId === NO_LEASE || own.leaseId === NO_LEASE;
  const expected = { ...own, modRevision: entry.modRevision };
  const lasting = isReserved ? { leaseId: NO_LEASE } : {};
  return carryOn(state, { kind: 'repair', own: expected, previous: own.attributes, ...lasting }, now);
}

function reportOverwrite(
  { nodes, own: { key } }: Keyed,
  count: number,
  lease: Lease | undefined,
): LeaseEffect[] {
  const by = lease === undefined ? {} : { by: lease.attributes };
  const overwritten: LeaseEvent = { level: 'warn', code: 'key-overwritten', key, count, ...by };
  if (count !== CONTEST_COUNT || lease === undefined) return [emit(overwritten)];
  const { nodeId: identity } = nodes.current;
  return [emit(overwritten), emit({ level: 'error', code: 'public-ip-contested', key, identity, count })];
}

/** Makes the own subnets fit the config and the peers. */
function moveOrRelease(state: Keyed, registry: RegistryView, now: Now): Transition | undefined {
  const { own } = state;
  const rivals = earlierRivals(own, registry);
  const choice = chooseMove(choiceInput(state, registry), own, rivals);
  const audits = rivals.length > 0 ? [audit(own)] : [];
  switch (choice.kind) {
    case 'keep':
      return undefined;
    case 'pending':
      // The subnets that stay work; the others follow when one is free.
      return state.lastError === undefined ? after(audits, reportExhausted(state)) : undefined;
    case 'move':
      return after(audits, move(state, own, choice.subnets, registry, now));
    case 'release': {
      const reason = rivals.length > 0 ? 'overlap' : 'incompatible';
      // Subnets like these are not asked for again.
      const lost = lose(
        withFacts(state, { preferred: undefined }),
        reason,
        own,
        registry.entries.get(own.key),
      );
      return after(audits, lost);
    }
  }
}

function publish(state: Keyed, now: Now): Transition | undefined {
  const { own, publication } = state;
  if (publication.written === publication.requested) return undefined;
  const { attributes: previous, leaseId } = own;
  return carryOn(state, { kind: 'publish', own, previous, leaseId }, now);
}

/**
 * A second key on the own registry lease: a create that was carried out after its answer was given
 * up.
 */
function removeLeak(state: Keyed, registry: RegistryView, now: Now): Transition | undefined {
  const { own, tombstones } = state;
  if (own.leaseId === NO_LEASE) return undefined;
  for (const key of registry.duplicates.keys()) {
    const entry = registry.entries.get(key);
    if (entry?.leaseId === own.leaseId && !isBuried(tombstones, entry))
      return carryOn(state, { kind: 'remove', entry }, now);
  }
  return undefined;
}

/**
 * Subnets of peers that overlapped the own ones before the own key was created: a key guards one
 * pair of subnets only.
 */
function earlierRivals(
  { createdAt }: HeldKey,
  { entries, leases, overlapping }: RegistryView,
): LeaseSubnets[] {
  if (createdAt === undefined) return [];
  return [...overlapping]
    .filter((key) => (entries.get(key)?.modRevision ?? Infinity) < createdAt)
    .map((key) => leases.get(key)?.subnets ?? {});
}

function audit({ key }: HeldKey): LeaseEffect {
  return { kind: 'audit-own-key', key };
}

function after(effects: readonly LeaseEffect[], { state, effects: more }: Transition): Transition {
  return to(state, ...effects, ...more);
}
