import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../../lib/address.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../lease.ts';
import { toRevision } from '../../registry/registry.ts';
import { decide, initialAssignedState, onPublishFailed } from './assigned-lease.ts';
import type { AssignedLeaseState, AssignmentView } from './assigned-lease.ts';

const NOW = { ms: 1000, jitter: 0.5 };
const ATTRIBUTES: LeaseAttributes = { publicIp: '198.18.1.1' as Ipv4, backendType: 'vxlan' };
const SUBNETS: LeaseSubnets = { ipv4: '10.244.1.0/24' as Ipv4Cidr };
const IPV4 = {
  network: '10.244.0.0/16' as Ipv4Cidr,
  subnetLength: 24,
  min: '10.244.1.0' as Ipv4,
  max: '10.244.255.0' as Ipv4,
};
const IPV6 = {
  network: 'fd00:10::/48' as Ipv6Cidr,
  subnetLength: 64,
  min: 'fd00:10::' as Ipv6,
  max: 'fd00:10:0:ffff::' as Ipv6,
};

interface Facts {
  readonly subnets?: LeaseSubnets | string;
  readonly uid?: string;
  readonly isPublished?: boolean;
  readonly revision?: number;
  readonly config?: AssignmentView['config'];
}

function viewOf({
  config = { ipv4: IPV4 },
  isPublished = false,
  revision = 7,
  subnets = SUBNETS,
  uid = 'u1',
}: Facts): AssignmentView {
  return {
    key: 'node-1',
    assignment: { uid, subnets, isPublished: () => isPublished },
    attributes: ATTRIBUTES,
    config,
    modRevision: toRevision(revision),
  };
}

const initial = initialAssignedState(undefined);
const heldState = (): AssignedLeaseState => decide(initial, viewOf({ isPublished: true }), NOW).state;
const reasonOf = (view: AssignmentView): string => decide(initial, view, NOW).state.lastError?.message ?? '';

