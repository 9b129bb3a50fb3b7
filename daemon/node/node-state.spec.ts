import assert from 'node:assert/strict';
import type { Cidr } from '../../lib/address.ts';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { UDP, VXLAN, host as hostFacts, ip4, network } from '../../backends/fixture.ts';
import type { HostFacts } from '../../backends/backend.ts';
import type { HostSnapshot } from '../host/host-facts.ts';
import { INITIAL_DATAPATHS, withMode } from '../host/datapath-mode.ts';
import { configForHost } from '../host/family-choice.ts';
import {
  datapathFor,
  datapathOf,
  factsOf,
  initialNodeState,
  next,
  type NodeEvent,
  type NodeState,
} from './node-state.ts';

function snapshot(facts: HostFacts = hostFacts()): HostSnapshot {
  const { name, mtu, ipv4 } = facts.interface;
  const chosen = { name, mtu, ...(ipv4 && { ipv4 }), publicIp: facts.publicIp ?? ipv4!, selectedBy: 'test' };
  return { facts, chosen } as unknown as HostSnapshot;
}

const AUTO: BackendConfig = { ...VXLAN, txChecksumOffload: 'auto' };
const START: NodeState = initialNodeState(network('4', AUTO), snapshot(), INITIAL_DATAPATHS);
const BAD: NodeState = { ...START, badOffloadFamilies: [4] };

function applied(backend: BackendConfig): NodeEvent {
  const config = network('4', backend);
  const host = configForHost(config, hostFacts(), undefined);
  return { kind: 'config-applied', host, snapshot: snapshot(), datapaths: INITIAL_DATAPATHS };
}

const moved = hostFacts({
  interface: { ...hostFacts().interface, ipv4: ip4('10.9.0.77') },
  publicIp: ip4('10.9.0.77'),
});
const renamed = hostFacts({ interface: { ...hostFacts().interface, name: 'eth9' } });
const narrower = hostFacts({ interface: { ...hostFacts().interface, mtu: 1400 as never } });

const route = { destination: '0.0.0.0/0' as Cidr, dev: 'eth0', metric: 0 };
const OTHER_UNDERLAYS: readonly (readonly [string, Partial<HostFacts>])[] = [
  ['a gateway', { underlayRoutes: [{ ...route, gateway: ip4('10.9.0.253') }] }],
  ['an address of etcd', { etcdAddresses: [ip4('10.9.0.66')] }],
  ['a firewall that drops', { forwardDropFamilies: [6] }],
];

const CASES: readonly (readonly [string, NodeState, NodeEvent, readonly string[]])[] = [
  ['the same host again', START, { kind: 'host-read', snapshot: snapshot() }, []],
  ['another MTU', START, { kind: 'host-read', snapshot: snapshot(narrower) }, ['set-facts', 'set-identity']],
  [
    'another address',
    START,
    { kind: 'host-read', snapshot: snapshot(moved) },
    ['reconnect-registry', 'set-facts', 'set-identity', 'report-identity'],
  ],
  ...OTHER_UNDERLAYS.map(([name, facts]): (typeof CASES)[number] => [
    name,
    START,
    { kind: 'host-read', snapshot: snapshot(hostFacts(facts)) },
    ['set-facts', 'set-identity'],
  ]),
  [
    'another interface',
    BAD,
    { kind: 'host-read', snapshot: snapshot(renamed) },
    ['reconnect-registry', 'reset-offload', 'set-facts', 'set-identity'],
  ],
  ['another MTU in the config', START, applied({ ...AUTO, mtu: 1400 }), ['set-config', 'set-identity']],
  [
    'another port in the config',
    BAD,
    applied({ ...AUTO, port: 4789 }),
    ['reset-offload', 'set-config', 'set-identity'],
  ],
  ['bad checksums', START, { kind: 'offload-probed', badFamilies: [4] }, ['set-facts']],
  ['a kernel without VXLAN', START, { kind: 'datapath-missing' }, ['set-facts']],
];

describe('the state of the node', () => {
  for (const [name, state, event, effects] of CASES)
    it(`answers ${name} with ${effects.join(', ') || 'nothing'}`, () => {
      const transition = next(state, event);
      assert.deepEqual(
        transition.effects.map(({ kind }) => kind),
        effects,
      );
      if (effects.includes('reset-offload')) assert.deepEqual(transition.state.badOffloadFamilies, []);
    });

  it('has facts with the findings of probes and the datapath', () => {
    const { state } = next(BAD, { kind: 'datapath-missing' });
    assert.deepEqual(factsOf(state).badOffloadFamilies, [4]);
    assert.equal(factsOf(state).isVxlanInUserspace, true);
    assert.equal(factsOf(START).badOffloadFamilies, undefined);
  });

  it('keeps to userspace for VXLAN once the kernel has none', () => {
    const { state } = next(START, { kind: 'datapath-missing' });
    assert.equal(datapathFor(state, network('4', { ...AUTO, vni: 7 })), 'userspace');
    assert.equal(datapathFor(START, network('4', { ...AUTO, vni: 7 })), 'kernel-first');
  });

  it('has a datapath for udp of its own, which the one for VXLAN does not change', () => {
    const config = network('4', { ...UDP, userspace: false });
    const host = configForHost(config, hostFacts(), undefined);
    const datapaths = withMode(START.datapaths, 'udp', datapathFor(START, config));
    const { state } = next(START, { kind: 'config-applied', host, snapshot: snapshot(), datapaths });
    assert.equal(datapathOf(state), 'kernel');
    assert.equal(factsOf(state).isUdpInKernel, true);
    assert.equal(factsOf(state).isVxlanInUserspace, false);
    const { state: without } = next(state, { kind: 'datapath-missing' });
    assert.equal(factsOf(without).isUdpInKernel, false);
    assert.equal(factsOf(without).isVxlanInUserspace, false);
    assert.equal(datapathFor(without, network('4', { ...UDP, userspace: 'auto' })), 'userspace');
  });
});
