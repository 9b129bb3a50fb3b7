import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { NO_MAC, parseMac, UNSPECIFIED } from '../../lib/address.ts';
import { cidr, ip4 } from '../../backends/fixture.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey, OverlayMtu, TunLink, VxlanLink } from '../../backends/kernel-state.ts';
import { renderObject, renderObjects } from '../../backends/render.ts';
import type { ActualObject } from '../kernel/actual-state.ts';
import type { Step } from '../kernel/kernel.ts';
import { diff, diffInSlices, isInSync } from './diff.ts';
import type { DiffOptions } from './diff.ts';
import { CachedState } from './cache/cached-state.ts';
import { deviceOf } from './object-device.ts';

const DEV = 'flannel.1';

function mac(last: number) {
  const parsed = parseMac(`c6:00:00:00:00:${last.toString(16).padStart(2, '0')}`);
  assert.ok(parsed);
  return parsed;
}

function link(changes: Partial<VxlanLink> = {}): VxlanLink {
  return {
    kind: 'link',
    type: 'vxlan',
    name: DEV,
    vni: 1,
    port: 8472,
    local: ip4('10.9.0.1'),
    parent: 'eth0',
    learning: false,
    gbp: false,
    mac: mac(1),
    mtu: 1450 as OverlayMtu,
    ...changes,
  };
}
const address = (subnet = 1, dev = DEV): KernelObject => ({
  kind: 'address',
  dev,
  address: cidr(`10.5.${subnet}.0/32`),
});
const sysctl = (value = '0', dev = DEV): KernelObject => ({
  kind: 'sysctl',
  path: `net/ipv6/conf/${dev}/accept_ra`,
  value,
});
const neighbour = (peer: number, to = peer, dev = DEV): KernelObject => ({
  kind: 'neighbour',
  dev,
  address: ip4(`10.5.${peer}.0`),
  mac: mac(to),
});
const fdb = (last: number, to = last, dev = DEV): KernelObject => ({
  kind: 'fdb',
  dev,
  mac: mac(last),
  destination: ip4(`10.9.0.${to}`),
});
const tunnel = (peer: number, dev = DEV): KernelObject => ({
  kind: 'route',
  destination: cidr(`10.5.${peer}.0/24`),
  gateway: ip4(`10.5.${peer}.0`),
  dev,
  isOnLink: true,
});
const direct = (peer: number): KernelObject => ({
  kind: 'route',
  destination: cidr(`10.5.${peer}.0/24`),
  gateway: ip4(`10.9.0.${peer}`),
  dev: 'eth0',
  isOnLink: false,
});

function tun(changes: Partial<TunLink> = {}): TunLink {
  return {
    kind: 'link',
    type: 'tun',
    name: DEV,
    encapsulation: 'vxlan',
    local: ip4('10.9.0.1'),
    port: 8472,
    vni: 1,
    mac: mac(1),
    mtu: 1450 as OverlayMtu,
    ...changes,
  };
}
const pathEntry = (peer: number, to = peer, dev = DEV): KernelObject => ({
  kind: 'tunnel',
  dev,
  destination: cidr(`10.5.${peer}.0/24`),
  remote: ip4(`10.9.0.${to}`),
  port: 8472,
  mac: mac(to),
  needsSegments: false,
  acceptsZeroChecksum: false,
});
const deviceRoute = (peer: number): KernelObject => ({
  kind: 'route',
  destination: cidr(`10.5.${peer}.0/24`),
  gateway: UNSPECIFIED[4],
  dev: DEV,
  isOnLink: false,
});

const host = [link(), address(), sysctl()];
const pathHost = [tun(), address(), sysctl()];
const pathPeer = (number: number): readonly KernelObject[] => [pathEntry(number), deviceRoute(number)];
const peer = (number: number): readonly KernelObject[] => [neighbour(number), fdb(number), tunnel(number)];

const byKey = (objects: readonly KernelObject[]): Map<ObjectKey, KernelObject> =>
  new Map(objects.map((object) => [objectKey(object), object]));
const render = ({ action, object }: Step): string =>
  `${action === 'set' ? '+' : '-'} ${renderObject(object)}`;
const deviating = (object: KernelObject, mismatch: string): KernelObject =>
  ({ ...object, mismatch }) as ActualObject;