describe('assigned lease', () => {
  it('publishes first, and is held once peers see it', () => {
    const first = decide(initial, viewOf({}), NOW);
    assert.deepEqual([first.state.kind, first.effects], ['acquiring', [{ kind: 'publish' }]]);
    const second = decide(first.state, viewOf({ isPublished: true }), NOW);
    assert.equal(second.state.kind, 'held');
    assert.equal(second.state.own?.expiresAtMs, Infinity);
    assert.deepEqual(
      second.effects.map((effect) => (effect.kind === 'emit' ? effect.event.code : effect.kind)),
      ['lease-adopted', 'notify-own-lease'],
    );
  });

  it('writes nothing when a restart finds everything published', () => {
    assert.deepEqual(
      decide(initial, viewOf({ isPublished: true }), NOW).effects.filter(({ kind }) => kind === 'publish'),
      [],
    );
  });

  it('publishes again what another program changed, and stays held meanwhile', () => {
    const { effects, state } = decide(heldState(), viewOf({ isPublished: false, revision: 8 }), NOW);
    assert.deepEqual([state.kind, effects], ['held', [{ kind: 'publish' }]]);
  });

  it('answers a program that overwrites again and again with back-off', () => {
    let state = heldState();
    const waits: number[] = [];
    for (let round = 1, ms = NOW.ms; round <= 6; round++) {
      const at = { ...NOW, ms };
      const first = decide(state, viewOf({ revision: 10 * round }), at);
      assert.deepEqual(decide(first.state, viewOf({ revision: 10 * round }), at).state, first.state);
      const dueMs = Math.max(ms, first.state.overwrites.dueMs);
      const later = decide(first.state, viewOf({ revision: 10 * round }), { ...NOW, ms: dueMs });
      assert.deepEqual(later.effects, [{ kind: 'publish' }]);
      waits.push(dueMs - ms);
      const codes = first.effects.map((effect) => (effect.kind === 'emit' ? effect.event.code : effect.kind));
      assert.deepEqual(codes, round === 1 ? ['publish'] : ['key-overwritten']);
      ms = dueMs;
      state = decide(later.state, viewOf({ isPublished: true, revision: 10 * round + 1 }), at).state;
    }
    assert.deepEqual(waits, [0, 1000, 2000, 4000, 8000, 16_000]);
  });

  it('publishes changed attributes at once, whatever was overwritten before', () => {
    const contested = decide(heldState(), viewOf({ revision: 8 }), NOW).state;
    const again = decide(contested, viewOf({ revision: 9 }), NOW).state;
    const changed = { ...viewOf({ revision: 9 }), attributes: { ...ATTRIBUTES } };
    assert.deepEqual(decide(again, changed, NOW).effects, [{ kind: 'publish' }]);
  });

  it('does nothing while nothing changes', () => {
    const state = heldState();
    assert.deepEqual(decide(state, viewOf({ isPublished: true }), NOW), { state, effects: [] });
  });

  it('loses the lease when its node is deleted, and reports that once', () => {
    const { assignment: _none, ...gone } = viewOf({});
    const lost = decide(heldState(), gone, NOW);
    assert.equal(lost.state.kind, 'lost');
    assert.equal(lost.state.own?.subnets.ipv4, '10.244.1.0/24');
    assert.match(lost.state.lastError!.message, /no node "node-1"/);
    assert.deepEqual(decide(lost.state, gone, NOW).effects, []);
  });

  it('takes the subnets of a node that was made again', () => {
    const other: LeaseSubnets = { ipv4: '10.244.9.0/24' as Ipv4Cidr };
    const publishing = decide(heldState(), viewOf({ uid: 'u2', subnets: other, revision: 9 }), NOW);
    assert.equal(publishing.state.kind, 'acquiring');
    const { effects, state } = decide(
      publishing.state,
      viewOf({ uid: 'u2', subnets: other, revision: 10, isPublished: true }),
      NOW,
    );
    assert.equal(state.own?.subnets.ipv4, '10.244.9.0/24');
    assert.deepEqual(effects, [
      { kind: 'emit', event: { level: 'error', code: 'subnet-changed', from: SUBNETS, to: other } },
      { kind: 'notify-own-lease', change: 'subnet-changed' },
    ]);
  });

  it('reports other subnets than those of subnet.env', () => {
    const former = initialAssignedState({ ipv4: '10.244.5.0/24' as Ipv4Cidr });
    const [event] = decide(former, viewOf({ isPublished: true }), NOW).effects;
    assert.equal(event?.kind === 'emit' && event.event.code, 'subnet-changed');
  });

  it('waits with the reason for what is missing', () => {
    assert.match(
      reasonOf(viewOf({ subnets: 'the node has no spec.podCIDR' })),
      /^the node has no spec\.podCIDR \(node "node-1"\)/,
    );
    const outside = viewOf({ subnets: { ipv4: '10.99.0.0/24' as Ipv4Cidr } });
    assert.match(
      reasonOf(outside),
      /pod CIDR 10\.99\.0\.0\/24 of node "node-1" is not inside 10\.244\.0\.0\/16/,
    );
    assert.match(reasonOf(viewOf({ config: { ipv6: IPV6 } })), /no pod CIDR .* of a family/);
  });

  it('leaves out a family that the node or the config does not have', () => {
    const both: LeaseSubnets = { ...SUBNETS, ipv6: 'fd00:10:0:7::/64' as Ipv6Cidr };
    const ownOf = (facts: Facts): LeaseSubnets | undefined =>
      decide(initial, viewOf({ ...facts, isPublished: true }), NOW).state.own?.subnets;
    assert.deepEqual(ownOf({ subnets: both }), SUBNETS);
    assert.deepEqual(ownOf({ config: { ipv4: IPV4, ipv6: IPV6 } }), SUBNETS);
    assert.deepEqual(ownOf({ subnets: both, config: { ipv4: IPV4, ipv6: IPV6 } }), both);
  });

  it('forgets a failure once all is published, though nothing was written', () => {
    const failed = onPublishFailed(heldState(), new Error('cannot derive'), NOW).state;
    assert.equal(failed.lastError?.message, 'cannot derive');
    const { effects, state } = decide(failed, viewOf({ isPublished: true }), NOW);
    assert.deepEqual([state.kind, state.lastError, effects], ['held', undefined, []]);
  });

  it('backs off after a failed write and reports each cause once', () => {
    const first = onPublishFailed(initial, new Error('denied'), NOW);
    assert.equal(first.effects.length, 1);
    assert.ok(first.state.retry.dueMs > NOW.ms);
    assert.deepEqual(decide(first.state, viewOf({}), NOW).effects, []);
    assert.deepEqual(onPublishFailed(first.state, new Error('denied'), NOW).effects, []);
    assert.deepEqual(decide(first.state, viewOf({}), { ...NOW, ms: first.state.retry.dueMs }).effects, [
      { kind: 'publish' },
    ]);
  });
});
