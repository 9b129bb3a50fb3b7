import assert from 'node:assert/strict';
import type { BackendConfig } from '../../allocator/config/config.ts';
import type { LeaseAttributes } from '../../allocator/lease.ts';
import { VXLAN, vxlanPeer } from '../../backends/fixture.ts';
import {
  announcedOf,
  deadlinesMs,
  initialState,
  receivedBy,
  SETTLE_MS,
  weftAttributesOf,
  type MigrationState,
} from './migration-state.ts';
import type { CanUse, MigrationEvent, Observation } from './migration-events.ts';
import { next } from './migration-state-machine.ts';

const VNI2: BackendConfig = { ...VXLAN, vni: 2 };
const HOST_GW: BackendConfig = { type: 'host-gw' };
const NOW_MS = 10_000;
const TIMEOUT_MS = 60_000;
const FROM = 'vxlan VNI 1 port 8472';
const TO = 'vxlan VNI 2 port 8472';
const canUse = (): boolean => true;
const isNoVxlan = ({ type }: BackendConfig): boolean => type !== 'vxlan';

const observed = (seen: Partial<Observation> = {}): MigrationEvent => ({
  kind: 'observed',
  isSettled: true,
  isPublished: true,
  pending: 0,
  behind: 0,
  ...seen,
});
const wants = (backend: BackendConfig, can: CanUse = canUse): MigrationEvent => ({
  kind: 'backend-changed',
  backend,
  canUse: can,
});

/** The state after `events`, all at once. */
function after(...events: MigrationEvent[]): MigrationState {
  const started: MigrationEvent = { kind: 'started', published: undefined, canUse };
  return [started, ...events].reduce(
    (state, event) => next(state, event, NOW_MS).state,
    initialState(VXLAN, TIMEOUT_MS),
  );
}

const STEADY = after();
const PREPARING = after(wants(VNI2));
const LEAVING = after(wants(VNI2), observed());
const DRAINING = after(wants(VNI2), observed(), observed());
const QUIET = after(wants(VNI2), observed(), observed(), observed());
const REMOVING = next(QUIET, observed(), NOW_MS + SETTLE_MS).state;

interface Case {
  readonly name: string;
  readonly state: MigrationState;
  readonly event: MigrationEvent;
  readonly nowMs?: number;
  readonly kind: MigrationState['kind'];
  readonly effects: readonly string[];
}

