import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { attributesOf, NETWORK_IPV4, subnets, valueOf } from '../../test/support/lease-host.ts';
import type { IpAddress } from '../../lib/address.ts';
import { decodeEntry } from '../registry/lease-entry.ts';

import { NO_LEASE, RegistryError, toLeaseId, toRevision } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import type { LeaseEffect, LeaseInput, RegistryView } from './lease-effects.ts';
import { deadlinesMs, factsOf, initialState, isHeldAt } from './lease-state.ts';
import type { LeaseFacts, LeaseState } from './lease-state.ts';
import { next } from './lease-state-machine.ts';
import type { HeldKey } from './own-key.ts';
import type { PendingWrite } from './pending-write.ts';

const ME = '192.0.2.1';
const OTHER = '192.0.2.2';
const KEY = '10.5.9.0-24';
const LEASE_ID = toLeaseId('70');
const NOW = { ms: 1000, jitter: 0.5 };
const ATTRIBUTES = attributesOf(ME, 'aa');

const entryOf = (value: string, leaseId: string = LEASE_ID, modRevision = 5, key = KEY): RegistryEntry => ({
  key,
  value,
  leaseId: toLeaseId(leaseId),
  modRevision: toRevision(modRevision),
});
const viewOf = (entries: readonly RegistryEntry[], isConnected = true): RegistryView => {
  const leases = entries.flatMap((entry) => {
    const decoded = decodeEntry(entry);
    return decoded.ok ? [[entry.key, decoded.lease] as const] : [];
  });
  return {
    isConnected,
    revision: toRevision(9),
    entries: new Map(entries.map((entry) => [entry.key, entry])),
    leases: new Map(leases),
    duplicates: new Map(),
    overlapping: new Set(),
  };
};

const OWN: HeldKey = {
  key: KEY,
  subnets: subnets('10.5.9.0/24'),
  attributes: ATTRIBUTES,
  leaseId: LEASE_ID,
  modRevision: toRevision(5),
};
const FRESH = initialState({
  terms: { ttlSec: 100, renewMarginSec: 10 },
  node: { nodeId: ME as IpAddress },
  config: NETWORK_IPV4,
  formerSubnets: undefined,
});
const WITHOUT_LEASE: LeaseFacts = factsOf(FRESH);
const ALIVE: LeaseFacts['registryLease'] = {
  id: LEASE_ID,
  expiresAtMs: 100_000,
  renewAtMs: 30_000,
  isUsed: true,
  failures: 0,
};
const WITH_LEASE: LeaseFacts = { ...WITHOUT_LEASE, registryLease: ALIVE };
const STATES = {
  waiting: FRESH,
  acquiring: { ...WITHOUT_LEASE, kind: 'acquiring' },
  held: { ...WITH_LEASE, kind: 'held', own: OWN },
  expiring: { ...WITH_LEASE, kind: 'expiring', own: OWN },
  lost: { ...WITHOUT_LEASE, kind: 'lost', own: OWN, loss: 'deleted' },
  exhausted: { ...WITHOUT_LEASE, kind: 'exhausted' },
  stopped: { ...WITH_LEASE, kind: 'stopped', own: OWN },
} satisfies Readonly<Record<LeaseState['kind'], LeaseState>>;
type Kind = keyof typeof STATES;

const FULL = [entryOf('reserved', NO_LEASE, 3, '10.5.0.0-16')];
const INPUTS = {
  'start with a registry': { kind: 'started', isConnected: true },
  'start without a registry': { kind: 'started', isConnected: false },
  'step, empty registry': { kind: 'step', registry: viewOf([]) },
  'step, own key there': { kind: 'step', registry: viewOf([entryOf(valueOf(ME))]) },
  'step, own key of another host': { kind: 'step', registry: viewOf([entryOf(valueOf(OTHER))]) },
  'step, garbage in the own key': { kind: 'step', registry: viewOf([entryOf('{', '71', 8)]) },
  'step, own key on another lease': { kind: 'step', registry: viewOf([entryOf(valueOf(ME), '71', 8)]) },
  'step, full pool': { kind: 'step', registry: viewOf(FULL) },
  'step, registry away': { kind: 'step', registry: viewOf([], false) },
  'a key goes away': {
    kind: 'registry-changed',
    removed: new Set(['x']),
    revision: toRevision(9),
    isRestored: false,
  },
  'backup restored': {
    kind: 'registry-changed',
    removed: new Set(),
    revision: toRevision(2),
    isRestored: true,
  },
  resynced: { kind: 'resynced' },
  'publish requested': { kind: 'publish-requested' },
  'identity changed': { kind: 'identity-changed', node: { nodeId: '192.0.2.9' as IpAddress } },
  'config changed': { kind: 'config-changed', config: NETWORK_IPV4 },
  'call failed': { kind: 'call-failed', call: 'update', error: new Error('no answer') },
  stopped: { kind: 'stopped' },
} satisfies Readonly<Record<string, LeaseInput>>;