interface Case {
  readonly name: string;
  readonly from: readonly KernelObject[];
  readonly to: readonly KernelObject[];
  readonly options?: DiffOptions;
  readonly steps: readonly string[];
}

const LINK =
  'flannel.1 mtu 1450 address c6:00:00:00:00:01 vxlan id 1 local 10.9.0.1 dev eth0 dstport 8472 nolearning';
const HOST_STEPS = [
  `+ ${LINK}`,
  '+ inet 10.5.1.0/32 dev flannel.1',
  '+ net/ipv6/conf/flannel.1/accept_ra = 0',
];
const PEER_STEPS = [
  '+ c6:00:00:00:00:02 dst 10.9.0.2 dev flannel.1',
  '+ 10.5.2.0 lladdr c6:00:00:00:00:02 dev flannel.1',
  '+ 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
];

const TUN = 'flannel.1 mtu 1450 address c6:00:00:00:00:01 tun vxlan id 1 local 10.9.0.1 port 8472';
const PATH_HOST_STEPS = [`+ ${TUN}`, ...HOST_STEPS.slice(1)];
const PATH_PEER_STEPS = [
  '+ 10.5.2.0/24 remote 10.9.0.2:8472 lladdr c6:00:00:00:00:02 dev flannel.1',
  '+ 10.5.2.0/24 dev flannel.1',
];