const HELD_PEER = vxlanPeer(2, '4', { weft: { leaving: [{ backendType: 'host-gw' }], isDrained: false } });
const DRAINED_PEER = vxlanPeer(2, '4', { weft: { leaving: [{ backendType: 'host-gw' }], isDrained: true } });
const PEER_LEAVING_FROM = vxlanPeer(2, '4', {
  weft: { leaving: [{ backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:02' } }] },
});
const LATE_MS = NOW_MS + TIMEOUT_MS;
const SETTLED_MS = NOW_MS + SETTLE_MS;
const ALL = ['derive', 'publish', 'report-state'];

const CASES: readonly Case[] = [
  { name: 'nothing', state: STEADY, event: observed(), kind: 'steady', effects: [] },
  {
    name: 'another backend',
    state: STEADY,
    event: wants(VNI2),
    kind: 'preparing',
    effects: ['report-state', 'derive'],
  },
  {
    name: 'the same backend with another MTU',
    state: STEADY,
    event: wants({ ...VXLAN, mtu: 1400 }),
    kind: 'steady',
    effects: ['derive'],
  },
  {
    name: 'a peer that leaves a transport',
    state: STEADY,
    event: { kind: 'peers-changed', leases: [HELD_PEER], canUse },
    kind: 'leaving',
    effects: ['derive'],
  },
  {
    name: 'a peer that has drained a transport',
    state: STEADY,
    event: { kind: 'peers-changed', leases: [DRAINED_PEER], canUse },
    kind: 'steady',
    effects: [],
  },
  {
    name: 'a peer that leaves a transport which this host cannot use',
    state: STEADY,
    event: { kind: 'peers-changed', leases: [HELD_PEER], canUse: ({ type }) => type !== 'host-gw' },
    kind: 'steady',
    effects: [],
  },
  {
    name: 'a kernel that has not settled',
    state: PREPARING,
    event: observed({ isSettled: false }),
    kind: 'preparing',
    effects: [],
  },
  {
    name: 'a peer that would become unreachable',
    state: PREPARING,
    event: observed({ blocker: 'no link' }),
    kind: 'preparing',
    effects: ['report-blocker'],
  },
  {
    name: 'the same blocker again',
    state: next(PREPARING, observed({ blocker: 'no link' }), NOW_MS).state,
    event: observed({ blocker: 'no link' }),
    kind: 'preparing',
    effects: [],
  },
  { name: 'a settled kernel', state: PREPARING, event: observed(), kind: 'leaving', effects: ALL },
  {
    name: 'the former backend again',
    state: PREPARING,
    event: wants(VXLAN),
    kind: 'leaving',
    effects: ['report-state', 'derive'],
  },
  {
    name: 'a former transport that became unusable',
    state: PREPARING,
    event: wants(HOST_GW, isNoVxlan),
    kind: 'steady',
    effects: ['report-dropped', 'report-dropped', 'report-state', 'derive'],
  },
  {
    name: 'a wanted transport that is unusable, too',
    state: PREPARING,
    event: { kind: 'host-changed', canUse: () => false },
    kind: 'preparing',
    effects: ['derive'],
  },
  {
    name: 'a peer that is behind',
    state: LEAVING,
    event: observed({ pending: 1, behind: 1 }),
    kind: 'leaving',
    effects: [],
  },
  {
    name: 'a peer that is behind, after the time-out',
    state: LEAVING,
    event: observed({ pending: 1, behind: 1 }),
    nowMs: LATE_MS,
    kind: 'draining',
    effects: ['publish', 'report-state'],
  },
  {
    name: 'no peer behind',
    state: LEAVING,
    event: observed({ pending: 1 }),
    kind: 'draining',
    effects: ['publish', 'report-state'],
  },
  {
    name: 'a peer that falls behind',
    state: QUIET,
    event: observed({ pending: 1, behind: 1 }),
    kind: 'leaving',
    effects: ALL,
  },
  {
    name: 'a lease that is not published',
    state: QUIET,
    event: observed({ isPublished: false }),
    kind: 'draining',
    effects: ['publish'],
  },
  {
    name: 'a pending peer',
    state: QUIET,
    event: observed({ pending: 1 }),
    nowMs: SETTLED_MS,
    kind: 'draining',
    effects: [],
  },
  {
    name: 'the last moment of the quiet time',
    state: QUIET,
    event: observed(),
    nowMs: SETTLED_MS - 1,
    kind: 'draining',
    effects: [],
  },
  {
    name: 'the end of the quiet time',
    state: QUIET,
    event: observed(),
    nowMs: SETTLED_MS,
    kind: 'removing',
    effects: ['derive', 'report-state'],
  },
  {
    name: 'a kernel that still holds the others',
    state: REMOVING,
    event: observed({ isSettled: false }),
    nowMs: LATE_MS,
    kind: 'removing',
    effects: [],
  },
  {
    name: 'a kernel without the others',
    state: REMOVING,
    event: observed({ pending: 1 }),
    kind: 'steady',
    effects: ['publish', 'report-state'],
  },
  {
    name: 'the same backend with other settings',
    state: REMOVING,
    event: wants({ ...VNI2, mtu: 1400 }),
    kind: 'removing',
    effects: ['derive'],
  },
  {
    name: 'the former backend again',
    state: REMOVING,
    event: wants(VXLAN),
    kind: 'preparing',
    effects: ['report-state', 'derive'],
  },
  {
    name: 'a peer that leaves one of the others',
    state: REMOVING,
    event: { kind: 'peers-changed', leases: [PEER_LEAVING_FROM], canUse },
    kind: 'draining',
    effects: ['derive'],
  },
];

describe('the state machine of a migration', () => {
  for (const { name, state, event, nowMs = NOW_MS, kind, effects } of CASES)
    it(`goes from ${state.kind} to ${kind} on ${name}`, () => {
      const frozen = structuredClone(state);
      const transition = next(state, event, nowMs);
      assert.equal(transition.state.kind, kind);
      assert.deepEqual(
        transition.effects.map((effect) => effect.kind),
        effects,
      );
      assert.deepEqual(state, frozen, 'the former state must not change');
    });

  it('announces the old transport while preparing, and receives both', () => {
    assert.equal(announcedOf(PREPARING).id, FROM);
    assert.deepEqual(
      receivedBy(PREPARING).map(({ id }) => id),
      [TO, FROM],
    );
    assert.equal(announcedOf(LEAVING).id, TO);
  });

  it('publishes the legacy transport until the migration ends, and that it has drained it', () => {
    assert.deepEqual(weftAttributesOf(PREPARING), undefined);
    assert.deepEqual(weftAttributesOf(LEAVING), { leaving: [{ backendType: 'vxlan' }] });
    assert.deepEqual(weftAttributesOf(DRAINING), { leaving: [{ backendType: 'vxlan' }], isDrained: true });
    assert.deepEqual(weftAttributesOf(REMOVING), weftAttributesOf(DRAINING));
    assert.deepEqual(weftAttributesOf(next(REMOVING, observed(), SETTLED_MS).state), undefined);
  });

  it('receives the others no more while it removes them, and again if they are wanted', () => {
    const known = (state: MigrationState) => state.known.map(({ id }) => id);
    assert.deepEqual(known(REMOVING), [TO]);
    assert.deepEqual(known(next(REMOVING, wants(VXLAN), NOW_MS).state), [FROM, TO]);
    const third = next(REMOVING, wants({ ...VXLAN, vni: 9 }), NOW_MS).state;
    assert.deepEqual(known(third).slice(1), [TO, FROM]);
    assert.equal(announcedOf(third).id, TO);
  });

  it('wakes at the end of the quiet time and at the time-out', () => {
    assert.deepEqual(deadlinesMs(STEADY), []);
    assert.deepEqual(deadlinesMs(LEAVING), [LATE_MS]);
    assert.deepEqual(deadlinesMs(QUIET), [SETTLED_MS, LATE_MS]);
  });

  it('does not learn a transport again that it abandoned', () => {
    const abandoned = next(QUIET, observed({ pending: 1 }), LATE_MS).state;
    const ended = next(abandoned, observed({ pending: 1 }), LATE_MS + SETTLE_MS).state;
    assert.equal(ended.kind, 'steady');
    const leaving = [{ backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:02' } }];
    const lease = vxlanPeer(2, '4', { weft: { leaving, isDrained: false } });
    const event: MigrationEvent = { kind: 'peers-changed', leases: [lease], canUse };
    assert.deepEqual(next(ended, event, LATE_MS).effects, []);
  });

  it('keeps its own MACs of transports that it learned from peers before it started', () => {
    const data = (number: number) => ({ VNI: 2, VtepMAC: `c6:00:00:00:04:0${number}` });
    const leaving = (number: number) => [{ backendType: 'vxlan', backendData: data(number) }];
    const peer = vxlanPeer(2, '4', { weft: { leaving: leaving(2), isDrained: false } });
    const learned: MigrationEvent = { kind: 'peers-changed', leases: [peer], canUse };
    const published: readonly LeaseAttributes[] = [
      { backendType: 'vxlan', backendData: data(1) },
      { backendType: 'host-gw', weft: { leaving: leaving(1) } },
    ];
    const adopt = (own: LeaseAttributes): readonly unknown[] => {
      const started: MigrationEvent = { kind: 'started', published: own, canUse };
      const { state } = next(next(initialState(HOST_GW, 0), learned, NOW_MS).state, started, NOW_MS);
      return state.known.filter(({ id }) => id === TO).map(({ attributes }) => attributes?.backendData);
    };
    assert.deepEqual(published.map(adopt), [[data(1)], [data(1)]]);
  });

  for (const [name, unusable, announced, known] of [
    ['a transport beside the announced one', 'host-gw', FROM, [TO, FROM]],
    ['the announced one', FROM, TO, [TO, 'host-gw']],
    ['all but the wanted one', '', TO, [TO]],
  ] as const)
    it(`announces ${announced} after it dropped ${name}`, () => {
      const learned = next(PREPARING, { kind: 'peers-changed', leases: [HELD_PEER], canUse }, NOW_MS).state;
      assert.deepEqual(learned.known.map(({ id }) => id).toSorted(), ['host-gw', FROM, TO].toSorted());
      const isUsable: CanUse = (backend) => {
        const id = backend.type === 'vxlan' ? `vxlan VNI ${backend.vni} port 8472` : backend.type;
        return id === TO || (unusable !== '' && id !== unusable);
      };
      const { state } = next(learned, { kind: 'host-changed', canUse: isUsable }, NOW_MS);
      assert.deepEqual([announcedOf(state).id, state.known.map(({ id }) => id)], [announced, known]);
    });

  it('takes over the MAC of a transport that has one, its own first', () => {
    const data = (vni: number) => ({ VNI: vni, VtepMAC: `c6:00:00:00:04:0${vni}` });
    const published: LeaseAttributes = { backendType: 'vxlan', backendData: data(1) };
    const macOf = (backend: BackendConfig, own: LeaseAttributes | undefined): unknown => {
      const started: MigrationEvent = { kind: 'started', published: own, canUse };
      const { state } = next(initialState(VXLAN, 0), started, NOW_MS);
      const wanted = next(state, wants(backend), NOW_MS).state.known[0];
      return (wanted?.attributes?.backendData as { VtepMAC?: string } | undefined)?.VtepMAC;
    };
    assert.deepEqual(
      [
        macOf({ ...VXLAN, mtu: 1400 }, published),
        macOf(VNI2, published),
        macOf(HOST_GW, published),
        macOf(VNI2, undefined),
      ],
      ['c6:00:00:00:04:01', 'c6:00:00:00:04:01', 'c6:00:00:00:04:01', undefined],
    );
  });

  it('starts only once, with what the first run published', () => {
    const published: LeaseAttributes = { backendType: 'host-gw', weft: { isDrained: true } };
    const started = next(initialState(VXLAN, 0), { kind: 'started', published, canUse }, NOW_MS).state;
    assert.deepEqual([started.kind, announcedOf(started).id], ['preparing', 'host-gw']);
    const again = next(started, { kind: 'started', published: undefined, canUse }, LATE_MS).state;
    assert.deepEqual(again, started);
  });
});