const showEffect = (effect: LeaseEffect): string => {
  if (effect.kind === 'emit') return effect.event.code;
  return effect.kind === 'notify-own-lease' ? effect.change : effect.kind;
};
/**
 * What a transition does: kind of state, pending write, resync and pause; effects behind the arrow.
 * `same`: nothing.
 */
const show = (state: LeaseState, input: LeaseInput, now = NOW): string => {
  const { state: after, effects } = next(state, input, now);
  const parts = [
    after.kind,
    ...(after.write === undefined ? [] : [`(${after.write.kind})`]),
    ...(after.resync === state.resync ? [] : [`resync ${after.resync}`]),
    ...(after.retry.failures > state.retry.failures ? ['paused'] : []),
  ];
  const what = after === state ? 'same' : parts.join(' ');
  return effects.length === 0 ? what : `${what} → ${effects.map(showEffect).join(', ')}`;
};

const TABLE: Readonly<Record<keyof typeof INPUTS, Readonly<Record<Kind, string>>>> = {
  'start with a registry': {
    waiting: 'same',
    acquiring: 'same',
    held: 'same',
    expiring: 'same',
    lost: 'same',
    exhausted: 'same',
    stopped: 'same',
  },
  'start without a registry': {
    waiting: 'waiting resync due',
    acquiring: 'acquiring resync due',
    held: 'held resync due',
    expiring: 'expiring resync due',
    lost: 'lost resync due',
    exhausted: 'exhausted resync due',
    stopped: 'same',
  },
  'step, empty registry': {
    waiting: 'acquiring (create) → derive-attributes',
    acquiring: 'acquiring (create) → derive-attributes',
    held: 'lost → lease-lost',
    expiring: 'lost → lease-lost',
    lost: 'lost (create) → derive-attributes',
    exhausted: 'exhausted (create) → derive-attributes',
    stopped: 'same',
  },
  'step, own key there': {
    waiting: 'acquiring (adopt) → derive-attributes',
    acquiring: 'acquiring (adopt) → derive-attributes',
    held: 'same → audit-own-key',
    expiring: 'same → audit-own-key',
    lost: 'lost (adopt) → derive-attributes',
    exhausted: 'exhausted (adopt) → derive-attributes',
    stopped: 'same',
  },
  'step, own key of another host': {
    waiting: 'acquiring (create) → derive-attributes',
    acquiring: 'acquiring (create) → derive-attributes',
    held: 'lost → lease-lost',
    expiring: 'lost → lease-lost',
    lost: 'lost (create) → derive-attributes',
    exhausted: 'exhausted (create) → derive-attributes',
    stopped: 'same',
  },
  'step, garbage in the own key': {
    waiting: 'acquiring (create) → derive-attributes',
    acquiring: 'acquiring (create) → derive-attributes',
    held: 'held → key-overwritten',
    expiring: 'expiring → key-overwritten',
    lost: 'lost (adopt) → derive-attributes',
    exhausted: 'exhausted (create) → derive-attributes',
    stopped: 'same',
  },
  'step, own key on another lease': {
    waiting: 'acquiring (adopt) → derive-attributes',
    acquiring: 'acquiring (adopt) → derive-attributes',
    held: 'held (adopt) → derive-attributes',
    expiring: 'expiring (adopt) → derive-attributes',
    lost: 'lost (adopt) → derive-attributes',
    exhausted: 'exhausted (adopt) → derive-attributes',
    stopped: 'same',
  },
  'step, full pool': {
    waiting: 'acquiring',
    acquiring: 'exhausted paused → pool-exhausted',
    held: 'lost → lease-lost',
    expiring: 'lost → lease-lost',
    lost: 'exhausted paused → pool-exhausted',
    exhausted: 'exhausted paused',
    stopped: 'same',
  },
  'step, registry away': {
    waiting: 'waiting resync due paused',
    acquiring: 'acquiring resync due paused',
    held: 'lost → lease-lost',
    expiring: 'lost → lease-lost',
    lost: 'lost resync due paused',
    exhausted: 'exhausted resync due paused',
    stopped: 'same',
  },
  'a key goes away': {
    waiting: 'waiting',
    acquiring: 'acquiring',
    held: 'held',
    expiring: 'expiring',
    lost: 'lost',
    exhausted: 'exhausted',
    stopped: 'same',
  },
  'backup restored': {
    waiting: 'waiting → registry-restored',
    acquiring: 'acquiring → registry-restored',
    held: 'held → registry-restored',
    expiring: 'expiring → registry-restored',
    lost: 'lost → registry-restored',
    exhausted: 'exhausted → registry-restored',
    stopped: 'same',
  },
  resynced: {
    waiting: 'waiting',
    acquiring: 'acquiring',
    held: 'held',
    expiring: 'expiring',
    lost: 'lost',
    exhausted: 'exhausted',
    stopped: 'same',
  },
  'publish requested': {
    waiting: 'waiting',
    acquiring: 'acquiring',
    held: 'held',
    expiring: 'expiring',
    lost: 'lost',
    exhausted: 'exhausted',
    stopped: 'same',
  },
  'identity changed': {
    waiting: 'waiting',
    acquiring: 'acquiring',
    held: 'held',
    expiring: 'expiring',
    lost: 'lost',
    exhausted: 'exhausted',
    stopped: 'same',
  },
  'config changed': {
    waiting: 'waiting',
    acquiring: 'acquiring',
    held: 'held',
    expiring: 'expiring',
    lost: 'lost',
    exhausted: 'exhausted',
    stopped: 'same',
  },
  'call failed': {
    waiting: 'waiting resync due paused → attempt-failed',
    acquiring: 'acquiring resync due paused → attempt-failed',
    held: 'held resync due paused → attempt-failed',
    expiring: 'expiring resync due paused → attempt-failed',
    lost: 'lost resync due paused → attempt-failed',
    exhausted: 'exhausted resync due paused → attempt-failed',
    stopped: 'same',
  },
  stopped: {
    waiting: 'stopped',
    acquiring: 'stopped',
    held: 'stopped',
    expiring: 'stopped',
    lost: 'stopped',
    exhausted: 'stopped',
    stopped: 'same',
  },
};