const cases: readonly Case[] = [
  {
    name: 'turns IPv6 on for a device before its address, and other settings after it',
    from: [],
    to: [...host, { kind: 'sysctl', path: `net/ipv6/conf/${DEV}/disable_ipv6`, value: '0' }],
    steps: [HOST_STEPS[0]!, `+ net/ipv6/conf/${DEV}/disable_ipv6 = 0`, ...HOST_STEPS.slice(1)],
  },
  {
    name: 'plans nothing for equal states',
    from: [...host, ...peer(2)],
    to: [...host, ...peer(2)],
    steps: [],
  },
  {
    name: 'creates the device first and the route last',
    from: [],
    to: [...peer(2), ...host],
    steps: [...HOST_STEPS, ...PEER_STEPS],
  },
  { name: 'adds a joining peer', from: host, to: [...host, ...peer(2)], steps: PEER_STEPS },
  {
    name: 'removes the route of a leaving peer first',
    from: [...host, ...peer(2)],
    to: host,
    steps: [
      '- 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
      '- 10.5.2.0 lladdr c6:00:00:00:00:02 dev flannel.1',
      '- c6:00:00:00:00:02 dst 10.9.0.2 dev flannel.1',
    ],
  },
  {
    name: 'makes a new MAC reachable before use and removes the old one last',
    from: [...host, ...peer(2)],
    to: [...host, fdb(9, 2), neighbour(2, 9), tunnel(2)],
    steps: [
      '+ c6:00:00:00:00:09 dst 10.9.0.2 dev flannel.1',
      '+ 10.5.2.0 lladdr c6:00:00:00:00:09 dev flannel.1',
      '- c6:00:00:00:00:02 dst 10.9.0.2 dev flannel.1',
    ],
  },
  {
    name: 'changes the FDB entry for a new address of a peer',
    from: [...host, ...peer(2)],
    to: [...host, neighbour(2), fdb(2, 8), tunnel(2)],
    steps: ['+ c6:00:00:00:00:02 dst 10.9.0.8 dev flannel.1'],
  },
  {
    name: 'moves the route from tunnel to direct before the rest is removed',
    from: [...host, ...peer(2)],
    to: [...host, direct(2)],
    steps: [
      '+ 10.5.2.0/24 via 10.9.0.2 dev eth0',
      '- 10.5.2.0 lladdr c6:00:00:00:00:02 dev flannel.1',
      '- c6:00:00:00:00:02 dst 10.9.0.2 dev flannel.1',
    ],
  },
  {
    name: 'moves the route from direct to tunnel after the rest is set',
    from: [...host, direct(2)],
    to: [...host, ...peer(2)],
    steps: PEER_STEPS,
  },
  {
    name: 'sets the address of a new subnet before the old one is removed',
    from: host,
    to: [link(), address(7), sysctl()],
    steps: ['+ inet 10.5.7.0/32 dev flannel.1', '- inet 10.5.1.0/32 dev flannel.1'],
  },
  ...(
    [
      ['MTU', { mtu: 1400 as OverlayMtu }],
      ['MAC', { mac: mac(77) }],
      ['learning', { learning: true }],
      ['tunnel source', { local: ip4('10.9.0.99') }],
    ] as const
  ).map(([name, change]) => ({
    name: `changes the ${name} of the device in place`,
    from: [link(change), address(), sysctl(), ...peer(2)],
    to: [...host, ...peer(2)],
    steps: [`+ ${LINK}`],
  })),
  {
    name: 'sets a device up in place',
    from: [deviating(link(), 'down'), address(), sysctl()],
    to: host,
    steps: [`+ ${LINK}`],
  },
  ...(
    [
      ['VNI', { vni: 2 }],
      ['port', { port: 4789 }],
      ['GBP', { gbp: true }],
    ] as const
  ).map(([name, change]) => ({
    name: `re-creates the device and everything on it for another ${name}`,
    from: [link(change), address(), sysctl(), ...peer(2)],
    to: [...host, ...peer(2)],
    steps: [`- ${renderObject(link(change))}`, ...HOST_STEPS, ...PEER_STEPS],
  })),
  {
    name: 're-creates a device that the kernel does not change in place',
    from: [link({ mtu: 1400 as OverlayMtu }), address(), sysctl()],
    to: host,
    options: { replaceLinks: new Set([objectKey(link())]) },
    steps: [`- ${renderObject(link({ mtu: 1400 as OverlayMtu }))}`, ...HOST_STEPS],
  },
  {
    name: 'removes a foreign link that has the name of the device',
    from: [],
    to: host,
    options: { foreignLinks: new Map([[DEV, { name: DEV, type: 'dummy' }]]) },
    steps: [`- ${LINK}`, ...HOST_STEPS],
  },
  {
    name: 'keeps a foreign link whose name is not wanted',
    from: [],
    to: [],
    options: { foreignLinks: new Map([[DEV, { name: DEV, type: 'dummy' }]]) },
    steps: [],
  },
  {
    name: 'sets device, tunnels and routes in this order in userspace',
    from: [],
    to: [...pathPeer(2), ...pathHost],
    steps: [...PATH_HOST_STEPS, ...PATH_PEER_STEPS],
  },
  {
    name: 'removes the route of a leaving peer first in userspace',
    from: [...pathHost, ...pathPeer(2)],
    to: pathHost,
    steps: PATH_PEER_STEPS.toReversed().map((line) => line.replace('+', '-')),
  },
  {
    name: 'changes the tunnel of a peer with a new address in userspace',
    from: [...pathHost, ...pathPeer(2)],
    to: [...pathHost, pathEntry(2, 7), deviceRoute(2)],
    steps: ['+ 10.5.2.0/24 remote 10.9.0.7:8472 lladdr c6:00:00:00:00:07 dev flannel.1'],
  },
  {
    name: 'changes the MTU of the device in place in userspace',
    from: [tun({ mtu: 1400 as OverlayMtu }), address(), sysctl(), ...pathPeer(2)],
    to: [...pathHost, ...pathPeer(2)],
    steps: [`+ ${TUN}`],
  },
  ...(
    [
      ['encapsulation', { encapsulation: 'udp', vni: 0, mac: NO_MAC }],
      ['local address', { local: ip4('10.9.0.9') }],
      ['port', { port: 8285 }],
      ['VNI', { vni: 2 }],
      ['MAC address', { mac: mac(9) }],
    ] as const
  ).map(([name, change]) => ({
    name: `re-creates the device and everything on it for another ${name} in userspace`,
    from: [tun(change), address(), sysctl(), ...pathPeer(2)],
    to: [...pathHost, ...pathPeer(2)],
    steps: [`- ${renderObject(tun(change))}`, ...PATH_HOST_STEPS, ...PATH_PEER_STEPS],
  })),
  {
    name: 'replaces a VXLAN device and everything on it by a TUN device',
    from: [...host, ...peer(2)],
    to: [...pathHost, ...pathPeer(2)],
    steps: [`- ${LINK}`, ...PATH_HOST_STEPS, ...PATH_PEER_STEPS],
  },
  {
    name: 'replaces a TUN device and everything on it by a VXLAN device',
    from: [...pathHost, ...pathPeer(2)],
    to: [...host, ...peer(2)],
    steps: [`- ${TUN}`, ...HOST_STEPS, ...PEER_STEPS],
  },
  {
    name: 'removes only the device, with which the kernel removes everything on it',
    from: [...host, ...peer(2)],
    to: [],
    steps: [`- ${LINK}`],
  },
  {
    name: 'sets an object with unsupported attributes again',
    from: [...host, ...peer(2).slice(0, 2), deviating(tunnel(2), '2 next hops')],
    to: [...host, ...peer(2)],
    steps: ['+ 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink'],
  },
  { name: 'leaves an unwanted sysctl as it is', from: [...host, sysctl('1', 'eth7')], to: host, steps: [] },
  {
    name: 'compares only the given keys',
    from: [...host, ...peer(2)],
    to: [...host, ...peer(3)],
    options: { keys: ['route 10.5.3.0/24', 'route 10.5.2.0/24'] },
    steps: [
      '+ 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink',
      '- 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
    ],
  },
  {
    name: 'sets the entries of a new device even if only the key of the device is given',
    from: [],
    to: [...host, ...peer(2)],
    options: { keys: ['link flannel.1'] },
    steps: [...HOST_STEPS, ...PEER_STEPS],
  },
  {
    name: 'leaves deferred objects as they are',
    from: [link({ vni: 2 }), ...peer(2)],
    to: [...host, ...peer(3)],
    options: { isDeferred: (object) => deviceOf(object) === DEV },
    steps: [],
  },
];

