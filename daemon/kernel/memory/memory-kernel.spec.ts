import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import { type KernelObject, objectKey } from '../../../backends/kernel-state.ts';
import {
  ADDRESS,
  describeKernel,
  FDB,
  type KernelFixture,
  LINK,
  NEIGHBOUR,
  type ExternalActor,
  OWNERSHIP,
  ROUTE,
  TUN,
  TUN_ADDRESS,
  TUN_LINK,
  TUNNEL,
  UNDERLAY,
} from '../../../test/compliance/kernel.ts';
import type { KernelNotification, Step } from '../kernel.ts';
import { MemoryKernel } from './memory-kernel.ts';
import type { MemoryTables } from './memory-tables.ts';
import { KernelReadError, type Outcome } from '../netlink/outcome.ts';
import type { DescriptorStore } from '../path-table.ts';

const BLACKHOLE = 6;

describeKernel('memory', openMemoryFixture);

function openMemoryFixture(): KernelFixture {
  const kernel = new MemoryKernel();
  const { tables } = kernel;
  tables.addLink({ name: 'lo', isLoopback: true, mtu: 65536, kind: '' });
  tables.addLink({ name: UNDERLAY });
  tables.setAddress(UNDERLAY, '192.0.2.1/24' as Cidr);
  tables.setAddress(UNDERLAY, '2001:db8::1/64' as Cidr);
  return { kernel, actor: externalActor(tables), hasSecrets: false, close: () => kernel.close() };
}

function externalActor(tables: MemoryTables): ExternalActor {
  const must = (outcome: Outcome): void => assert.equal(outcome.status, 'done', JSON.stringify(outcome));
  return {
    addBridge: (name) => must(tables.addLink({ name, kind: 'bridge' })),
    addTun: (name) => must(tables.addLink({ name, kind: 'tun', hasCarrier: false })),
    deleteLink: (name) => must(tables.removeLink(name)),
    deleteFouPort: () => void (tables.ports = []),
    setLink: (name, change) => must(tables.changeLink(name, change)),
    addAddress: (dev, address) => must(tables.setAddress(dev, address as Cidr)),
    deleteAddress: (dev, address) => must(tables.removeAddress(dev, address as Cidr)),
    setNeighbour: (entry) => must(tables.setNeighbour(entry)),
    deleteNeighbour: (entry) => must(tables.removeNeighbour(entry)),
    setFdb: (entry) => must(tables.setFdb(entry)),
    deleteFdb: ({ dev, mac }) => must(tables.removeFdb({ dev, mac })),
    replaceRoute: ({ destination, gateway, dev, type, ...rest }) =>
      must(
        tables.setRoute({
          ...rest,
          destination: destination as Cidr,
          dev: dev ?? '',
          ...(gateway !== undefined && { gateway: gateway as IpAddress }),
          ...(type === 'blackhole' && { type: BLACKHOLE }),
        }),
      ),
    deleteRoute: (destination) => must(tables.removeRoute({ destination: destination as Cidr })),
  };
}

