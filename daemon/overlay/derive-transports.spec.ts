// What several transports of one host become together.
import assert from 'node:assert/strict';
import type { BackendConfig } from '../../allocator/config/config.ts';
import type { BackendContext } from '../../backends/backend.ts';
import { UDP, VXLAN, context, host, network, plainPeer, vxlanPeer } from '../../backends/fixture.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import {
  backendOf,
  deriveAs,
  deriveHostFor,
  derivePeerFor,
  mtuFor,
  ownershipFor,
} from './derive-transports.ts';

const FIVE: BackendConfig = { ...VXLAN, vni: 5 };
const HOST_GW: BackendConfig = { type: 'host-gw' };
const ALLOC: BackendConfig = { type: 'alloc' };

const contextOf = (backend: BackendConfig): BackendContext => {
  const config = network('4', backend);
  return context(backendOf({ config }), config);
};
const [one, five, direct, udp, alloc] = [VXLAN, FIVE, HOST_GW, UDP, ALLOC].map(contextOf) as [
  BackendContext,
  BackendContext,
  BackendContext,
  BackendContext,
  BackendContext,
];

describe('a peer over several transports', () => {
  const cases: readonly (readonly [
    what: string,
    all: readonly BackendContext[],
    chosen: BackendContext,
    objects: readonly string[],
  ])[] = [
    ['one', [one], one, ['fdb flannel.1', 'neighbour flannel.1', 'route flannel.1']],
    [
      'the first of two',
      [one, five],
      one,
      ['fdb flannel.1', 'fdb flannel.5', 'neighbour flannel.1', 'neighbour flannel.5', 'route flannel.1'],
    ],
    [
      'the second of two',
      [one, five],
      five,
      ['fdb flannel.1', 'fdb flannel.5', 'neighbour flannel.1', 'neighbour flannel.5', 'route flannel.5'],
    ],
    ['none by device', [direct, five], direct, ['fdb flannel.5', 'neighbour flannel.5', 'route eth0']],
    ['a device beside none', [direct, one], one, ['fdb flannel.1', 'neighbour flannel.1', 'route flannel.1']],
  ];
  for (const [what, all, chosen, objects] of cases)
    it(`is received by all and sent to by ${what}`, () => {
      const state = derivePeerFor(all, chosen, vxlanPeer(2));
      const names = state.objects.map((object) => `${object.kind} ${'dev' in object ? object.dev : ''}`);
      assert.deepEqual(names.toSorted(), objects);
      assert.equal(state.mode, chosen === direct ? 'direct' : 'tunnel');
    });

  it('is an error alone where it cannot be sent to', () => {
    const nameless = vxlanPeer(2, '4', { publicIp: undefined as never });
    const state = derivePeerFor([one, five], one, nameless);
    assert.deepEqual([state.mode, state.objects], ['error', []]);
  });

  it('is derived as if it announced the transport', () => {
    const state = deriveAs(five, plainPeer(2));
    assert.ok(state.mode !== 'error', state.reason);
    assert.ok(state.objects.some((object) => 'dev' in object && object.dev === 'flannel.5'));
  });
});

describe('the host over several transports', () => {
  it('has the devices of all, and accepts replies by any of them', () => {
    const paths = (all: readonly BackendContext[]): readonly string[] =>
      deriveHostFor(all).flatMap((object) =>
        object.kind === 'sysctl' && object.path.endsWith('rp_filter')
          ? [`${object.path} ${object.value}`]
          : [],
      );
    const devices = (all: readonly BackendContext[]): readonly string[] =>
      deriveHostFor(all).flatMap((object) => (object.kind === 'link' ? [object.name] : []));
    assert.deepEqual(devices([one, five]), ['flannel.1', 'flannel.5']);
    assert.deepEqual(paths([one]), []);
    assert.deepEqual(paths([one, five]), [
      'net/ipv4/conf/flannel.1/rp_filter 2',
      'net/ipv4/conf/flannel.5/rp_filter 2',
    ]);
  });

  for (const [what, all, mtu] of [
    ['VXLAN', [one], 1450],
    ['udp', [udp], 1472],
    ['host-gw', [direct], 1500],
    ['host-gw and VXLAN', [direct, one], 1450],
    ['udp and host-gw', [udp, direct], 1472],
  ] as const)
    it(`has the smallest MTU of ${what}`, () => {
      const wide = all.map((each) => ({
        ...each,
        host: host({ interface: { ...host().interface, mtu: 1500 as UnderlayMtu } }),
      }));
      assert.equal(mtuFor(wide), mtu);
    });

  for (const [what, all, devices, networks] of [
    ['one', [one], ['flannel.1'], 1],
    ['two', [one, five], ['flannel.1', 'flannel.5'], 1],
    ['the same twice', [one, one], ['flannel.1'], 1],
    ['none', [alloc], [], 0],
    ['none and one', [alloc, five], ['flannel.5'], 1],
  ] as const)
    it(`owns the devices and networks of ${what}`, () => {
      const owned = ownershipFor(all);
      assert.deepEqual([owned.devices, owned.networks.length, owned.interface], [devices, networks, 'eth0']);
    });

  it('owns nothing without a transport', () => assert.throws(() => ownershipFor([]), RangeError));
});
