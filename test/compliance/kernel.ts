// The compliance suite of Kernel. It knows a host only through the fixture, so that the same tests
// hold for Linux and for its model. It measures no time.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Cidr, IpAddress, MacAddress } from '../../lib/address.ts';
import type { Ownership } from '../../backends/backend.ts';
import {
  type AddressObject,
  type FdbObject,
  type FouLink,
  type IpipLink,
  type PolicyObject,
  type KernelObject,
  type NeighbourObject,
  type ObjectKey,
  objectKey,
  type OverlayMtu,
  type RouteObject,
  type TunLink,
  type PathRouteObject,
  type VxlanLink,
  type WireguardLink,
  type WireguardPeerObject,
} from '../../backends/kernel-state.ts';
import { type ActualObject, describeDrift, sameObject } from '../../daemon/kernel/actual-state.ts';
import type { ActualState, Kernel, KernelNotification, Step } from '../../daemon/kernel/kernel.ts';
import { fingerprint, generateWireguardKey, wireguardPublicKey } from '../../lib/wireguard-key.ts';
import { waitFor } from '../../lab/wait.ts';

/** A route that another process makes; what is left out is as `ip route replace` has it. */
export interface ForeignRoute {
  readonly destination: string;
  readonly type?: 'unicast' | 'blackhole';
  readonly gateway?: string;
  readonly dev?: string;
  readonly isOnLink?: boolean;
  /** Routing protocol number. */
  readonly protocol?: number;
  readonly metric?: number;
}

/** Changes the host as an administrator or another daemon does. */
export interface ExternalActor {
  addBridge(name: string): void;
  /** A persistent TUN device that no process has open. */
  addTun(name: string): void;
  deleteLink(name: string): void;
  /** Ends the reception of a device of FOU. */
  deleteFouPort(link: FouLink): void;
  setLink(name: string, change: { readonly isUp?: boolean; readonly mtu?: number }): void;
  addAddress(dev: string, address: string): void;
  deleteAddress(dev: string, address: string): void;
  setNeighbour(entry: NeighbourObject): void;
  deleteNeighbour(entry: NeighbourObject): void;
  setFdb(entry: FdbObject): void;
  deleteFdb(entry: FdbObject): void;
  replaceRoute(route: ForeignRoute): void;
  deleteRoute(destination: string): void;
}

/**
 * A host with one interface {@link UNDERLAY}: up, MTU 1500, 192.0.2.1/24 and 2001:db8::1/64. Its
 * kernel has a packet path.
 */
export interface KernelFixture {
  /** Whether a WireGuard device needs its private key; the model has no secrets. */
  readonly hasSecrets: boolean;
  readonly kernel: Kernel;
  readonly actor: ExternalActor;
  close(): void;
}

export const UNDERLAY = 'kt0';
export const DEVICE = 'flannel.900';
export const DEVICE6 = 'flannel-v6.900';
const RENAMED = 'flannel-p8472';
export const TUN = 'flannel9';

const ip = (text: string): IpAddress => text as IpAddress;
const cidr = (text: string): Cidr => text as Cidr;
const mac = (text: string): MacAddress => text as MacAddress;

export const LINK: VxlanLink = {
  kind: 'link',
  type: 'vxlan',
  name: DEVICE,
  vni: 900,
  port: 8472,
  local: ip('192.0.2.1'),
  parent: UNDERLAY,
  learning: false,
  gbp: false,
  mac: mac('c6:d2:32:6f:8f:44'),
  mtu: 1450 as OverlayMtu,
};

export const LINK6: VxlanLink = {
  ...LINK,
  name: DEVICE6,
  local: ip('2001:db8::1'),
  mac: mac('c6:d2:32:6f:8f:66'),
  mtu: 1430 as OverlayMtu,
};

export const ADDRESS: AddressObject = { kind: 'address', dev: DEVICE, address: cidr('10.5.72.0/32') };
export const ADDRESS6: AddressObject = { kind: 'address', dev: DEVICE6, address: cidr('fd00:5:72::/128') };
export const NEIGHBOUR: NeighbourObject = {
  kind: 'neighbour',
  dev: DEVICE,
  address: ip('10.5.2.0'),
  mac: mac('02:00:00:00:00:02'),
};
export const NEIGHBOUR6: NeighbourObject = { ...NEIGHBOUR, dev: DEVICE6, address: ip('fd00:5:2::') };
export const FDB: FdbObject = {
  kind: 'fdb',
  dev: DEVICE,
  mac: mac('02:00:00:00:00:02'),
  destination: ip('192.0.2.2'),
};
export const FDB6: FdbObject = { ...FDB, dev: DEVICE6, destination: ip('2001:db8::2') };
export const ROUTE: RouteObject = {
  kind: 'route',
  destination: cidr('10.5.2.0/24'),
  gateway: ip('10.5.2.0'),
  dev: DEVICE,
  isOnLink: true,
};
export const ROUTE6: RouteObject = {
  ...ROUTE,
  destination: cidr('fd00:5:2::/64'),
  gateway: ip('fd00:5:2::'),
  dev: DEVICE6,
};
const DIRECT: RouteObject = {
  ...ROUTE,
  destination: cidr('10.5.3.0/24'),
  gateway: ip('192.0.2.3'),
  dev: UNDERLAY,
  isOnLink: false,
};
const DIRECT6: RouteObject = { ...DIRECT, destination: cidr('fd00:5:3::/64'), gateway: ip('2001:db8::3') };

const DEVICE_ROUTE: RouteObject = {
  kind: 'route',
  destination: cidr('10.5.4.0/24'),
  gateway: ip('0.0.0.0'),
  dev: DEVICE,
  isOnLink: false,
};
const DEVICE_ROUTE6: RouteObject = {
  ...DEVICE_ROUTE,
  destination: cidr('fd00:5:4::/64'),
  gateway: ip('::'),
  dev: DEVICE6,
};

/** A device of the packet path as flannel's udp backend needs it. */
export const TUN_LINK: TunLink = {
  kind: 'link',
  type: 'tun',
  name: TUN,
  encapsulation: 'udp',
  local: ip('192.0.2.1'),
  port: 8285,
  vni: 0,
  mac: mac('00:00:00:00:00:00'),
  mtu: 1472 as OverlayMtu,
};
/** The same with VXLAN encapsulation. */
const TUN_VXLAN: TunLink = {
  ...TUN_LINK,
  encapsulation: 'vxlan',
  port: 8473,
  vni: 901,
  mac: mac('c6:d2:32:6f:8f:99'),
  mtu: 1450 as OverlayMtu,
};
export const TUN_ADDRESS: AddressObject = { kind: 'address', dev: TUN, address: cidr('10.5.72.0/32') };
const TUN_ROUTE: RouteObject = { ...DEVICE_ROUTE, destination: cidr('10.5.0.0/16'), dev: TUN };
export const TUNNEL: PathRouteObject = {
  kind: 'tunnel',
  dev: TUN,
  destination: cidr('10.5.2.0/24'),
  remote: ip('192.0.2.2'),
  port: 8285,
  mac: TUN_LINK.mac,
  needsSegments: false,
  acceptsZeroChecksum: false,
};
const TUNNEL6: PathRouteObject = { ...TUNNEL, destination: cidr('fd00:5:2::/64') };

