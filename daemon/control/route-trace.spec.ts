import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { context, network, vxlanPeer, VXLAN } from '../../backends/fixture.ts';
import { backendFor } from '../../backends/index.ts';
import { objectKey, type KernelObject, type ObjectKey } from '../../backends/kernel-state.ts';
import type { RouteLookup } from '../kernel/kernel.ts';
import type { KernelSnapshot } from './kernel-snapshot.ts';
import { traceRoute, type RouteTrace } from './route-trace.ts';

const backend = backendFor('vxlan');
const here = context(backend, network('4', VXLAN));
const peer = vxlanPeer(2);
const own = backend.deriveHost(here);
const objects = backend.derivePeer(here, peer).objects;

interface Kernel {
  readonly present?: readonly KernelObject[];
  readonly lookups?: Readonly<Record<string, RouteLookup | undefined>>;
  readonly underlayMtu?: number;
}

const DESIRED_LOOKUPS: Readonly<Record<string, RouteLookup>> = {
  '10.5.2.7': { dev: 'flannel.1', gateway: '10.5.2.0' as IpAddress },
  '10.9.0.2': { dev: 'eth0' },
};

function trace({
  present = [...own, ...objects],
  lookups = DESIRED_LOOKUPS,
  underlayMtu = 1500,
}: Kernel = {}): Promise<RouteTrace> {
  const byKey = (list: readonly KernelObject[]): Map<ObjectKey, KernelObject> =>
    new Map(list.map((object) => [objectKey(object), object]));
  const snapshot = {
    kernel: {
      lookupRoute: (address: string) => Promise.resolve(lookups[address]),
      readInterfaces: () => Promise.resolve([{ name: 'eth0', mtu: underlayMtu }]),
    },
    reconciler: { desired: byKey([...own, ...objects]), objectsOf: () => byKey(objects) },
    actual: { objects: byKey(present), foreignLinks: new Map() },
  } as unknown as KernelSnapshot;
  return traceRoute(snapshot, '10.5.2.7' as IpAddress, peer.key);
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
    assert.match(
      problems(await trace({ lookups })).join(),
      /^route: not the desired route; desired: 10\.5\.2\.0/,
    );
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