describe('next', () => {
  for (const [name, row] of Object.entries(TABLE))
    for (const [kind, expected] of Object.entries(row))
      it(`takes a lease that is ${kind} on "${name}" to: ${expected}`, () =>
        assert.equal(show(STATES[kind as Kind], INPUTS[name as keyof typeof INPUTS]), expected));

  const CREATED = { created: true, key: KEY, revision: toRevision(10) } as const;
  const RESULTS = {
    'attributes derived': { kind: 'attributes-derived', attributes: ATTRIBUTES },
    granted: { kind: 'lease-granted', leaseId: toLeaseId('71'), sentAtMs: 900, ttlSec: 100 },
    'kept alive': { kind: 'lease-kept-alive', leaseId: LEASE_ID, sentAtMs: 900, ttlSec: 100 },
    'lease gone': { kind: 'lease-kept-alive', leaseId: LEASE_ID, sentAtMs: 900, ttlSec: 0 },
    created: { kind: 'key-created', result: CREATED },
    taken: { kind: 'key-created', result: { created: false, revision: toRevision(10), takenKeys: [KEY] } },
    written: {
      kind: 'key-written',
      result: { written: true, revision: toRevision(10) },
      cacheRevision: toRevision(9),
    },
    rejected: {
      kind: 'key-written',
      result: { written: false, revision: toRevision(10) },
      cacheRevision: toRevision(9),
    },
  } satisfies Readonly<Record<string, LeaseInput>>;

  describe('without a pending write', () => {
    for (const [name, input] of Object.entries(RESULTS))
      for (const [kind, state] of Object.entries(STATES))
        it(`ignores "${name}" while ${kind}`, () => assert.equal(show(state, input), 'same'));
  });

  describe('with a pending write', () => {
    const fields = { previous: undefined, attributes: ATTRIBUTES, leaseId: LEASE_ID };
    const choices = [subnets('10.5.9.0/24')];
    const entry = entryOf(valueOf(ME));
    const WRITES = {
      create: [STATES.acquiring, { kind: 'create', choices, isPreferred: false, ...fields }],
      'preferred create': [STATES.lost, { kind: 'create', choices, isPreferred: true, ...fields }],
      adopt: [
        STATES.waiting,
        {
          kind: 'adopt',
          entry,
          subnets: OWN.subnets,
          published: undefined,
          keepLeaseId: LEASE_ID,
          ...fields,
        },
      ],
      move: [STATES.held, { kind: 'move', entry, subnets: subnets('10.5.9.0/24 fd00::/64'), ...fields }],
      publish: [STATES.held, { kind: 'publish', own: OWN, ...fields }],
      repair: [STATES.expiring, { kind: 'repair', own: OWN, ...fields }],
      remove: [STATES.held, { kind: 'remove', entry }],
      renew: [STATES.expiring, { kind: 'renew', leaseId: LEASE_ID }],
    } satisfies Readonly<Record<string, readonly [LeaseState, PendingWrite]>>;
    const gone = new RegistryError('REGISTRY_LEASE_NOT_FOUND', 'no such lease');
    const ANSWERS: Readonly<Record<string, LeaseInput>> = {
      'a step': { kind: 'step', registry: viewOf([]) },
      ...RESULTS,
      'answer lost': { kind: 'call-failed', call: 'update', error: new Error('no answer') },
      'registry lease unknown': { kind: 'call-failed', call: 'update', error: gone },
    };
    /** Any other answer is ignored. */
    const EXPECTED: Readonly<Record<keyof typeof WRITES, Readonly<Record<string, string>>>> = {
      create: {
        'a step': 'acquiring (create) → create',
        'attributes derived': 'acquiring (create)',
        granted: 'acquiring (create)',
        created: 'held → lease-created, acquired',
        taken: 'acquiring',
        'answer lost': 'acquiring resync due paused → attempt-failed',
        'registry lease unknown': 'acquiring paused',
      },
      'preferred create': {
        'a step': 'lost (create) → create',
        'attributes derived': 'lost (create)',
        granted: 'lost (create)',
        created: 'held → lease-created, updated',
        taken: 'lost resync due paused',
        'answer lost': 'lost resync due paused → attempt-failed',
        'registry lease unknown': 'lost paused',
      },
      adopt: {
        'a step': 'waiting (adopt) → update',
        'attributes derived': 'waiting (adopt)',
        granted: 'waiting (adopt)',
        'kept alive': 'waiting (adopt)',
        'lease gone': 'waiting (adopt)',
        written: 'held → lease-adopted, acquired',
        rejected: 'waiting resync due paused',
        'answer lost': 'waiting resync due paused → attempt-failed',
        'registry lease unknown': 'waiting paused',
      },
      move: {
        'a step': 'held (move) → move',
        'attributes derived': 'held (move)',
        granted: 'held (move)',
        written: 'held → lease-moved, updated',
        rejected: 'held resync due paused',
        'answer lost': 'held resync due paused → attempt-failed',
        'registry lease unknown': 'held paused',
      },
      publish: {
        'a step': 'held',
        'attributes derived': 'held (publish)',
        granted: 'held (publish)',
        written: 'held → lease-published',
        rejected: 'held resync due paused',
        'answer lost': 'held resync due paused → attempt-failed',
        'registry lease unknown': 'held paused',
      },
      repair: {
        'a step': 'expiring (repair) → update',
        'attributes derived': 'expiring (repair)',
        granted: 'expiring (repair)',
        written: 'held',
        rejected: 'expiring resync due paused',
        'answer lost': 'expiring resync due paused → attempt-failed',
        'registry lease unknown': 'expiring paused',
      },
      remove: {
        'a step': 'held (remove) → remove',
        written: 'held → own-key-removed',
        rejected: 'held resync due paused',
        'answer lost': 'held resync due paused → attempt-failed',
        'registry lease unknown': 'held paused',
      },
      renew: {
        'a step': 'expiring (renew) → keep-alive',
        'kept alive': 'held',
        'lease gone': 'lost resync due → lease-lost',
        'answer lost': 'expiring → attempt-failed',
        'registry lease unknown': 'expiring → attempt-failed',
      },
    };
    for (const [name, [state, write]] of Object.entries(WRITES))
      for (const [answer, input] of Object.entries(ANSWERS)) {
        const expected = EXPECTED[name as keyof typeof WRITES][answer] ?? 'same';
        it(`takes a ${name} on "${answer}" to: ${expected}`, () =>
          assert.equal(show({ ...state, write }, input), expected));
      }
  });

  describe('time', () => {
    const own = { kind: 'step', registry: viewOf([entryOf(valueOf(ME))]) } as const;
    const at = (ms: number): string => show(STATES.held, own, { ...NOW, ms });

    it('renews a lease when that is due', () => assert.equal(at(30_000), 'held (renew) → keep-alive'));

    it('lets a lease expire at its deadline, before anything else', () =>
      assert.equal(at(100_000), 'expiring → lease-expiring'));

    it('renews neither a reservation nor a lost lease', () => {
      const reserved: LeaseState = { ...STATES.held, own: { ...OWN, leaseId: NO_LEASE } };
      assert.ok(isHeldAt(reserved, 1e12));
      assert.deepEqual(deadlinesMs(reserved), [0, 0]);
      assert.deepEqual(deadlinesMs(STATES.lost), [0, 0]);
    });

    it('keeps a lease alive that the config does not allow, until there is another', () => {
      const lost: LeaseState = { ...STATES.lost, registryLease: ALIVE, loss: 'incompatible' };
      assert.deepEqual(deadlinesMs(lost), [0, 0, ALIVE.renewAtMs]);
    });

    it('waits out a pause', () => {
      const paused: LeaseState = { ...STATES.acquiring, retry: { failures: 1, dueMs: 2000 } };
      assert.equal(show(paused, own), 'same');
    });

    it('lists the registry once, and makes no decision meanwhile', () => {
      const due: LeaseState = { ...STATES.acquiring, resync: 'due' };
      assert.equal(show(due, own), 'waiting resync running → resync');
      assert.equal(show({ ...due, resync: 'running' }, own), 'same');
    });

    it('renews a lease at once after a backup was restored, which may lack it', () => {
      const { state } = next(STATES.held, INPUTS['backup restored'], NOW);
      assert.deepEqual(
        [state.registryLease.renewAtMs, state.registryLease.expiresAtMs, state.own?.modRevision],
        [0, ALIVE.expiresAtMs, 0],
      );
      assert.equal(show(state, own), 'held (renew) → keep-alive');
    });

    // As often as another host of the same address wrote the key.
    for (const [count, expected] of [
      [1, 'held → key-overwritten'],
      [2, 'held → key-overwritten, public-ip-contested'],
      [3, 'lost → lease-lost'],
    ] as const)
      it(`takes the key of another with its former address after ${count} overwrites to: ${expected}`, () => {
        const rival = { nodeId: '192.0.2.9' as IpAddress };
        const state: LeaseState = {
          ...STATES.held,
          nodes: { current: rival, former: [STATES.held.nodes.current] },
          overwrites: { count, dueMs: 0, lastRevision: toRevision(7), lastMs: NOW.ms },
        };
        const theirs = { kind: 'step', registry: viewOf([entryOf(valueOf(ME, 'bb'), LEASE_ID, 8)]) } as const;
        assert.equal(show(state, theirs), expected);
      });

    it('answers an overwrite at once, the next one later', () => {
      const garbage = { kind: 'step', registry: viewOf([entryOf('{', LEASE_ID, 8)]) } as const;
      const first = next(STATES.held, garbage, NOW).state;
      assert.equal(show(first, garbage), 'held (repair) → derive-attributes');
      const again = { kind: 'step', registry: viewOf([entryOf('{', LEASE_ID, 9)]) } as const;
      const second = next(first, again, NOW).state;
      assert.equal(show(second, again), 'same');
      assert.deepEqual(second.overwrites.dueMs, NOW.ms + 1000);
    });
  });
});