/** Devices of the kernel in the same format, by inner family. */
const FOU_LINK: FouLink = {
  kind: 'link',
  type: 'fou',
  name: TUN,
  local: ip('192.0.2.1'),
  port: 8285,
  parent: '',
  mtu: 1472 as OverlayMtu,
};
const FOU_LINK6: FouLink = { ...FOU_LINK, local: ip('2001:db8::1'), mtu: 1452 as OverlayMtu };
export const FOU_LINKS: readonly FouLink[] = [FOU_LINK, FOU_LINK6];
const FOU_ROUTE: RouteObject = {
  ...DEVICE_ROUTE,
  destination: cidr('10.5.2.0/24'),
  gateway: ip('192.0.2.2'),
  dev: TUN,
  isOnLink: true,
};
const FOU_ROUTE6: RouteObject = {
  ...FOU_ROUTE,
  destination: cidr('fd00:5:2::/64'),
  gateway: ip('2001:db8::2'),
};
const IPIP_LINK: IpipLink = {
  kind: 'link',
  type: 'ipip',
  name: TUN,
  local: ip('192.0.2.1'),
  parent: UNDERLAY,
  mtu: 1480 as OverlayMtu,
};
const POLICY: PolicyObject = {
  kind: 'policy',
  direction: 'out',
  source: cidr('10.5.1.0/24'),
  destination: cidr('10.5.2.0/24'),
  tunnelSource: ip('192.0.2.1'),
  tunnelDestination: ip('192.0.2.2'),
  isOptional: false,
};
const FOU_CASES = [
  { what: 'IPv4', link: FOU_LINK, route: FOU_ROUTE },
  { what: 'IPv6', link: FOU_LINK6, route: FOU_ROUTE6 },
] as const;

export const OWNERSHIP: Ownership = {
  devices: [DEVICE, RENAMED, DEVICE6, TUN],
  networks: [
    { network: cidr('10.5.0.0/16'), subnetLength: 24 },
    { network: cidr('fd00:5::/32'), subnetLength: 64 },
  ],
  interface: UNDERLAY,
};

/** Devices and addresses that the other objects need. */
const BASE: readonly KernelObject[] = [LINK, LINK6, ADDRESS, ADDRESS6];

/** Private keys of {@link WIREGUARD}, and a preshared key of its peers. */
export const WIREGUARD_PRIVATE_KEY = clamped(0x41);
export const WIREGUARD_OTHER_KEY = clamped(0x51);
export const WIREGUARD_PSK = Buffer.alloc(32, 0x61);

function clamped(fill: number): Buffer {
  return generateWireguardKey((bytes) => Buffer.alloc(bytes, fill));
}

const WIREGUARD: WireguardLink = {
  kind: 'link',
  type: 'wireguard',
  name: TUN,
  publicKey: wireguardPublicKey(WIREGUARD_PRIVATE_KEY),
  listenPort: 51_820,
  mtu: 1420 as OverlayMtu,
};
const WIREGUARD_PEER: WireguardPeerObject = {
  kind: 'wireguard-peer',
  dev: TUN,
  publicKey: wireguardPublicKey(clamped(0x02)),
  pskId: fingerprint(WIREGUARD_PSK),
  endpoint: '192.0.2.2:51820',
  keepaliveSec: 0,
  allowedIps: '10.5.2.0/24',
};
const WIREGUARD_PEERS: readonly WireguardPeerObject[] = [
  WIREGUARD_PEER,
  {
    ...WIREGUARD_PEER,
    publicKey: wireguardPublicKey(clamped(0x03)),
    pskId: '',
    endpoint: '[2001:db8::3]:51821',
    allowedIps: '10.5.3.0/24 fd00:5:3::/64',
  },
];
const WIREGUARD_ROUTE: RouteObject = {
  kind: 'route',
  destination: cidr('10.5.2.0/24'),
  gateway: ip('0.0.0.0'),
  dev: TUN,
  isOnLink: false,
};
const WIREGUARD_ROUTE6: RouteObject = {
  ...WIREGUARD_ROUTE,
  destination: cidr('fd00:5:3::/64'),
  gateway: ip('::'),
};

interface ReplaceCase {
  readonly what: string;
  readonly object: KernelObject;
  /** The same key with other content, if there can be any. */
  readonly other?: KernelObject;
}

const REPLACE_CASES: readonly ReplaceCase[] = [
  { what: 'IPv4 address', object: { ...ADDRESS, address: cidr('10.5.73.0/32') } },
  { what: 'IPv6 address', object: { ...ADDRESS6, address: cidr('fd00:5:73::/128') } },
  { what: 'IPv4 neighbour', object: NEIGHBOUR, other: { ...NEIGHBOUR, mac: mac('02:00:00:00:00:99') } },
  { what: 'IPv6 neighbour', object: NEIGHBOUR6, other: { ...NEIGHBOUR6, mac: mac('02:00:00:00:00:99') } },
  { what: 'IPv4 FDB entry', object: FDB, other: { ...FDB, destination: ip('192.0.2.99') } },
  { what: 'IPv6 FDB entry', object: FDB6, other: { ...FDB6, destination: ip('2001:db8::99') } },
  { what: 'IPv4 tunnel route', object: ROUTE, other: { ...ROUTE, gateway: ip('10.5.9.9') } },
  { what: 'IPv6 tunnel route', object: ROUTE6, other: { ...ROUTE6, gateway: ip('fd00:5:9::9') } },
  {
    what: 'IPv4 direct route',
    object: DIRECT,
    other: { ...ROUTE, destination: DIRECT.destination },
  },
  { what: 'IPv6 direct route', object: DIRECT6, other: { ...ROUTE6, destination: DIRECT6.destination } },
  {
    what: 'IPv4 device route',
    object: DEVICE_ROUTE,
    other: { ...ROUTE, destination: DEVICE_ROUTE.destination },
  },
  {
    what: 'IPv6 device route',
    object: DEVICE_ROUTE6,
    other: { ...ROUTE6, destination: DEVICE_ROUTE6.destination },
  },
];

interface LinkCase {
  readonly what: string;
  readonly change: Partial<VxlanLink>;
}

const IN_PLACE: readonly LinkCase[] = [
  { what: 'MTU', change: { mtu: 1400 as OverlayMtu } },
  { what: 'local address', change: { local: ip('192.0.2.9') } },
  { what: 'learning', change: { learning: true } },
  { what: 'all of these', change: { mtu: 1300 as OverlayMtu, local: ip('192.0.2.9'), learning: true } },
];

const RECREATE: readonly LinkCase[] = [
  { what: 'VNI', change: { vni: 901 } },
  { what: 'port', change: { port: 4789 } },
  { what: 'group policy', change: { gbp: true } },
];

interface TunCase {
  readonly what: string;
  readonly change: Partial<TunLink>;
}

const REOPEN: readonly TunCase[] = [
  { what: 'port', change: { port: 8286 } },
  { what: 'local address', change: { local: ip('127.0.0.1') } },
  { what: 'VNI', change: { vni: 902 } },
  { what: 'MAC address', change: { mac: mac('c6:d2:32:6f:8f:98') } },
  { what: 'encapsulation', change: { ...TUN_LINK } },
];

/** Declares the suite. `open` is called before each test and the result closed after it. */
/** Devices that a kernel may lack: then the suite asserts how it refuses them. */
export interface KernelAbilities {
  /** FOU, IP in UDP. */
  readonly hasFou: boolean;
  /** IP-in-IP devices. */
  readonly hasIpip: boolean;
}