describe('diff', () => {
  it('of everything sets missing devices alone, with what follows them, and removes nothing until these are read', async () => {
    const [actual, desired] = [byKey(peer(3)), byKey([...host, ...peer(2)])];
    const planned = (from: Map<ObjectKey, KernelObject>) => diffInSlices(desired, from, 2);
    assert.deepEqual((await planned(actual)).map(render), HOST_STEPS);
    const withHost = new Map([...actual, ...byKey(host)]);
    assert.deepEqual(await planned(withHost), diff(desired, withHost));
    assert.equal((await planned(withHost)).length, 6);
  });

  for (const { name, from, to, options, steps } of cases)
    it(name, () => {
      assert.deepEqual(diff(byKey(to), byKey(from), options).map(render), steps);
    });

  it('renames a device of the packet path whose name another one gets', () => {
    const wanted = byKey([tun({ port: 4789 }), tun({ name: 'flannel-p8472' })]);
    const steps = diff(wanted, byKey([tun()]));
    assert.deepEqual(
      steps.map(({ action, object }) => `${action} ${objectKey(object)}`),
      ['set link flannel-p8472', 'set link flannel.1'],
    );
    assert.deepEqual(
      steps.map((step) => step.action === 'set' && step.current),
      [tun(), undefined],
    );
  });

  it('gives a step the object that it replaces', () => {
    const actual = deviating(fdb(2), 'two remotes');
    const [step] = diff(byKey([fdb(2)]), byKey([actual]));
    assert.deepEqual(step, { action: 'set', object: fdb(2), current: actual });
  });
});

// ---- properties ----------------------------------------------------------------------------

const few = fc.integer({ min: 2, max: 5 });
const dev = fc.constantFrom(DEV, 'flannel.2');
const anyEntry: fc.Arbitrary<KernelObject> = fc.oneof(
  fc.tuple(few, dev).map(([n, name]) => address(n, name)),
  fc.tuple(few, few, dev).map(([n, to, name]) => neighbour(n, to, name)),
  fc.tuple(few, few, dev).map(([n, to, name]) => fdb(n, to, name)),
  fc.tuple(few, dev).map(([n, name]) => tunnel(n, name)),
  few.map(direct),
  few.map(deviceRoute),
  fc.tuple(few, few, dev).map(([n, to, name]) => pathEntry(n, to, name)),
  fc.tuple(fc.constantFrom('0', '1'), dev).map(([value, name]) => sysctl(value, name)),
);
const anyLink = fc
  .record({ name: dev, vni: fc.constantFrom(1, 2), mtu: fc.constantFrom(1400, 1450), learning: fc.boolean() })
  .map(({ mtu, ...rest }) => link({ ...rest, mtu: mtu as OverlayMtu }));