describe('MemoryKernel faults', () => {
  const set = (object: Parameters<typeof objectKey>[0]): { action: 'set'; object: typeof object } => ({
    action: 'set',
    object,
  });

  async function open(): Promise<MemoryKernel> {
    const { kernel } = openMemoryFixture();
    await kernel.apply([set(LINK), set(ADDRESS)]);
    return kernel as MemoryKernel;
  }

  it('rejects steps on a key as often as injected', async () => {
    const kernel = await open();
    kernel.injectFault(objectKey(FDB), 'ENOBUFS', 2);
    const attempt = async (): Promise<unknown> =>
      (await kernel.apply([set(FDB), set(NEIGHBOUR)])).map(({ status }) => status);
    assert.deepEqual(
      [await attempt(), await attempt(), await attempt()],
      [
        ['rejected', 'done'],
        ['rejected', 'done'],
        ['done', 'done'],
      ],
    );
  });

  it('loses answers of steps that it applies', async () => {
    const kernel = await open();
    kernel.loseAnswers(1);
    assert.deepEqual(
      (await kernel.apply([set(NEIGHBOUR), set(FDB)])).map(({ status }) => status),
      ['unknown', 'done'],
    );
    assert.ok((await kernel.readState(OWNERSHIP)).objects.has(objectKey(NEIGHBOUR)));
  });

  it('drops notifications and reports the overrun afterwards', async () => {
    const kernel = await open();
    const notifications: KernelNotification[] = [];
    kernel.subscribe(
      () => OWNERSHIP,
      (notification) => notifications.push(notification),
    );
    kernel.dropNotifications();
    kernel.tables.setNeighbour(NEIGHBOUR);
    assert.deepEqual(notifications, []);
    kernel.reportOverrun();
    assert.deepEqual(notifications, [{ kind: 'overrun' }]);
  });

  it('fails reads as often as injected', async () => {
    const kernel = await open();
    kernel.failReads(1);
    await assert.rejects(kernel.readState(OWNERSHIP), KernelReadError);
    await kernel.readState(OWNERSHIP);
  });

  it('renders its state in the form of ip', async () => {
    const kernel = await open();
    await kernel.apply([set(NEIGHBOUR), set(FDB), set(ROUTE)]);
    await kernel.apply([set({ kind: 'sysctl', path: 'net/ipv6/conf/flannel.900/accept_ra', value: '0' })]);
    assert.equal(
      await kernel.render(),
      [
        'addr 10.5.72.0/32 dev flannel.900',
        'addr 192.0.2.1/24 dev kt0',
        'addr 2001:db8::1/64 dev kt0',
        'fdb 02:00:00:00:00:02 dev flannel.900 dst 192.0.2.2 self permanent',
        'link flannel.900 vxlan mtu 1450 up address c6:d2:32:6f:8f:44 id 900 local 192.0.2.1 dev kt0 dstport 8472 nolearning',
        'link kt0 veth mtu 1500 up',
        'link lo  mtu 65536 up',
        'neigh 10.5.2.0 dev flannel.900 lladdr 02:00:00:00:00:02 permanent',
        'route 10.5.2.0/24 via 10.5.2.0 dev flannel.900 proto 87 onlink',
        'route 192.0.2.0/24 dev kt0 proto 2',
        'route 2001:db8::/64 dev kt0 proto 2 metric 256',
        'sysctl net/ipv6/conf/flannel.900/accept_ra = 0',
      ].join('\n'),
    );
  });
});

