// The next step of a host without a key: adopt, move, remove or create one, or wait because the
// pool is full. The choice is `choose-subnet.ts`'s. Pure.
import type { Now } from '../../lib/clock.ts';
import type { LeaseSubnets } from '../lease.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import { PoolExhaustedError } from '../subnet/pool-exhausted-error.ts';
import { chooseSubnet } from './choose-subnet.ts';
import type { ChoiceInput } from './choose-subnet.ts';
import type { RegistryView } from './lease-effects.ts';
import { factsOf } from './lease-state.ts';
import type { Keyless, LeaseState } from './lease-state.ts';
import { preparationFor } from './pending-write.ts';
import type { KeyVersion } from './pending-write.ts';
import { fail, pause, rejectWrite, revokeUnused, to, withFacts } from './transition.ts';
import type { Transition } from './transition.ts';
import { carryOn } from './write-key.ts';

export function acquire(keyless: Keyless, registry: RegistryView, now: Now): Transition {
  if (!registry.isConnected) return to(rejectWrite(keyless, now));
  const state: Keyless = keyless.kind === 'waiting' ? { ...keyless, kind: 'acquiring' } : keyless;
  const choice = chooseSubnet(choiceInput(state, registry));
  switch (choice.kind) {
    case 'adopt':
      return adopt(state, choice.entry, choice.subnets, registry, now);
    case 'move':
      return move(state, choice.entry, choice.subnets, registry, now);
    case 'remove':
      return carryOn(state, choice, now);
    case 'create': {
      const { isPreferred, subnets: choices } = choice;
      return carryOn(state, { kind: 'create', choices, isPreferred, previous: state.own?.attributes }, now);
    }
    case 'exhausted':
      // One state at a time: listeners see `acquiring` first.
      return state === keyless ? exhaust(state, now) : to(state);
  }
}

/** What is known now, for a decision. */
export function choiceInput(state: LeaseState, registry: RegistryView): ChoiceInput {
  const { avoided, nodes, own, pool, preferred, races, tombstones } = state;
  const { entries, leases, revision } = registry;
  const isNewer = races.taken !== undefined && races.taken.revision > revision;
  return {
    ...nodes.current,
    pool,
    avoided,
    entries,
    leases,
    tombstones: tombstones.revisions,
    attempt: races.count,
    ...(own && { lost: own }),
    ...(preferred && { previous: preferred }),
    ...(isNewer && { takenKeys: races.taken.keys }),
  };
}

/** Makes `entry`, a key of this host, the own one. */
export function adopt(
  state: LeaseState,
  entry: RegistryEntry,
  subnets: LeaseSubnets,
  { leases }: Pick<RegistryView, 'leases'>,
  now: Now,
): Transition {
  const published = leases.get(entry.key)?.attributes;
  const preparation = preparationFor(entry, published ?? state.own?.attributes);
  // If the key vanishes before it is held, its subnets are asked for.
  const preferring = withFacts(state, { preferred: subnets });
  return carryOn(preferring, { kind: 'adopt', entry, subnets, published, ...preparation }, now);
}

/** Replaces `entry`, a key of this host, by the key of `subnets`. */
export function move(
  state: LeaseState,
  entry: KeyVersion,
  subnets: LeaseSubnets,
  { leases }: Pick<RegistryView, 'leases'>,
  now: Now,
): Transition {
  const published = leases.get(entry.key)?.attributes ?? state.own?.attributes;
  return carryOn(state, { kind: 'move', entry, subnets, ...preparationFor(entry, published) }, now);
}

/** Reports that the pool has no room. */
export function reportExhausted(state: LeaseState): Transition {
  const error = new PoolExhaustedError(state.config, state.pool.size);
  return fail(state, error, { level: 'error', code: 'pool-exhausted', error });
}

/** Tries again with back-off, and when a key goes away. */
function exhaust(state: Keyless, now: Now): Transition {
  const { state: paused, effects } = revokeUnused(pause(state, now));
  if (state.kind === 'exhausted') return to(paused, ...effects);
  const { own, loss } = state;
  const exhausted: LeaseState = {
    ...factsOf(paused),
    kind: 'exhausted',
    ...(own && { own }),
    ...(loss && { loss }),
  };
  const reported = reportExhausted(exhausted);
  return to(reported.state, ...effects, ...reported.effects);
}