export function describeKernel(
  name: string,
  open: () => KernelFixture,
  { hasFou, hasIpip }: KernelAbilities = { hasFou: true, hasIpip: true },
): void {
  describe(`Kernel: ${name}`, () => {
    let kernel: Kernel;
    let actor: ExternalActor;
    let host: KernelFixture;

    beforeEach(() => {
      host = open();
      ({ kernel, actor } = host);
    });
    afterEach(() => host.close());

    const set = (object: KernelObject, current?: ActualObject): Step =>
      current ? { action: 'set', object, current } : { action: 'set', object };
    const remove = (object: KernelObject): Step => ({ action: 'remove', object });

    /** Applies steps that must all succeed. */
    async function succeed(...steps: readonly Step[]): Promise<void> {
      for (const result of await kernel.apply(steps))
        assert.equal(result.status, 'done', `${objectKey(result.step.object)}: ${JSON.stringify(result)}`);
    }

    /** Errno of a rejected step, else its status. */
    async function errnoOf(step: Step): Promise<string> {
      const [result] = await kernel.apply([step]);
      return result?.status === 'rejected' ? result.errno : String(result?.status);
    }

    async function actual(key: ObjectKey): Promise<ActualObject | undefined> {
      return (await kernel.readState(OWNERSHIP)).objects.get(key);
    }

    async function assertIs(object: KernelObject): Promise<void> {
      const found = await actual(objectKey(object));
      assert.ok(found, `${objectKey(object)} is absent`);
      assert.equal(describeDrift(object, found), '');
    }

    async function assertAbsent(object: KernelObject): Promise<void> {
      assert.equal(await actual(objectKey(object)), undefined);
    }

    const setUp = (): Promise<void> => succeed(...BASE.map((object) => set(object)));

    describe('objects', () => {
      beforeEach(setUp);

      for (const object of BASE)
        it(`${objectKey(object)} is as it was set, also when set again`, async () => {
          await assertIs(object);
          await succeed(set(object));
          await assertIs(object);
        });

      for (const { what, object, other } of REPLACE_CASES)
        it(`${what}: set, set again, replaced, removed, removed again`, async () => {
          await succeed(set(object));
          await succeed(set(object));
          await assertIs(object);
          const before = (await kernel.readState(OWNERSHIP)).objects.size;
          if (other) {
            await succeed(set(other));
            await assertIs(other);
            await succeed(set(object, await actual(objectKey(object))));
            await assertIs(object);
          }
          assert.equal((await kernel.readState(OWNERSHIP)).objects.size, before);
          await succeed(remove(object));
          await assertAbsent(object);
          await succeed(remove(object));
        });

      it('applies steps in order across kinds', async () => {
        const all = [FDB, NEIGHBOUR, ROUTE];
        await succeed(
          ...all.map(remove),
          remove(LINK),
          set(LINK),
          set(ADDRESS),
          ...all.map((each) => set(each)),
        );
        for (const object of [LINK, ADDRESS, ...all]) await assertIs(object);
      });

      it('a rejected step does not stop the others, and has the reason', async () => {
        const bad: RouteObject = { ...ROUTE, gateway: ip('203.0.113.9'), isOnLink: false };
        const results = await kernel.apply([set(NEIGHBOUR), set(bad), set(FDB)]);
        assert.deepEqual(
          results.map(({ status }) => status),
          ['done', 'rejected', 'done'],
        );
        const [, rejected] = results;
        assert.ok(rejected?.status === 'rejected');
        assert.equal(rejected.errno, 'ENETUNREACH');
        assert.match(rejected.message, /^ENETUNREACH: /);
        await assertIs(FDB);
      });

      it('without the device: set fails with ENODEV, remove succeeds', async () => {
        actor.deleteLink(DEVICE);
        for (const object of [ADDRESS, NEIGHBOUR, FDB, ROUTE]) {
          assert.equal(await errnoOf(set(object)), 'ENODEV', objectKey(object));
          assert.equal(await errnoOf(remove(object)), 'done', objectKey(object));
        }
      });

      it('takes 10,000 peers in one go and reads them back', async () => {
        const peers = makePeers(10_000);
        const results = await kernel.apply(peers.map((object) => set(object)));
        assert.equal(results.length, peers.length);
        assert.equal(
          results.find(({ status }) => status !== 'done'),
          undefined,
        );
        const { objects } = await kernel.readState(OWNERSHIP);
        const wrong = peers.find((object) => {
          const found = objects.get(objectKey(object));
          return found === undefined || !sameObject(object, found);
        });
        assert.equal(wrong, undefined);
        assert.equal(objects.size, peers.length + BASE.length);
      });
    });

    describe('a reading with a known state', () => {
      beforeEach(setUp);

      async function readKnown(known?: ActualState): Promise<ActualState> {
        return kernel.readState(OWNERSHIP, { objects: known?.objects ?? new Map(), isAsRead: () => true });
      }

      it('has what a reading without one has, whatever other programs did in between', async () => {
        await succeed(...makePeers(300).map((object) => set(object)), set(NEIGHBOUR), set(FDB), set(ROUTE));
        const before = await readKnown();
        actor.setNeighbour({ ...NEIGHBOUR, mac: mac('02:00:00:00:00:99') });
        actor.deleteFdb(FDB);
        actor.deleteRoute(ROUTE.destination);
        actor.replaceRoute({
          destination: '10.5.250.0/24',
          dev: DEVICE,
          gateway: '10.5.250.0',
          isOnLink: true,
        });
        const after = await readKnown(before);
        const plain = await kernel.readState(OWNERSHIP);
        assert.deepEqual(after.objects, plain.objects);
        assert.ok(after.objects.has('route 10.5.250.0/24'));
      });

      it('takes the objects of entries that did not change from there', async () => {
        await succeed(...makePeers(300).map((object) => set(object)));
        const before = await readKnown();
        const after = await readKnown(before);
        const isKept = ([key, object]: readonly [ObjectKey, ActualObject]): boolean =>
          object.kind === 'link' || object.kind === 'address' || before.objects.get(key) === object;
        assert.ok([...after.objects].every(isKept));
        assert.equal(after.objects.size, before.objects.size);
      });

      it('has all entries after their device was made again', async () => {
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE));
        const before = await readKnown();
        actor.deleteLink(DEVICE);
        const without = await readKnown(before);
        assert.ok(!without.objects.has(objectKey(NEIGHBOUR)));
        await succeed(set(LINK), set(ADDRESS), set(NEIGHBOUR), set(FDB));
        const after = await readKnown(without);
        assert.deepEqual(
          [NEIGHBOUR, FDB, ROUTE].map((object) => after.objects.has(objectKey(object))),
          [true, true, false],
        );
      });
    });

    describe('links', () => {
      beforeEach(setUp);

      for (const { what, change } of IN_PLACE)
        it(`${what} changes in place, with all entries kept`, async () => {
          await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE));
          await succeed(set({ ...LINK, ...change }, await actual(objectKey(LINK))));
          for (const object of [{ ...LINK, ...change }, ADDRESS, NEIGHBOUR, FDB, ROUTE])
            await assertIs(object);
        });

      it('MAC address changes in place, but takes the neighbours along', async () => {
        const other = { ...LINK, mac: mac('c6:d2:32:00:00:01') };
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE), set(other));
        for (const object of [other, ADDRESS, FDB, ROUTE]) await assertIs(object);
        await assertAbsent(NEIGHBOUR);
      });

      for (const { what, change } of RECREATE)
        it(`${what} needs a new device: EOPNOTSUPP`, async () => {
          const link = { ...LINK, ...change };
          assert.equal(await errnoOf(set(link, await actual(objectKey(LINK)))), 'EOPNOTSUPP');
          await assertIs(LINK);
          await succeed(remove(LINK), set(link));
          await assertIs(link);
        });

      it('is renamed with all that is on it, and leaves its name to another device', async () => {
        const entries = [ADDRESS, NEIGHBOUR, FDB, ROUTE];
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE));
        const renamed = { ...LINK, name: RENAMED, mtu: 1400 as OverlayMtu };
        const other = { ...LINK, port: 4789 };
        await succeed(set(renamed, await actual(objectKey(LINK))), set(other));
        for (const object of [renamed, other, ...entries.map((entry) => ({ ...entry, dev: RENAMED }))])
          await assertIs(object);
        await succeed(remove(renamed));
      });

      it('a device that is down is drift, and set brings it up', async () => {
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE));
        actor.setLink(DEVICE, { isUp: false });
        const down = await actual(objectKey(LINK));
        assert.equal(down?.mismatch, 'down');
        await assertAbsent(ROUTE);
        await succeed(set(LINK, down), set(NEIGHBOUR), set(ROUTE));
        for (const object of [LINK, NEIGHBOUR, FDB, ROUTE]) await assertIs(object);
      });

      it('an MTU changed by another process is drift', async () => {
        actor.setLink(DEVICE, { mtu: 1200 });
        const changed = await actual(objectKey(LINK));
        assert.ok(changed && !sameObject(LINK, changed));
        await succeed(set(LINK, changed));
        await assertIs(LINK);
      });

      it('a foreign device of the name is reported, blocks ours, and is removed by its name', async () => {
        await succeed(remove(LINK));
        actor.addBridge(DEVICE);
        const state = await kernel.readState(OWNERSHIP);
        assert.deepEqual(state.foreignLinks.get(DEVICE), { name: DEVICE, type: 'bridge' });
        assert.equal(state.objects.get(objectKey(LINK)), undefined);
        assert.equal(await errnoOf(set(LINK)), 'EEXIST');
        await succeed(remove(LINK));
        assert.ok(!(await kernel.readState(OWNERSHIP)).foreignLinks.has(DEVICE));
        await succeed(set(LINK));
      });

      it('without its parent: ENODEV', async () => {
        await succeed(remove(LINK));
        assert.equal(await errnoOf(set({ ...LINK, parent: 'nosuch0' })), 'ENODEV');
      });

      it('an MTU beyond the parent: EINVAL, new or old', async () => {
        const large = { ...LINK, mtu: 1500 as OverlayMtu };
        assert.equal(await errnoOf(set(large)), 'EINVAL');
        await succeed(remove(LINK));
        assert.equal(await errnoOf(set(large)), 'EINVAL');
      });

      it('goes with its parent, and all entries with it', async () => {
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE), set(ROUTE6));
        actor.deleteLink(UNDERLAY);
        const state = await kernel.readState(OWNERSHIP);
        assert.deepEqual([...state.objects.keys()], []);
      });
    });

    describe('packet path', () => {
      const entries = [TUN_ADDRESS, TUNNEL, TUNNEL6, TUN_ROUTE];
      beforeEach(() => succeed(set(TUN_LINK), ...entries.map((object) => set(object))));

      const tunnels = async (): Promise<readonly string[]> =>
        [...(await kernel.readState(OWNERSHIP)).objects.keys()].filter((key) => key.startsWith('tunnel '));

      it('a device and all on it are as they were set, also when set again', async () => {
        for (const round of [1, 2]) {
          for (const object of [TUN_LINK, ...entries]) await assertIs(object);
          if (round === 1) await succeed(set(TUN_LINK), ...entries.map((object) => set(object)));
        }
      });

      it('is renamed with all that is on it, and leaves its name to another device', async () => {
        const renamed = { ...TUN_LINK, name: RENAMED };
        const other = { ...TUN_LINK, port: TUN_LINK.port + 1 };
        await succeed(set(renamed, await actual(objectKey(TUN_LINK))), set(other));
        for (const object of [renamed, other, ...entries.map((entry) => ({ ...entry, dev: RENAMED }))])
          await assertIs(object);
        await assertAbsent(TUNNEL);
        await succeed(remove(renamed));
        await assertIs(other);
      });

      it('a peer that takes no super-packets, and then does', async () => {
        for (const needsSegments of [true, false]) {
          const object = { ...TUNNEL, needsSegments };
          await succeed(set(object));
          await assertIs(object);
        }
      });

      it('a peer that needs checksums in IPv6, and then none', async () => {
        for (const acceptsZeroChecksum of [false, true, false]) {
          const object = { ...TUNNEL6, acceptsZeroChecksum };
          await succeed(set(object));
          await assertIs(object);
        }
      });

      it('a tunnel: replaced, removed, removed again, in both families', async () => {
        for (const tunnel of [TUNNEL, TUNNEL6]) {
          const other = { ...tunnel, remote: ip('192.0.2.77'), port: 9 };
          await succeed(set(other));
          await assertIs(other);
          await succeed(remove(tunnel));
          await assertAbsent(tunnel);
          await succeed(remove(tunnel));
        }
        assert.deepEqual(await tunnels(), []);
        await assertIs(TUN_LINK);
      });

      it('takes 10,000 tunnels in one go and reads them back', async () => {
        const peers = Array.from({ length: 10_000 }, (_, peer): PathRouteObject => ({
          ...TUNNEL,
          destination: cidr(`10.${128 + (peer >> 8)}.${peer & 255}.0/24`),
          remote: ip(`198.18.${peer >> 8}.${peer & 255}`),
        }));
        await succeed(...peers.map((object) => set(object)));
        const { objects } = await kernel.readState(OWNERSHIP);
        const wrong = peers.find((object) => {
          const found = objects.get(objectKey(object));
          return found === undefined || !sameObject(object, found);
        });
        assert.equal(wrong, undefined);
        assert.equal((await tunnels()).length, peers.length + 2);
      });

      it('MTU changes in place, with all on it kept', async () => {
        const other = { ...TUN_LINK, mtu: 1300 as OverlayMtu };
        await succeed(set(other, await actual(objectKey(TUN_LINK))));
        for (const object of [other, ...entries]) await assertIs(object);
      });

      for (const { what, change } of REOPEN)
        it(`another ${what} needs a new device: EOPNOTSUPP`, async () => {
          await succeed(remove(TUN_LINK), set(TUN_VXLAN));
          await assertIs(TUN_VXLAN);
          const link = { ...TUN_VXLAN, ...change };
          assert.equal(await errnoOf(set(link, await actual(objectKey(link)))), 'EOPNOTSUPP');
          await assertIs(TUN_VXLAN);
          await succeed(remove(TUN_VXLAN), set(link));
          await assertIs(link);
        });

      it('removed, it is gone with its tunnels; removed again', async () => {
        await succeed(remove(TUN_LINK));
        const state = await kernel.readState(OWNERSHIP);
        assert.deepEqual([...state.objects.keys(), ...state.foreignLinks.keys()], []);
        await succeed(remove(TUN_LINK));
        for (const object of [TUNNEL, TUNNEL6]) {
          assert.equal(await errnoOf(set(object)), 'ENODEV');
          await succeed(remove(object));
        }
      });

      it('deleted by another process, it is gone with its tunnels; set re-creates it', async () => {
        actor.deleteLink(TUN);
        assert.deepEqual([...(await kernel.readState(OWNERSHIP)).objects.keys()], []);
        assert.equal(await errnoOf(set(TUNNEL)), 'ENODEV');
        await succeed(set(TUN_LINK));
        await assertIs(TUN_LINK);
        assert.deepEqual(await tunnels(), []);
        await succeed(...entries.map((object) => set(object)));
        for (const object of entries) await assertIs(object);
      });

      it('down, or with another MTU, it is drift; set repairs it', async () => {
        actor.setLink(TUN, { isUp: false, mtu: 1200 });
        const found = await actual(objectKey(TUN_LINK));
        assert.equal(found && describeDrift(TUN_LINK, found), 'down, mtu 1200 instead of 1472');
        await succeed(set(TUN_LINK, found), set(TUN_ROUTE));
        for (const object of [TUN_LINK, ...entries]) await assertIs(object);
      });

      it('a TUN device of the name that is not ours is reported, blocks ours, and is removed by its name', async () => {
        for (const removeOurs of [
          () => succeed(remove(TUN_LINK)),
          () => Promise.resolve(actor.deleteLink(TUN)),
        ]) {
          await removeOurs();
          actor.addTun(TUN);
          const state = await kernel.readState(OWNERSHIP);
          assert.deepEqual(state.foreignLinks.get(TUN), { name: TUN, type: 'tun' });
          assert.deepEqual([...state.objects.keys()], []);
          assert.equal(await errnoOf(set(TUN_LINK)), 'EEXIST');
          assert.equal(await errnoOf(set(TUNNEL)), 'ENODEV');
          await succeed(remove(TUN_LINK), set(TUN_LINK), set(TUNNEL));
          for (const object of [TUN_LINK, TUNNEL]) await assertIs(object);
        }
      });

      it('a VXLAN device of the kernel takes its name after removal, and the reverse', async () => {
        const vxlan = { ...LINK, name: TUN };
        assert.equal(await errnoOf(set(vxlan)), 'EEXIST');
        await succeed(remove(TUN_LINK), set(vxlan));
        await assertIs(vxlan);
        assert.deepEqual(await tunnels(), []);
        assert.equal(await errnoOf(set(TUN_LINK)), 'EEXIST');
        await succeed(remove(vxlan), set(TUN_LINK));
        await assertIs(TUN_LINK);
      });
    });

    describe('policies of IPsec', () => {
      const POLICIES = (['out', 'in', 'fwd'] as const).map((direction) => ({ ...POLICY, direction }));
      const policies = async () => {
        const { objects } = await kernel.readState({ ...OWNERSHIP, hasIpsec: true });
        return POLICIES.map((policy) => objects.get(objectKey(policy)));
      };

      it('are as they were set, also when set again, and gone when removed twice', async () => {
        for (let times = 0; times < 2; times++) {
          await succeed(...POLICIES.map((policy) => set(policy)));
          assert.deepEqual(await policies(), POLICIES);
        }
        for (let times = 0; times < 2; times++) await succeed(...POLICIES.map((policy) => remove(policy)));
        assert.deepEqual(await policies(), [undefined, undefined, undefined]);
      });

      it('change in place: another tunnel, packets without IPsec', async () => {
        const others = POLICIES.map((policy) => ({
          ...policy,
          tunnelDestination: ip('192.0.2.9'),
          isOptional: policy.direction !== 'out',
        }));
        await succeed(...[...POLICIES, ...others].map((policy) => set(policy)));
        assert.deepEqual(await policies(), others);
        await succeed(...others.map((policy) => remove(policy)));
      });
    });

    describe('IP in IP by the kernel', () => {
      if (!hasIpip) {
        it('is refused by a kernel without it: EOPNOTSUPP', async () =>
          assert.equal(await errnoOf(set(IPIP_LINK)), 'EOPNOTSUPP'));
        return;
      }
      beforeEach(() => succeed(set(IPIP_LINK), set(FOU_ROUTE)));

      it('a device and a route to a peer are as they were set, also when set again', async () => {
        for (const object of [IPIP_LINK, FOU_ROUTE]) await assertIs(object);
        await succeed(set(IPIP_LINK), set(FOU_ROUTE));
        for (const object of [IPIP_LINK, FOU_ROUTE]) await assertIs(object);
      });

      it('address and MTU change in place, with the route kept', async () => {
        const other = { ...IPIP_LINK, local: ip('192.0.2.9'), mtu: 1300 as OverlayMtu };
        await succeed(set(other, await actual(objectKey(IPIP_LINK))));
        for (const object of [other, FOU_ROUTE]) await assertIs(object);
      });

      if (hasFou)
        it('it is beside a device of FOU with its address, and takes the name of one after removal', async () => {
          await succeed(set({ ...FOU_LINK, name: RENAMED }));
          await assertIs(IPIP_LINK);
          await succeed(remove({ ...FOU_LINK, name: RENAMED }), remove(IPIP_LINK), set(FOU_LINK));
          assert.equal(await errnoOf(set(IPIP_LINK)), 'EOPNOTSUPP');
          await succeed(remove(FOU_LINK), set(IPIP_LINK));
          await assertIs(IPIP_LINK);
        });

      it('down, or with another MTU, it is drift; set repairs it', async () => {
        actor.setLink(TUN, { isUp: false, mtu: 1290 });
        const found = await actual(objectKey(IPIP_LINK));
        assert.equal(found && describeDrift(IPIP_LINK, found), 'down, mtu 1290 instead of 1480');
        await succeed(set(IPIP_LINK, found), set(FOU_ROUTE));
        for (const object of [IPIP_LINK, FOU_ROUTE]) await assertIs(object);
      });

      it('deleted by another process, it is gone; set re-creates it; removed twice', async () => {
        actor.deleteLink(TUN);
        await assertAbsent(IPIP_LINK);
        await succeed(set(IPIP_LINK), set(FOU_ROUTE));
        for (const object of [IPIP_LINK, FOU_ROUTE]) await assertIs(object);
        await succeed(remove(IPIP_LINK), remove(IPIP_LINK));
        await assertAbsent(IPIP_LINK);
      });
    });

    for (const { what, link, route } of FOU_CASES)
      describe(`IP in UDP by the kernel over ${what}`, () => {
        if (!hasFou) {
          it('is refused by a kernel without it: EOPNOTSUPP', async () =>
            assert.equal(await errnoOf(set(link)), 'EOPNOTSUPP'));
          return;
        }
        beforeEach(() => succeed(set(link), set(route)));

        it('a device and a route to a peer are as they were set, also when set again', async () => {
          for (const object of [link, route]) await assertIs(object);
          await succeed(set(link), set(route));
          for (const object of [link, route]) await assertIs(object);
        });

        it('MTU changes in place, with the route kept', async () => {
          const other = { ...link, mtu: 1300 as OverlayMtu };
          await succeed(set(other, await actual(objectKey(link))));
          for (const object of [other, route]) await assertIs(object);
        });

        it('another port needs a new device: EOPNOTSUPP', async () => {
          const other = { ...link, port: 8286 };
          assert.equal(await errnoOf(set(other)), 'EOPNOTSUPP');
          await assertIs(link);
          await succeed(remove(link), set(other));
          await assertIs(other);
        });

        it('a second device has another port and a parent; the last one of a port removes it', async () => {
          const second = { ...link, name: RENAMED, port: 8286, parent: UNDERLAY };
          const first = { ...link, port: 8286 };
          assert.equal(await errnoOf(set({ ...second, parent: '' })), 'EEXIST');
          await succeed(set(second));
          for (const object of [link, second]) await assertIs(object);
          await succeed(remove(link), set(first), remove(second));
          await assertIs(first);
          await assertAbsent(second);
        });

        it('removed, it leaves its port to another program; removed again', async () => {
          const tun = { ...TUN_LINK, local: link.local, mtu: link.mtu };
          await succeed(remove(link), remove(link), set(tun));
          await assertIs(tun);
          await succeed(remove(tun), set(link));
          await assertIs(link);
        });

        it('without its port it is drift; set repairs it', async () => {
          actor.deleteFouPort(link);
          const found = await actual(objectKey(link));
          assert.equal(found && describeDrift(link, found), 'no FOU port');
          await succeed(set(link, found));
          for (const object of [link, route]) await assertIs(object);
        });

        it('down, or with another MTU, it is drift; set repairs it', async () => {
          actor.setLink(TUN, { isUp: false, mtu: 1290 });
          const found = await actual(objectKey(link));
          assert.equal(found && describeDrift(link, found), `down, mtu 1290 instead of ${link.mtu}`);
          await succeed(set(link, found), set(route));
          for (const object of [link, route]) await assertIs(object);
        });

        it('deleted by another process, it is gone; set re-creates it', async () => {
          actor.deleteLink(TUN);
          await assertAbsent(link);
          await succeed(set(link), set(route));
          for (const object of [link, route]) await assertIs(object);
        });

        it('deleted by another process and no longer wanted, its port goes with the removal', async () => {
          actor.deleteLink(TUN);
          const tun = { ...TUN_LINK, local: link.local, mtu: link.mtu };
          await succeed(remove(link), set(tun));
          await assertIs(tun);
        });
      });

    describe('WireGuard', () => {
      // By the kernel, or by wireguard-go where that has none.
      beforeEach(() => succeed(set(WIREGUARD)));

      it('a device, its peers and routes are as they were set, also when set again', async () => {
        const all = [WIREGUARD, ...WIREGUARD_PEERS, WIREGUARD_ROUTE, WIREGUARD_ROUTE6];
        for (const round of [1, 2]) {
          await succeed(...all.map((object) => set(object)));
          for (const object of all) await assertIs(object);
          const found = (await kernel.readState(OWNERSHIP)).objects;
          const peers = [...found.values()].filter(({ kind }) => kind === 'wireguard-peer');
          assert.equal(peers.length, WIREGUARD_PEERS.length, `round ${round}`);
        }
      });

      it('key, port and MTU change in place, with all peers and routes kept', async () => {
        await succeed(set(WIREGUARD_PEER), set(WIREGUARD_ROUTE));
        const publicKey = wireguardPublicKey(WIREGUARD_OTHER_KEY);
        const other = { ...WIREGUARD, publicKey, listenPort: 51_830, mtu: 1300 as OverlayMtu };
        await succeed(set(other, await actual(objectKey(WIREGUARD))));
        for (const object of [other, WIREGUARD_PEER, WIREGUARD_ROUTE]) await assertIs(object);
      });

      it('a key that no secret belongs to is rejected', async () => {
        const unknown = { ...WIREGUARD, publicKey: WIREGUARD_PEER.publicKey };
        // The model has no secrets.
        if (host.hasSecrets) assert.equal(await errnoOf(set(unknown)), 'ENOKEY');
        await assertIs(WIREGUARD);
      });

      it('a peer: replaced, removed, removed again', async () => {
        await succeed(set(WIREGUARD_PEER));
        for (const change of [
          { endpoint: '192.0.2.9:51821' },
          { endpoint: '[2001:db8::9]:51820' },
          { allowedIps: '10.5.2.0/24 10.5.9.0/24' },
          { keepaliveSec: 25 },
          { pskId: '' },
        ]) {
          const other = { ...WIREGUARD_PEER, ...change };
          await succeed(set(other));
          await assertIs(other);
        }
        for (const round of [1, 2]) {
          await succeed(remove(WIREGUARD_PEER));
          assert.equal(await actual(objectKey(WIREGUARD_PEER)), undefined, `round ${round}`);
        }
      });

      it('allowed IPs go to the peer that got them last, and the other is drift', async () => {
        const second = { ...WIREGUARD_PEER, publicKey: wireguardPublicKey(Buffer.alloc(32, 7)) };
        await succeed(set(WIREGUARD_PEER), set(second));
        await assertIs(second);
        const found = await actual(objectKey(WIREGUARD_PEER));
        assert.equal(found && describeDrift(WIREGUARD_PEER, found), 'allowedIps  instead of 10.5.2.0/24');
      });

      it('takes 500 peers in one go and reads them back', async () => {
        const peers = Array.from({ length: 500 }, (_, index) => ({
          ...WIREGUARD_PEER,
          publicKey: Buffer.alloc(32, `peer ${index} `).toString('base64'),
          allowedIps: `10.6.${index >> 8}.${index & 255}/32 10.7.${index >> 8}.${index & 255}/32`,
        }));
        await succeed(...peers.map((peer) => set(peer)));
        const { objects } = await kernel.readState(OWNERSHIP);
        assert.ok(peers.every((peer) => sameObject(peer, objects.get(objectKey(peer))!)));
      });

      it('removed, it is gone with its peers; removed again', async () => {
        await succeed(set(WIREGUARD_PEER));
        for (const round of [1, 2]) {
          await succeed(remove(WIREGUARD));
          const found = (await kernel.readState(OWNERSHIP)).objects;
          const left = [WIREGUARD, WIREGUARD_PEER].filter((object) => found.has(objectKey(object)));
          assert.deepEqual(left, [], `round ${round}`);
        }
      });

      it('without the device: a peer fails with ENODEV, its removal succeeds', async () => {
        await succeed(remove(WIREGUARD));
        assert.equal(await errnoOf(set(WIREGUARD_PEER)), 'ENODEV');
        await succeed(remove(WIREGUARD_PEER));
      });

      it('deleted by another process, it is gone with its peers; set re-creates it', async () => {
        await succeed(set(WIREGUARD_PEER));
        actor.deleteLink(TUN);
        await assertAbsent(WIREGUARD);
        await assertAbsent(WIREGUARD_PEER);
        await succeed(set(WIREGUARD), set(WIREGUARD_PEER));
        for (const object of [WIREGUARD, WIREGUARD_PEER]) await assertIs(object);
      });

      it('down, or with another MTU, it is drift; set repairs it', async () => {
        actor.setLink(TUN, { isUp: false, mtu: 1290 });
        const found = await actual(objectKey(WIREGUARD));
        assert.equal(found && describeDrift(WIREGUARD, found), `down, mtu 1290 instead of ${WIREGUARD.mtu}`);
        await succeed(set(WIREGUARD, found));
        await assertIs(WIREGUARD);
      });
    });

    describe('changes by another process', () => {
      beforeEach(async () => {
        await setUp();
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE), set(ROUTE6));
      });

      it('an FDB entry that points elsewhere is drift; set repairs it', async () => {
        actor.setFdb({ ...FDB, destination: ip('192.0.2.50') });
        const found = await actual(objectKey(FDB));
        assert.equal(found && describeDrift(FDB, found), 'destination 192.0.2.50 instead of 192.0.2.2');
        await succeed(set(FDB, found));
        await assertIs(FDB);
      });

      for (const [route, gateway] of [
        [ROUTE, '192.0.2.7'],
        [ROUTE6, '2001:db8::7'],
      ] as const) {
        const { destination } = route;
        it(`${destination}: a route of flannel's shape is ours, with another protocol number`, async () => {
          actor.replaceRoute({ destination, gateway, dev: UNDERLAY });
          const foreign = await actual(objectKey(route));
          assert.match(foreign?.mismatch ?? '', /protocol 3/);
          await succeed(set(route, foreign));
          await assertIs(route);
        });

        it(`${destination}: a foreign route replaces ours; set replaces it`, async () => {
          actor.replaceRoute({ destination, gateway, dev: UNDERLAY, protocol: 4 });
          await assertAbsent(route);
          await succeed(set(route));
          await assertIs(route);
        });

        it(`${destination}: a blackhole of our protocol is drift; set and remove both end it`, async () => {
          const blackhole = { destination, type: 'blackhole', protocol: 87 } as const;
          actor.deleteRoute(destination);
          actor.replaceRoute(blackhole);
          const found = await actual(objectKey(route));
          assert.match(found?.mismatch ?? '', /blackhole/);
          await succeed(remove(found!));
          await assertAbsent(route);
          actor.replaceRoute(blackhole);
          await succeed(set(route, await actual(objectKey(route))));
          await assertIs(route);
        });

        it(`${destination}: a blackhole of ours lies under the route, and each is removed alone`, async () => {
          const gate = ip(destination.includes(':') ? '::' : '0.0.0.0');
          const shape = { kind: 'route', destination, gateway: gate, dev: '', isOnLink: false } as const;
          const blackhole = { ...shape, isBlackhole: true } as const;
          await succeed(set(blackhole));
          await assertIs(blackhole);
          await assertIs(route);
          await succeed(remove(route));
          await assertAbsent(route);
          await assertIs(blackhole);
          await succeed(set(route), set(blackhole, await actual(objectKey(blackhole))));
          await succeed(remove(blackhole));
          await assertAbsent(blackhole);
          await assertIs(route);
          await succeed(set(blackhole));
          await succeed(remove((await actual(objectKey(blackhole)))!));
          await assertAbsent(blackhole);
        });

        it(`${destination}: a route with a metric has a key of its own and is removed alone`, async () => {
          actor.replaceRoute({
            destination,
            gateway: route.gateway,
            dev: route.dev,
            isOnLink: true,
            metric: 50,
          });
          const extra = await actual(`${objectKey(route)} metric 50`);
          assert.ok(extra, 'the route with a metric is not reported');
          await succeed(remove(extra));
          assert.equal(await actual(`${objectKey(route)} metric 50`), undefined);
          await assertIs(route);
        });

        it(`${destination}: remove spares a foreign route of the same destination`, async () => {
          await succeed(remove(route));
          actor.replaceRoute({ destination, gateway, dev: UNDERLAY, protocol: 4 });
          await succeed(remove(route));
          const routes = await kernel.readRoutes();
          assert.equal(routes.find((each) => each.destination === destination)?.gateway, gateway);
        });
      }

      it('the main table is read without routes of weft if asked', async () => {
        actor.replaceRoute({ destination: '10.6.2.0/24', gateway: '192.0.2.7', dev: UNDERLAY });
        const all = await kernel.readRoutes();
        const others = await kernel.readRoutes({ isWithoutOwn: true });
        assert.ok(all.some(({ destination }) => destination === ROUTE.destination));
        assert.deepEqual(
          others,
          all.filter(({ protocol }) => protocol !== 87),
        );
        assert.ok(others.some(({ destination }) => destination === '10.6.2.0/24'));
      });

      it('routes outside our networks and devices are not ours, whatever their protocol', async () => {
        actor.replaceRoute({
          destination: '10.6.1.0/24',
          gateway: '192.0.2.7',
          dev: UNDERLAY,
          protocol: 87,
        });
        actor.replaceRoute({ destination: '10.5.8.0/25', gateway: '192.0.2.7', dev: UNDERLAY });
        const { objects } = await kernel.readState(OWNERSHIP);
        assert.deepEqual(
          [...objects.keys()].filter((key) => key.startsWith('route 10.')),
          [objectKey(ROUTE)],
        );
      });
    });

    describe('reads', () => {
      beforeEach(setUp);

      it('interfaces with their addresses', async () => {
        const interfaces = await kernel.readInterfaces();
        const underlay = interfaces.find(({ name: each }) => each === UNDERLAY);
        assert.ok(underlay);
        assert.deepEqual([underlay.mtu, underlay.isUp, underlay.isLoopback], [1500, true, false]);
        const global = underlay.addresses.filter(({ scope }) => scope === 'global');
        const common = { scope: 'global', isPermanent: true, isTemporary: false, isDeprecated: false };
        assert.deepEqual(global, [
          { address: '192.0.2.1', prefixLength: 24, ...common },
          { address: '2001:db8::1', prefixLength: 64, ...common },
        ]);
        assert.equal(interfaces.find(({ name: each }) => each === DEVICE)?.type, 'vxlan');
      });

      it('routes of both families, with gateway, metric and protocol', async () => {
        actor.replaceRoute({
          destination: '198.51.100.0/24',
          gateway: '192.0.2.7',
          dev: UNDERLAY,
          metric: 7,
        });
        await succeed(set(DIRECT6));
        const routes = await kernel.readRoutes();
        const find = (destination: string): unknown =>
          routes.find((each) => each.destination === destination);
        const common = { dev: UNDERLAY, isMultipath: false };
        assert.deepEqual(find('198.51.100.0/24'), {
          ...common,
          destination: '198.51.100.0/24',
          gateway: '192.0.2.7',
          metric: 7,
          protocol: 3,
        });
        assert.deepEqual(find('192.0.2.0/24'), {
          ...common,
          destination: '192.0.2.0/24',
          metric: 0,
          protocol: 2,
        });
        assert.deepEqual(find(DIRECT6.destination), {
          ...common,
          destination: DIRECT6.destination,
          gateway: DIRECT6.gateway,
          metric: 1024,
          protocol: 87,
        });
      });

      it('gives the next hop of an address', async () => {
        await succeed(set(DIRECT));
        const near = await kernel.lookupRoute(ip('192.0.2.77'));
        assert.deepEqual([near?.dev, near?.gateway], [UNDERLAY, undefined]);
        const far = await kernel.lookupRoute(ip('10.5.3.9'));
        assert.deepEqual([far?.dev, far?.gateway], [UNDERLAY, DIRECT.gateway]);
        assert.equal(await kernel.lookupRoute(ip('203.0.113.1')), undefined);
      });

      it('sysctls: set, read, absent', async () => {
        const path = `net/ipv4/conf/${DEVICE}/rp_filter`;
        await succeed(set({ kind: 'sysctl', path, value: '2' }));
        assert.equal(await kernel.readSysctl(path), '2');
        assert.equal(await kernel.readSysctl('net/ipv4/conf/nosuch0/rp_filter'), undefined);
      });

      it('offloads: on at first, turned off, restored, absent', async () => {
        const feature = 'tx-checksum-ip-generic';
        const read = (dev = DEVICE): Promise<boolean | undefined> => kernel.readFeature(dev, feature);
        assert.equal(await read(), true);
        const off = { kind: 'feature', dev: DEVICE, name: feature, isOn: false } as const;
        await succeed(set(off));
        assert.equal(await read(), false);
        await succeed({ action: 'remove', object: off });
        assert.equal(await read(), true);
        assert.equal(await read('nosuch0'), undefined);
        await succeed({ action: 'remove', object: { ...off, dev: 'nosuch0' } });
        const [result] = await kernel.apply([set({ ...off, dev: 'nosuch0' })]);
        assert.equal(result?.status === 'rejected' && result.errno, 'ENODEV');
      });
    });

    describe('notifications', () => {
      let notifications: KernelNotification[];
      let owned: Ownership | undefined;

      beforeEach(async () => {
        notifications = [];
        owned = OWNERSHIP;
        await setUp();
        await succeed(set(NEIGHBOUR), set(FDB), set(ROUTE), set(ROUTE6));
        kernel.subscribe(
          () => owned,
          (notification) => notifications.push(notification),
        );
        // All notifications from here on are about what the test does.
        await succeed(set({ ...ADDRESS, address: cidr('10.5.74.0/32') }));
        await waitFor('the first notification', () =>
          notifications.some(({ kind }) => kind === 'interfaces'),
        );
        notifications.length = 0;
      });

      const notified = (key: string, object?: KernelObject): Promise<void> =>
        waitFor(`a notification that ${key} is ${object ? 'there' : 'gone'}`, () => {
          const last = notifications.findLast(
            (notification) => notification.kind === 'object' && notification.key === key,
          );
          if (last?.kind !== 'object') return false;
          return object
            ? last.object !== undefined && sameObject(object, last.object)
            : last.object === undefined;
        });
      const interfaceNotified = (dev: string): Promise<void> =>
        waitFor(`a notification about ${dev}`, () =>
          notifications.some(
            (notification) => notification.kind === 'interfaces' && notification.names.includes(dev),
          ),
        );

      it('neighbour deleted, changed', async () => {
        actor.deleteNeighbour(NEIGHBOUR);
        await notified(objectKey(NEIGHBOUR));
        const other = { ...NEIGHBOUR, mac: mac('02:00:00:00:00:77') };
        actor.setNeighbour(other);
        await notified(objectKey(NEIGHBOUR), other);
      });

      it('FDB entry deleted, changed', async () => {
        actor.deleteFdb(FDB);
        await notified(objectKey(FDB));
        const other = { ...FDB, destination: ip('192.0.2.60') };
        actor.setFdb(other);
        await notified(objectKey(FDB), other);
      });

      for (const [route, gateway] of [
        [ROUTE, '192.0.2.7'],
        [ROUTE6, '2001:db8::7'],
      ] as const)
        it(`route ${route.destination} deleted, replaced by a foreign one`, async () => {
          const { destination } = route;
          actor.deleteRoute(destination);
          await notified(objectKey(route));
          await succeed(set(route));
          await notified(objectKey(route), route);
          actor.replaceRoute({ destination, gateway, dev: UNDERLAY, protocol: 4 });
          await notified(objectKey(route));
        });

      for (const [route, gateway] of [
        [ROUTE, ip('192.0.2.7')],
        [ROUTE6, ip('2001:db8::7')],
      ] as const)
        it(`route ${route.destination} changes devices without ever being gone`, async () => {
          const direct = { ...route, gateway, dev: UNDERLAY, isOnLink: false };
          for (const next of [direct, route]) {
            await succeed(set(next));
            await notified(objectKey(route), next);
          }
          const gone = notifications.filter(
            (notification) =>
              notification.kind === 'object' &&
              notification.key === objectKey(route) &&
              notification.object === undefined,
          );
          assert.deepEqual(gone, []);
          const routes = await kernel.readRoutes();
          assert.ok(!routes.some(({ destination }) => destination.startsWith(`${route.gateway}/128`)));
        });

      it('a route that is not ours is a change of the underlay', async () => {
        actor.replaceRoute({ destination: '198.51.100.0/24', gateway: '192.0.2.7', dev: UNDERLAY });
        await waitFor('the underlay notification', () =>
          notifications.some(
            (each) => each.kind === 'underlay-route' && each.destination === '198.51.100.0/24',
          ),
        );
        assert.ok(!notifications.some(({ kind }) => kind === 'object'));
      });

      it('device down, changed, deleted; address deleted', async () => {
        for (const act of [
          () => actor.deleteAddress(DEVICE, ADDRESS.address),
          () => actor.setLink(DEVICE, { mtu: 1300 }),
          () => actor.setLink(DEVICE, { isUp: false }),
          () => actor.deleteLink(DEVICE),
        ]) {
          notifications.length = 0;
          act();
          await interfaceNotified(DEVICE);
        }
      });

      it('device of the packet path deleted', async () => {
        await succeed(set(TUN_LINK));
        await interfaceNotified(TUN);
        notifications.length = 0;
        actor.deleteLink(TUN);
        await interfaceNotified(TUN);
      });

      it('a re-created device is known by its new index', async () => {
        actor.deleteLink(DEVICE);
        await succeed(set(LINK), set(ADDRESS), set(NEIGHBOUR));
        await notified(objectKey(NEIGHBOUR), NEIGHBOUR);
      });

      it('nothing about tables while nothing is owned, nor about neighbours of other devices', async () => {
        actor.setNeighbour({ ...NEIGHBOUR, dev: UNDERLAY, address: ip('192.0.2.40') });
        owned = undefined;
        actor.deleteNeighbour(NEIGHBOUR);
        actor.deleteRoute(ROUTE.destination);
        actor.setLink(UNDERLAY, { mtu: 1499 });
        await interfaceNotified(UNDERLAY);
        assert.deepEqual(
          notifications.filter(({ kind }) => kind !== 'interfaces'),
          [],
        );
      });
    });

    it('after close, steps have an unknown result', async () => {
      kernel.close();
      const [result] = await kernel.apply([set(LINK)]);
      assert.equal(result?.status, 'unknown');
    });
  });
}

/** Neighbour, FDB entry and route of each of `count` peers. */
export function makePeers(count: number): readonly KernelObject[] {
  const objects: KernelObject[] = [];
  for (let peer = 0; peer < count; peer++) {
    const high = peer >> 8;
    const low = peer & 255;
    const gateway = ip(`10.5.${high}.${low}`);
    const peerMac = mac(
      `02:01:00:00:${high.toString(16).padStart(2, '0')}:${low.toString(16).padStart(2, '0')}`,
    );
    objects.push(
      { kind: 'neighbour', dev: DEVICE, address: gateway, mac: peerMac },
      { kind: 'fdb', dev: DEVICE, mac: peerMac, destination: ip(`198.18.${high}.${low}`) },
      { kind: 'route', destination: cidr(`${gateway}/32`), gateway, dev: DEVICE, isOnLink: true },
    );
  }
  return objects;
}