describe('MemoryKernel: packet path', () => {
  const set = (object: KernelObject): Step => ({ action: 'set', object });
  const remove = (object: KernelObject): Step => ({ action: 'remove', object });
  const noStore: DescriptorStore = {
    has: () => false,
    take: () => [],
    store: () => undefined,
    remove: () => undefined,
    storeCheckpoint: () => undefined,
  };

  async function errnoOf(kernel: MemoryKernel, step: Step): Promise<string> {
    const [result] = await kernel.apply([step]);
    return result?.status === 'rejected' ? result.errno : '';
  }

  it('rejects devices without the addon, with the reason', async () => {
    const kernel = new MemoryKernel({ hasPacketPath: false });
    const [result] = await kernel.apply([set(TUN_LINK)]);
    assert.ok(result?.status === 'rejected');
    assert.match(result.message, /^ENOSYS: .*addon/);
    assert.equal(kernel.tables.link(TUN), undefined);
  });

  it('rejects only VXLAN devices if the kernel lacks VXLAN', async () => {
    const kernel = new MemoryKernel({ hasVxlan: false });
    kernel.tables.addLink({ name: UNDERLAY });
    assert.equal(await errnoOf(kernel, set(LINK)), 'EOPNOTSUPP');
    assert.equal(await errnoOf(kernel, set(TUN_LINK)), '');
  });

  it('configures the MTU of the path at once, and its addresses after a read', async () => {
    const kernel = new MemoryKernel();
    await kernel.apply([set(TUN_LINK), set(TUN_ADDRESS)]);
    assert.deepEqual(kernel.packetPath.settings(TUN), { mtu: 1472 });
    await kernel.readState(OWNERSHIP);
    assert.deepEqual(kernel.packetPath.settings(TUN), { mtu: 1472, ipv4: '10.5.72.0' });
    await kernel.apply([remove(TUN_ADDRESS), set({ ...TUN_ADDRESS, address: 'fd00:5::/128' as Cidr })]);
    await kernel.readState(OWNERSHIP);
    assert.deepEqual(kernel.packetPath.settings(TUN), { mtu: 1472, ipv6: 'fd00:5::' });
  });

  it('does not remove a TUN device that another process serves', async () => {
    const kernel = new MemoryKernel();
    kernel.tables.addTun(TUN);
    assert.equal(await errnoOf(kernel, remove(TUN_LINK)), 'EBUSY');
    assert.ok(kernel.tables.link(TUN));
  });

  it('has the errno of the path', async () => {
    const kernel = new MemoryKernel();
    kernel.packetPath.injectFault('open', 'EADDRINUSE');
    assert.equal(await errnoOf(kernel, set(TUN_LINK)), 'EADDRINUSE');
    kernel.packetPath.clearFault('open');
    assert.equal(await errnoOf(kernel, set(TUN_LINK)), '');
    kernel.packetPath.injectFault('setRoute', 'ENOMEM');
    assert.equal(await errnoOf(kernel, set(TUNNEL)), 'ENOMEM');
  });

  it('takes over the device of an earlier process, which is neither ours nor foreign until then', async () => {
    const descriptors = [{ kind: 'tun', index: 0, fd: 7 }] as const;
    const waiting = new Set([TUN]);
    const kept: string[] = [];
    const kernel = new MemoryKernel({
      descriptorStore: {
        has: (device) => waiting.has(device),
        take: (device) => (waiting.delete(device) ? descriptors : []),
        store: (device, { length }) => kept.push(`${device} ${length}`),
        remove: (device) => kept.push(`no ${device}`),
        storeCheckpoint: () => undefined,
      },
    });
    kernel.tables.addTun(TUN);
    const before = kernel.tables.link(TUN)!.index;
    const state = await kernel.readState(OWNERSHIP);
    assert.deepEqual([state.objects.size, state.foreignLinks.size], [0, 0]);
    assert.equal(await errnoOf(kernel, set(TUN_LINK)), '');
    assert.equal(kernel.tables.link(TUN)!.index, before);
    assert.deepEqual(kernel.packetPath.inherited(TUN), descriptors);
    assert.equal(kernel.packetPath.isStarted(TUN), false);
    assert.equal(await errnoOf(kernel, remove(TUN_LINK)), '');
    assert.deepEqual(kept, [`${TUN} 1`, `no ${TUN}`]);
  });

  it('owns a resumed device as soon as it is read, with its routes', async () => {
    const waiting = new Set([TUN]);
    const kept: string[] = [];
    const kernel = new MemoryKernel({
      descriptorStore: {
        ...noStore,
        has: (device) => waiting.has(device),
        take: (device) => (waiting.delete(device) ? [] : []),
        store: (device) => kept.push(device),
      },
    });
    kernel.tables.addTun(TUN);
    const { name, encapsulation, local, port } = TUN_LINK;
    kernel.packetPath.open({ name, encapsulation, local, port }, [{ kind: 'tun', index: 0, fd: 7 }]);
    kernel.packetPath.setRoute(TUN, {
      destination: TUNNEL.destination,
      remote: TUNNEL.remote,
      port: TUNNEL.port,
    });
    const { objects } = await kernel.readState(OWNERSHIP);
    assert.deepEqual(Array.from(objects.values(), ({ kind }) => kind).toSorted(), ['link', 'tunnel']);
    assert.deepEqual([[...waiting], kept], [[], [TUN]]);
  });

  it('starts a device that was not handed over at once', async () => {
    const kernel = new MemoryKernel({ descriptorStore: noStore });
    await kernel.apply([set(TUN_LINK)]);
    assert.equal(kernel.packetPath.isStarted(TUN), true);
  });
});
