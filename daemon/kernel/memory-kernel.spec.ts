import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Cidr, IpAddress } from '../../allocator/address.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import {
  ADDRESS,
  describeKernel,
  FDB,
  type KernelFixture,
  LINK,
  NEIGHBOUR,
  type OtherHands,
  OWNERSHIP,
  ROUTE,
  UNDERLAY,
} from '../../test/compliance/kernel.ts';
import type { KernelNotice } from './kernel.ts';
import { MemoryKernel } from './memory-kernel.ts';
import type { MemoryTables } from './memory-tables.ts';
import { KernelReadError, type Outcome } from './netlink/outcome.ts';

const BLACKHOLE = 6;

describeKernel('memory', openMemoryFixture);

function openMemoryFixture(): KernelFixture {
  const kernel = new MemoryKernel();
  const { tables } = kernel;
  tables.addLink({ name: 'lo', isLoopback: true, mtu: 65536, kind: '' });
  tables.addLink({ name: UNDERLAY });
  tables.setAddress(UNDERLAY, '192.0.2.1/24' as Cidr);
  tables.setAddress(UNDERLAY, '2001:db8::1/64' as Cidr);
  return { kernel, others: otherHands(tables), close: () => kernel.close() };
}

function otherHands(tables: MemoryTables): OtherHands {
  const must = (outcome: Outcome): void => assert.equal(outcome.status, 'done', JSON.stringify(outcome));
  return {
    addBridge: (name) => must(tables.addLink({ name, kind: 'bridge' })),
    addTun: (name) => must(tables.addLink({ name, kind: 'tun', hasCarrier: false })),
    deleteLink: (name) => must(tables.removeLink(name)),
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

  it('refuses a key as often as told', async () => {
    const kernel = await open();
    kernel.refuse(objectKey(FDB), 'ENOBUFS', 2);
    const attempt = async (): Promise<unknown> =>
      (await kernel.apply([set(FDB), set(NEIGHBOUR)])).map(({ ok }) => ok);
    assert.deepEqual(
      [await attempt(), await attempt(), await attempt()],
      [
        [false, true],
        [false, true],
        [true, true],
      ],
    );
  });

  it('loses answers of steps that are done nevertheless', async () => {
    const kernel = await open();
    kernel.loseAnswers(1);
    assert.deepEqual(
      (await kernel.apply([set(NEIGHBOUR), set(FDB)])).map(({ ok }) => ok),
      ['unknown', true],
    );
    assert.ok((await kernel.readState(OWNERSHIP)).objects.has(objectKey(NEIGHBOUR)));
  });

  it('loses notices and tells so afterwards', async () => {
    const kernel = await open();
    const notices: KernelNotice[] = [];
    kernel.subscribe(
      () => OWNERSHIP,
      (notice) => notices.push(notice),
    );
    kernel.loseNotices();
    kernel.tables.setNeighbour(NEIGHBOUR);
    assert.deepEqual(notices, []);
    kernel.reportOverrun();
    assert.deepEqual(notices, [{ type: 'overrun' }]);
  });

  it('fails reads as often as told', async () => {
    const kernel = await open();
    kernel.failReads(1);
    await assert.rejects(kernel.readState(OWNERSHIP), KernelReadError);
    await kernel.readState(OWNERSHIP);
  });

  it('renders itself in the words of ip', async () => {
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
