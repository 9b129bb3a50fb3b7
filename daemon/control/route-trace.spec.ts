import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { context, network, vxlanPeer, VXLAN } from '../../backends/fixture.ts';
import { backendFor } from '../../backends/index.ts';
import { objectKey, type KernelObject, type ObjectKey } from '../../backends/kernel-state.ts';
import type { RouteLookup } from '../kernel/kernel.ts';
import type { KernelSnapshot } from './kernel-snapshot.ts';
import { traceRoute, type RouteTrace, type TracedOwner } from './route-trace.ts';

const backend = backendFor('vxlan');
const here = context(backend, network('4', VXLAN));
const peer = vxlanPeer(2);
const own = backend.deriveHost(here);
const objects = backend.derivePeer(here, peer).objects;

interface Kernel {
  readonly present?: readonly KernelObject[];
  readonly lookups?: Readonly<Record<string, RouteLookup | undefined>>;
  readonly underlayMtu?: number;
  /** Of this host's own objects and the peer's. */
  readonly desired?: { readonly own: readonly KernelObject[]; readonly peer: readonly KernelObject[] };
  readonly owner?: TracedOwner;
}

const DESIRED_LOOKUPS: Readonly<Record<string, RouteLookup>> = {
  '10.5.2.7': { dev: 'flannel.1', gateway: '10.5.2.0' as IpAddress },
  '10.9.0.2': { dev: 'eth0' },
};

function trace({
  desired = { own, peer: objects },
  present = [...desired.own, ...desired.peer],
  lookups = DESIRED_LOOKUPS,
  underlayMtu = 1500,
  owner = { kind: 'peer', key: peer.key },
}: Kernel = {}): Promise<RouteTrace> {
  const byKey = (list: readonly KernelObject[]): Map<ObjectKey, KernelObject> =>
    new Map(list.map((object) => [objectKey(object), object]));
  const snapshot = {
    kernel: {
      lookupRoute: (address: string) => Promise.resolve(lookups[address]),
      readInterfaces: () => Promise.resolve([{ name: 'eth0', mtu: underlayMtu }]),
    },
    reconciler: { desired: byKey([...desired.own, ...desired.peer]), objectsOf: () => byKey(desired.peer) },
    actual: { objects: byKey(present), foreignLinks: new Map() },
  } as unknown as KernelSnapshot;
  return traceRoute(snapshot, '10.5.2.7' as IpAddress, owner);
}

function problems({ lookups }: RouteTrace): readonly string[] {
  return lookups.flatMap(({ table, problem }) => (problem === undefined ? [] : [`${table}: ${problem}`]));
}

const without = (kind: KernelObject['kind']): readonly KernelObject[] =>
  [...own, ...objects].filter((object) => object.kind !== kind);

describe('the route trace', () => {
  it('finds every desired entry', async () => {
    const complete = await trace();
    assert.deepEqual(problems(complete), []);
    assert.deepEqual(
      [complete.datapath, complete.mtu, complete.overheadBytes, complete.lookups.map(({ table }) => table)],
      ['kernel', 1450, 50, ['route', 'neighbour', 'fdb', 'underlay']],
    );
  });

  it('ends at the route table if there is no route', async () => {
    const broken = await trace({ lookups: {} });
    assert.equal(broken.datapath, 'none');
    assert.match(
      problems(broken).join(),
      /^route: unreachable; desired: 10\.5\.2\.0\/24 via 10\.5\.2\.0 dev flannel\.1/,
    );
  });

  it('names the desired route if another one takes its place', async () => {
    const lookups = { '10.5.2.7': { dev: 'eth0', gateway: '10.9.0.254' as IpAddress } };
    const taken = await trace({ lookups });
    assert.match(problems(taken).join(), /^route: not the desired route; desired: 10\.5\.2\.0/);
    assert.deepEqual([taken.datapath, taken.dev], ['unencapsulated', 'eth0']);
  });

  for (const kind of ['unleased', 'outside', 'own'] as const)
    it(`says that a packet to an address that is ${kind} leaves by the default route`, async () => {
      const lookups = { '10.5.2.7': { dev: 'eth0', gateway: '10.9.0.254' as IpAddress } };
      const left = await trace({ lookups, owner: { kind } });
      assert.deepEqual([left.datapath, left.dev, left.mtu], ['unencapsulated', 'eth0', 1500]);
      assert.equal((await trace({ lookups: {}, owner: { kind } })).datapath, 'none');
    });

  it('says that a bridge takes packets to the own subnet', async () => {
    const lookups = { '10.5.2.7': { dev: 'cni0' } };
    assert.equal((await trace({ lookups, owner: { kind: 'own' } })).datapath, 'local');
  });

  for (const [type, name, encapsulation] of [
    ['ipip', 'flannel.ipip', 'ipip'],
    ['fou', 'flannel0', 'udp'],
  ] as const)
    it(`takes the gateway of the route for the peer on a device of type ${type}`, async () => {
      const link = { kind: 'link', type, name, local: '10.9.0.1', parent: 'eth0', port: 8285, mtu: 1472 };
      const lookups = { ...DESIRED_LOOKUPS, '10.5.2.7': { dev: name, gateway: '10.9.0.2' as IpAddress } };
      const found = await trace({ desired: { own: [link as KernelObject], peer: [] }, lookups });
      assert.deepEqual(problems(found), []);
      assert.deepEqual([found.datapath, found.encapsulation], ['kernel', encapsulation]);
      assert.equal(found.lookups.at(-1)?.entry, '10.9.0.2 dev eth0');
    });

  it('finds the policy by which IPsec takes packets off their route', async () => {
    const policy = {
      kind: 'policy',
      direction: 'out',
      source: '10.5.1.0/24',
      destination: '10.5.2.0/24',
      tunnelSource: '10.9.0.1',
      tunnelDestination: '10.9.0.2',
      isOptional: false,
    } as KernelObject;
    const lookups = { '10.5.2.7': { dev: 'eth0', gateway: '10.9.0.254' as IpAddress } };
    const desired = { own: [], peer: [policy] };
    const found = await trace({ desired, lookups });
    assert.deepEqual([found.datapath, found.encapsulation, problems(found)], ['kernel', 'esp', []]);
    const lost = await trace({ desired, present: [], lookups });
    assert.equal(lost.datapath, 'unencapsulated');
    assert.match(problems(lost).join(), /^policy: no policy: packets leave unencrypted/);
  });

  for (const kind of ['neighbour', 'fdb'] as const)
    it(`ends at the ${kind} table if there is no entry`, async () => {
      const broken = await trace({ present: without(kind) });
      assert.deepEqual(problems(broken), [`${kind}: no entry: packets are dropped`]);
      assert.equal(broken.datapath, 'none');
    });

  it('names the desired entry if another program changed it', async () => {
    const present = [...own, ...objects].map((object) =>
      object.kind === 'fdb' ? { ...object, destination: '10.9.0.99' as IpAddress } : object,
    );
    const lookups = { ...DESIRED_LOOKUPS, '10.9.0.99': { dev: 'eth0' } };
    assert.match(
      problems(await trace({ present, lookups })).join(),
      /^fdb: desired: \S+ dst 10\.9\.0\.2 dev/,
    );
  });

  it('reports the MTU that the underlay leaves', async () => {
    const narrow = await trace({ underlayMtu: 1400 });
    assert.equal(narrow.mtu, 1350);
    assert.deepEqual(problems(narrow), [
      'underlay: eth0 has MTU 1400, which leaves 1350 bytes for the overlay, but flannel.1 has 1450',
    ]);
  });
});
