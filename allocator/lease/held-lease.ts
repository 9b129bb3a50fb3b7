// Transitions of a lease that is held: by a new key, an adopted one, or a renewal. Pure.
import { NO_RETRY } from '../../lib/backoff.ts';
import type { LeaseSubnets } from '../lease.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { LeaseEffect } from './lease-effects.ts';
import type { LeaseEvent, OwnLeaseChange } from './lease-events.ts';
import { factsOf, NO_RACES } from './lease-state.ts';
import type { Held, LeaseState } from './lease-state.ts';
import { isSameOwnKey } from './own-key.ts';
import type { HeldKey } from './own-key.ts';
import { unbury } from './tombstones.ts';
import { emit, revokeUnused, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';

/**
 * The registry confirmed `own`, with the attributes derived last. `events` say how it came to that.
 */
export function hold(state: LeaseState, own: HeldKey, ...events: readonly LeaseEvent[]): Transition {
  const { own: before, loss, publication } = state;
  // A key given up is still attached to this host's registry lease: it may be removed now.
  const isGivenUp = before !== undefined && (loss === 'overlap' || loss === 'incompatible');
  const held: Held = {
    ...factsOf(state),
    kind: 'held',
    own,
    tombstones: isGivenUp ? unbury(state.tombstones, before.key) : state.tombstones,
    publication: { ...publication, written: publication.derived },
    retry: NO_RETRY,
    write: undefined,
    lastError: undefined,
  };
  const used = attach(held);
  return to(used.state, ...events.map(emit), ...used.effects, ...announce(state, own));
}

/** A registry lease has the own key attached; one that a reservation makes obsolete is revoked. */
function attach(state: Held): Transition {
  if (state.own.leaseId === NO_LEASE) return revokeUnused(state);
  return to(withFacts(state, { registryLease: { ...state.registryLease, isUsed: true } }));
}

function announce({ own: before, loss, formerSubnets }: LeaseState, own: HeldKey): LeaseEffect[] {
  const from = before?.subnets ?? formerSubnets;
  const isRenumbering = from !== undefined && isRenumbered(from, own.subnets);
  const change: OwnLeaseChange =
    before === undefined ? 'acquired' : isRenumbering ? 'subnet-changed' : 'updated';
  const isChanged = loss !== undefined || before === undefined || !isSameOwnKey(before, own);
  return [
    ...(isRenumbering ? [emit({ level: 'error', code: 'subnet-changed', from, to: own.subnets })] : []),
    ...(isChanged ? [{ kind: 'notify-own-lease', change } as const] : []),
  ];
}

/** A held key by a create or a move: races are over. */
export function holdNew(state: LeaseState, own: HeldKey, ...events: readonly LeaseEvent[]): Transition {
  return hold(withFacts(state, { races: NO_RACES }), own, ...events);
}

/** The registry lease lives on. */
export function confirm(state: LeaseState): LeaseState {
  if (state.kind !== 'held' && state.kind !== 'expiring') return state;
  return { ...state, kind: 'held', lastError: undefined };
}

/**
 * Whether a family with a subnet before and after has another one: containers keep addresses of the
 * old subnet.
 */
export function isRenumbered(before: LeaseSubnets, after: LeaseSubnets): boolean {
  const isOther = <Subnet>(a: Subnet | undefined, b: Subnet | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  return isOther(before.ipv4, after.ipv4) || isOther(before.ipv6, after.ipv6);
}