const anyTun = fc
  .record({ name: dev, vni: fc.constantFrom(1, 2), mtu: fc.constantFrom(1400, 1450) })
  .map(({ mtu, ...rest }) => tun({ ...rest, mtu: mtu as OverlayMtu }));
/** Possible states: no object is on a device that does not exist. */
const anyState = fc
  .tuple(fc.array(fc.oneof(anyLink, anyTun), { maxLength: 2 }), fc.array(anyEntry, { maxLength: 12 }))
  .map(([links, entries]) => {
    const names = new Set(['eth0', ...links.map(({ name }) => name)]);
    return byKey([...links, ...entries.filter((object) => names.has(deviceOf(object) ?? ''))]);
  });

function applied(actual: ReadonlyMap<ObjectKey, KernelObject>, steps: readonly Step[]): CachedState {
  const cached = new CachedState({
    objects: new Map(actual) as Map<ObjectKey, ActualObject>,
    foreignLinks: new Map(),
  });
  for (const step of steps) cached.recordStep(step);
  return cached;
}

const withoutSysctls = (objects: Iterable<KernelObject>): readonly string[] =>
  renderObjects([...objects].filter(({ kind }) => kind !== 'sysctl'));

describe('diff of any two states', () => {
  it('leads from one to the other', () => {
    fc.assert(
      fc.property(anyState, anyState, (from, to) => {
        const { objects } = applied(from, diff(to, from));
        assert.deepEqual(withoutSysctls(objects.values()), withoutSysctls(to.values()));
        for (const [key, object] of to) assert.ok(isInSync(object, objects.get(key)));
      }),
    );
  });

  it('is empty for equal states', () => {
    fc.assert(fc.property(anyState, (state) => assert.deepEqual(diff(state, new Map(state)), [])));
  });

  it('sets a device before its entries and removes it with them', () => {
    fc.assert(
      fc.property(anyState, anyState, (from, to) => {
        const steps = diff(to, from);
        for (const [index, { action, object }] of steps.entries()) {
          if (object.kind === 'link') continue;
          const later = steps.slice(index + 1);
          const isLinkOf = (step: Step): boolean =>
            step.object.kind === 'link' && step.object.name === deviceOf(object);
          assert.ok(!later.some((step) => isLinkOf(step) && step.action === 'set'), 'set after its entries');
          if (action === 'set') assert.ok(!later.some(isLinkOf), 'removed after its entries were set');
        }
      }),
    );
  });

  it('keeps every route with its neighbour and FDB entry at each step', () => {
    const peers = fc.uniqueArray(fc.record({ number: few, isDirect: fc.boolean() }), {
      selector: ({ number }) => number,
    });
    const whole = peers.map((all) =>
      byKey([
        ...host,
        ...all.flatMap(({ number, isDirect }) => (isDirect ? [direct(number)] : peer(number))),
      ]),
    );
    fc.assert(
      fc.property(whole, whole, (from, to) => {
        const steps = diff(to, from);
        for (let count = 0; count <= steps.length; count++) {
          const { objects } = applied(from, steps.slice(0, count));
          for (const object of objects.values()) {
            if (object.kind !== 'route' || !object.isOnLink) continue;
            const next = objects.get(`neighbour ${object.dev} ${object.gateway}`);
            assert.ok(next?.kind === 'neighbour', `${renderObject(object)} without neighbour`);
            assert.ok(
              objects.has(`fdb ${object.dev} ${next.mac}`),
              `${renderObject(object)} without FDB entry`,
            );
          }
        }
      }),
    );
  });

  it('keeps the objects of a peer that both states have at each step', () => {
    const peers = fc.uniqueArray(few);
    fc.assert(
      fc.property(peers, peers, (before, after) => {
        const from = byKey([...host, ...before.flatMap(peer)]);
        const steps = diff(byKey([...host, ...after.flatMap(peer)]), from);
        for (let count = 0; count <= steps.length; count++) {
          const { objects } = applied(from, steps.slice(0, count));
          for (const number of before.filter((one) => after.includes(one)))
            for (const object of peer(number)) assert.ok(objects.has(objectKey(object)));
        }
      }),
    );
  });
});
