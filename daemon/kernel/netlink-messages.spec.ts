// Notifications of the kernel as messages: what each becomes for a device of ours, of others, renamed, removed or unknown.
import assert from 'node:assert/strict';
import type { Cidr, IpAddress, MacAddress } from '../../lib/address.ts';
import type { Ownership } from '../../backends/backend.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { KernelNotification } from './kernel.ts';
import { NotificationReader } from './netlink-notifications.ts';
import { encodeAddressDelete, encodeAddressSet } from './netlink/address.ts';
import {
  AF_BRIDGE,
  IFLA_IFNAME,
  NDA_CACHEINFO,
  NUD_PERMANENT,
  RTM_DELLINK,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
} from './netlink/constants.ts';
import { beginLink } from './netlink/link-header.ts';
import type { LinkMessage } from './netlink/link.ts';
import { MessageWriter } from './netlink/message.ts';
import {
  encodeFdbDelete,
  encodeFdbSet,
  encodeNeighbourDelete,
  encodeNeighbourSet,
} from './netlink/neighbour-fdb.ts';
import { encodeRouteDelete, encodeRouteSet } from './netlink/route.ts';

const OWN: Ownership = {
  devices: ['flannel.1', 'flannel-v6.1'],
  networks: [{ network: '10.5.0.0/16' as Cidr, subnetLength: 24 }],
  interface: 'eth0',
};
const [OURS, ETH0, LATER] = [5, 2, 9];
const LINKS = [
  [OURS, 'flannel.1'],
  [ETH0, 'eth0'],
].map(([index, name]) => ({ index, name }) as LinkMessage);
const MAC = '02:00:00:00:00:07' as MacAddress;
const PEER = { address: '10.5.7.0' as IpAddress, mac: MAC };
const REMOTE = { address: '192.0.2.7' as IpAddress, mac: MAC };
const ROUTE = {
  destination: '10.5.7.0/24' as Cidr,
  gateway: '10.5.7.0' as IpAddress,
  isOnLink: true,
  protocol: 87,
};
const ABROAD = {
  destination: '172.16.0.0/12' as Cidr,
  gateway: '192.0.2.1' as IpAddress,
  isOnLink: false,
  protocol: 4,
};
const HOLE = { ...ROUTE, index: 0, isOnLink: false, blackholeMetric: 1_000_000 };

/** Of rtm_table in the first message: struct nlmsghdr has 16 bytes. */
const TABLE_OFFSET = 16 + 4;
/** Of nlmsg_type, and of ndm_state, there. */
const [TYPE_OFFSET, STATE_OFFSET] = [4, 16 + 8];

type Encode = (writer: MessageWriter) => void;
const link =
  (type: number, index: number, name: string, family = 0): Encode =>
  (writer) => {
    beginLink(writer, { index, type });
    writer.bytes[writer.bytes.length - 16] = family;
    writer.attributeText(IFLA_IFNAME, name);
  };
/** A change of a forwarding entry as the VXLAN driver notifies of it. */
const byDriver =
  (encode: Encode): Encode =>
  (writer) => {
    encode(writer);
    writer.attributeBytes(NDA_CACHEINFO, new Uint8Array(16));
  };
const removal =
  (route: typeof ROUTE, index: number): Encode =>
  (writer) => {
    const { isOnLink: _isOnLink, ...match } = route;
    encodeRouteDelete(writer, { ...match, index });
  };

const NEIGHBOUR = { kind: 'neighbour', dev: 'flannel.1', address: '10.5.7.0', mac: MAC };
const FDB = { kind: 'fdb', dev: 'flannel.1', mac: MAC, destination: '192.0.2.7' };
const names = (...all: readonly string[]) => ({ kind: 'interfaces', names: all });
const gone = (key: string) => ({ kind: 'object', key });
const underlay = (destination: string) => ({ kind: 'underlay-route', destination });

describe('notifications of the kernel', () => {
  let clock: FakeClock;
  let ownership: Ownership | undefined;
  let reader: NotificationReader;
  let notifications: KernelNotification[];
  let receive: (...messages: readonly Encode[]) => void;
  let overrun: () => void;
  let groups: readonly number[];
  let datagramBytes: number;
  let isOpen: boolean;
  let listed: readonly LinkMessage[];
  let reads: number;

  beforeEach(() => {
    [clock, ownership, notifications, listed, reads] = [new FakeClock(), OWN, [], LINKS, 0];
    reader = new NotificationReader({
      clock,
      receiveBytes: 1,
      readLinks: () => (reads++, Promise.resolve(listed)),
      ownership: () => ownership,
      onNotification: (notification) => notifications.push(notification),
      openSocket: (settings, handlers) => {
        ({ groups = [], datagramBytes } = settings);
        isOpen = true;
        receive = (...messages) => {
          const writer = new MessageWriter(4096);
          for (const encode of messages) {
            encode(writer);
            writer.end(1);
          }
          handlers.onDatagram(writer.bytes);
        };
        overrun = () => handlers.onError('ENOBUFS');
        return {
          receiveBytes: 1,
          hasStrictCheck: true,
          send: () => undefined,
          close: () => void (isOpen = false),
        };
      },
    });
  });
  afterEach(() => reader.close());

  /** After the links are listed. */
  const ready = async (): Promise<void> => {
    await clock.advance(10);
    notifications.length = 0;
  };

  const cases: readonly (readonly [
    what: string,
    messages: readonly Encode[],
    expected: readonly object[],
  ])[] = [
    ['a new link', [link(RTM_NEWLINK, LATER, 'veth1')], [names('veth1')]],
    ['a changed link', [link(RTM_NEWLINK, OURS, 'flannel.1')], [names('flannel.1')]],
    ['a renamed link of ours', [link(RTM_NEWLINK, OURS, 'other')], [names('flannel.1', 'other')]],
    ['a removed link', [link(RTM_DELLINK, OURS, 'flannel.1')], [names('flannel.1')]],
    ['a port of a bridge', [link(RTM_NEWLINK, OURS, 'flannel.1', AF_BRIDGE)], []],
    [
      'an address',
      [(to) => encodeAddressSet(to, { index: ETH0, address: '192.0.2.9' as IpAddress, prefixLength: 24 })],
      [names('eth0')],
    ],
    [
      'a removed address',
      [(to) => encodeAddressDelete(to, { index: OURS, address: '10.5.1.0' as IpAddress, prefixLength: 32 })],
      [names('flannel.1')],
    ],
    [
      'an address of an unknown link',
      [(to) => encodeAddressSet(to, { index: LATER, address: '192.0.2.9' as IpAddress, prefixLength: 24 })],
      [],
    ],
    [
      'a neighbour of ours',
      [(to) => encodeNeighbourSet(to, { index: OURS, ...PEER })],
      [{ ...gone('neighbour flannel.1 10.5.7.0'), object: NEIGHBOUR }],
    ],
    [
      'a removed neighbour',
      [(to) => encodeNeighbourDelete(to, { index: OURS, address: PEER.address })],
      [gone('neighbour flannel.1 10.5.7.0')],
    ],
    ['a neighbour of another device', [(to) => encodeNeighbourSet(to, { index: ETH0, ...PEER })], []],
    [
      'a forwarding entry',
      [byDriver((to) => encodeFdbSet(to, { index: OURS, ...REMOTE }))],
      [{ ...gone(`fdb flannel.1 ${MAC}`), object: FDB }],
    ],
    [
      'a removed forwarding entry',
      [byDriver((to) => encodeFdbDelete(to, { index: OURS, mac: MAC }))],
      [gone(`fdb flannel.1 ${MAC}`)],
    ],
    // As Linux notifies once more before 6.14.
    [
      'no request for a forwarding entry without its remote',
      [
        (to) => {
          encodeFdbDelete(to, { index: OURS, mac: MAC });
          to.writeU16(TYPE_OFFSET, RTM_NEWNEIGH);
          to.writeU16(STATE_OFFSET, NUD_PERMANENT);
        },
      ],
      [],
    ],
    ['no request to remove a forwarding entry', [(to) => encodeFdbDelete(to, { index: OURS, mac: MAC })], []],
    [
      'a route of ours',
      [(to) => encodeRouteSet(to, { index: OURS, ...ROUTE })],
      [
        {
          ...gone('route 10.5.7.0/24'),
          object: {
            kind: 'route',
            destination: '10.5.7.0/24',
            gateway: '10.5.7.0',
            dev: 'flannel.1',
            isOnLink: true,
            protocol: 87,
            metric: 0,
          },
        },
      ],
    ],
    ['a removed route of ours', [removal(ROUTE, OURS)], [gone('route 10.5.7.0/24')]],
    [
      'a blackhole',
      [(to) => encodeRouteSet(to, HOLE)],
      [
        {
          ...gone('route 10.5.7.0/24 metric 1000000'),
          object: {
            kind: 'route',
            destination: '10.5.7.0/24',
            gateway: '0.0.0.0',
            dev: '',
            isOnLink: false,
            isBlackhole: true,
            protocol: 87,
            metric: 1_000_000,
          },
        },
      ],
    ],
    [
      'a foreign route',
      [(to) => encodeRouteSet(to, { index: ETH0, ...ABROAD })],
      [underlay('172.16.0.0/12')],
    ],
    ['a removed foreign route', [removal(ABROAD, ETH0)], [underlay('172.16.0.0/12')]],
    // The kernel sends no RTM_DELROUTE for a route that another replaces.
    [
      'a foreign route in place of ours',
      [(to) => encodeRouteSet(to, { ...ABROAD, index: ETH0, destination: ROUTE.destination })],
      [gone('route 10.5.7.0/24'), underlay('10.5.7.0/24')],
    ],
    [
      'a removed foreign route inside the network',
      [removal({ ...ABROAD, destination: ROUTE.destination }, ETH0)],
      [underlay('10.5.7.0/24')],
    ],
    ['a route of an unknown link', [(to) => encodeRouteSet(to, { index: LATER, ...ROUTE })], []],
    ...[253, 255].map(
      (table) =>
        [
          `a route of table ${table}`,
          [
            (to: MessageWriter) => {
              encodeRouteSet(to, { index: OURS, ...ROUTE });
              to.bytes[TABLE_OFFSET] = table;
            },
            link(RTM_NEWLINK, LATER, 'veth1'),
          ],
          [names('veth1')],
        ] as const,
    ),
    [
      'several messages',
      [link(RTM_NEWLINK, LATER, 'a'), link(RTM_NEWLINK, LATER, 'b')],
      [names('a'), names('a', 'b')],
    ],
  ];
  for (const [what, messages, expected] of cases)
    it(`report ${what}`, async () => {
      await ready();
      receive(...messages);
      assert.deepEqual(notifications, expected);
    });

  it('follow a device of ours through its names', async () => {
    await ready();
    receive(link(RTM_NEWLINK, OURS, 'other'));
    receive((to) => encodeNeighbourSet(to, { index: OURS, ...PEER }));
    assert.deepEqual(notifications, [names('flannel.1', 'other')]);
    receive(link(RTM_NEWLINK, OURS, 'flannel.1'));
    receive((to) => encodeNeighbourDelete(to, { index: OURS, address: PEER.address }));
    assert.deepEqual(notifications.slice(1), [
      names('other', 'flannel.1'),
      gone('neighbour flannel.1 10.5.7.0'),
    ]);
  });

  it('do not take a new device for a removed one', async () => {
    await ready();
    receive(link(RTM_DELLINK, OURS, 'flannel.1'));
    receive((to) => encodeNeighbourSet(to, { index: OURS, ...PEER }));
    receive(link(RTM_NEWLINK, OURS, 'veth3'));
    assert.deepEqual(notifications, [names('flannel.1'), names('veth3')]);
  });

  it('report interfaces alone until it is known what is ours', async () => {
    await ready();
    ownership = undefined;
    receive(
      (to) => encodeNeighbourSet(to, { index: OURS, ...PEER }),
      (to) => encodeRouteSet(to, { index: OURS, ...ROUTE }),
      link(RTM_NEWLINK, OURS, 'flannel.1'),
    );
    assert.deepEqual(notifications, [names('flannel.1')]);
  });

  it('report an overrun for what came before the names of links', async () => {
    receive((to) => encodeRouteSet(to, { index: LATER, ...ROUTE }));
    assert.deepEqual(notifications, []);
    await clock.advance(10);
    assert.deepEqual([notifications, reads], [[{ kind: 'overrun' }], 1]);
  });

  it('report nothing once the names are known and nothing was missed', async () => {
    receive(link(RTM_NEWLINK, LATER, 'x'), (to) => encodeRouteSet(to, { index: LATER, ...ABROAD }));
    await clock.advance(10);
    assert.deepEqual([notifications, reads], [[names('x'), underlay('172.16.0.0/12')], 1]);
  });

  it('list the links again after an overrun, and miss nothing meanwhile', async () => {
    await ready();
    listed = [...LINKS, { index: LATER, name: 'flannel-v6.1' } as LinkMessage];
    overrun();
    receive((to) => encodeNeighbourSet(to, { index: LATER, ...PEER }));
    assert.deepEqual(notifications, [{ kind: 'overrun' }]);
    await clock.advance(10);
    assert.deepEqual([notifications.length, reads], [2, 2]);
    receive((to) => encodeNeighbourDelete(to, { index: LATER, address: PEER.address }));
    assert.deepEqual(notifications.at(-1), gone('neighbour flannel-v6.1 10.5.7.0'));
  });

  it('report what was missed during one list of the links once', async () => {
    const counts: number[] = [];
    for (const isMissing of [true, false, true, false]) {
      notifications.length = 0;
      overrun();
      if (isMissing) receive((to) => encodeRouteSet(to, { index: LATER, ...ROUTE }));
      await clock.advance(10);
      counts.push(notifications.length);
    }
    assert.deepEqual(counts, [2, 1, 2, 1]);
  });

  it('come whole: the longest has 8 KiB', () => assert.equal(datagramBytes, 8192));

  it('are those of links, neighbours, addresses and routes', () => {
    // rtnetlink.h: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE.
    assert.deepEqual(
      [...groups].sort((a, b) => a - b),
      [1, 3, 5, 7, 9, 11],
    );
  });

  it('end with the reader', async () => {
    await ready();
    reader.close();
    assert.equal(isOpen, false);
    receive(link(RTM_NEWLINK, OURS, 'flannel.1'));
    overrun();
    assert.deepEqual(notifications, []);
    await clock.settle();
    assert.equal(clock.pendingTimers, 0);
  });
});
