// The codecs against an independent implementation, in both directions: the `netlink` package must
// read what we encode. And against arbitrary bytes.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, it } from 'mocha';
import { parseMessages, rt } from 'netlink';
import type { Cidr, IpAddress, MacAddress } from '../../../lib/address.ts';
import { decodeAddress, encodeAddressDelete, encodeAddressSet } from './address.ts';
import { decodeLink, encodeLinkChange } from './link.ts';
import { AttributeTable, forEachMessage, MessageWriter } from './message.ts';
import {
  decodeNeighbour,
  encodeFdbDelete,
  encodeFdbSet,
  encodeNeighbourDelete,
  encodeNeighbourSet,
} from './neighbour-fdb.ts';
import { decodeAnyRoute, decodeRoute, encodeRouteDelete, encodeRouteSet } from './route.ts';
import { decodeFouPort, encodeFouAdd, encodeFouDelete } from './fou.ts';
import { encodeFouLinkCreate, encodeIpipLink } from './ip-tunnel.ts';
import { encodeVxlanChange, encodeVxlanCreate } from './vxlan.ts';

const CREATE_REPLACE = 0x501;
const CREATE_EXCLUSIVE = 0x601;
const DELETE = 0x001;
const MAC = '02:00:00:00:00:01' as MacAddress;
const MAC_BYTES = Buffer.from([2, 0, 0, 0, 0, 1]);
const V4 = '10.5.2.0' as IpAddress;
const V4_BYTES = Buffer.from([10, 5, 2, 0]);
const V6 = 'fd00::2' as IpAddress;
const V6_BYTES = Buffer.from('fd000000000000000000000000000002', 'hex');

interface EncodeCase {
  readonly what: string;
  readonly encode: (writer: MessageWriter) => void;
  readonly flags: number;
  /** As the other implementation reads it. */
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly attrs: Readonly<Record<string, unknown>>;
}

const VXLAN = {
  name: 'flannel.1',
  vni: 1,
  port: 8472,
  local: '10.0.0.1' as IpAddress,
  parentIndex: 3,
  learning: false,
  gbp: true,
  mac: MAC,
  mtu: 1450,
};

const CASES: readonly EncodeCase[] = [
  {
    what: 'IPv4 route',
    encode: (writer) =>
      encodeRouteSet(writer, {
        destination: '10.5.2.0/24' as Cidr,
        gateway: V4,
        index: 7,
        isOnLink: true,
        protocol: 87,
      }),
    flags: CREATE_REPLACE,
    kind: 'route',
    data: { family: 2, dstLen: 24, table: 254, protocol: 87, scope: 'UNIVERSE', type: 'UNICAST' },
    attrs: { dst: V4_BYTES, gateway: V4_BYTES, oif: 7 },
  },
  {
    what: 'deletion of an IPv6 route with metric',
    encode: (writer) =>
      encodeRouteDelete(writer, { destination: 'fd00::2/128' as Cidr, metric: 50, protocol: 87 }),
    flags: DELETE,
    kind: 'route',
    data: { family: 10, dstLen: 128, table: 254, protocol: 87, scope: 'NOWHERE', type: 'UNSPEC' },
    attrs: { dst: V6_BYTES, priority: 50 },
  },
  {
    what: 'IPv6 neighbour',
    encode: (writer) => encodeNeighbourSet(writer, { index: 7, address: V6, mac: MAC }),
    flags: CREATE_REPLACE,
    kind: 'neighbor',
    data: { family: 10, ifindex: 7, state: { permanent: true }, flags: {}, type: 1 },
    attrs: { dst: V6_BYTES, lladdr: MAC_BYTES },
  },
  {
    what: 'deletion of an IPv4 neighbour',
    encode: (writer) => encodeNeighbourDelete(writer, { index: 7, address: V4 }),
    flags: DELETE,
    kind: 'neighbor',
    data: { family: 2, ifindex: 7 },
    attrs: { dst: V4_BYTES },
  },
  {
    what: 'FDB entry',
    encode: (writer) => encodeFdbSet(writer, { index: 7, address: V4, mac: MAC }),
    flags: CREATE_REPLACE,
    kind: 'neighbor',
    data: { family: 7, ifindex: 7, state: { permanent: true }, flags: { self: true } },
    attrs: { dst: V4_BYTES, lladdr: MAC_BYTES },
  },
  {
    what: 'deletion of an FDB entry',
    encode: (writer) => encodeFdbDelete(writer, { index: 7, mac: MAC }),
    flags: DELETE,
    kind: 'neighbor',
    data: { family: 7, ifindex: 7, flags: { self: true } },
    attrs: { lladdr: MAC_BYTES },
  },
  {
    what: 'IPv6 address',
    encode: (writer) => encodeAddressSet(writer, { index: 7, address: V6, prefixLength: 128 }),
    flags: CREATE_REPLACE,
    kind: 'address',
    data: { family: 10, prefixlen: 128, flags: { nodad: true }, scope: 0, index: 7 },
    attrs: { local: V6_BYTES, address: V6_BYTES },
  },
  {
    what: 'deletion of an IPv4 address',
    encode: (writer) => encodeAddressDelete(writer, { index: 7, address: V4, prefixLength: 32 }),
    flags: DELETE,
    kind: 'address',
    data: { family: 2, prefixlen: 32, flags: {}, index: 7 },
    attrs: { local: V4_BYTES, address: V4_BYTES },
  },
  {
    what: 'VXLAN device',
    encode: (writer) => encodeVxlanCreate(writer, VXLAN),
    flags: CREATE_EXCLUSIVE,
    kind: 'link',
    data: { index: 0, flags: { up: true }, change: { up: true } },
    attrs: { ifname: 'flannel.1', mtu: 1450, address: MAC_BYTES, txqlen: 0 },
  },
  {
    what: 'change of a device',
    encode: (writer) => encodeLinkChange(writer, 9, { txQueueLength: 0, mtu: 1400, mac: MAC }),
    flags: DELETE,
    kind: 'link',
    data: { index: 9, flags: { up: true } },
    attrs: { mtu: 1400, address: MAC_BYTES, txqlen: 0 },
  },
];

/** Calls `decode` on each message that `write` encodes. */
function decodeAll<T>(
  write: (writer: MessageWriter) => void,
  decode: (buffer: Buffer, start: number, end: number) => T,
): T[] {
  const writer = new MessageWriter(4096);
  write(writer);
  writer.end(1);
  const decoded: T[] = [];
  forEachMessage(writer.bytes, (_, start, end) => decoded.push(decode(writer.bytes, start, end)));
  return decoded;
}

describe('netlink codecs', () => {
  for (const { what, encode, flags, kind, data, attrs } of CASES)
    it(`another implementation reads our ${what}`, () => {
      const writer = new MessageWriter(4096);
      encode(writer);
      writer.end(77);
      const [message, ...rest] = parseMessages(writer.bytes);
      assert.ok(message);
      assert.deepEqual([rest.length, message.seq, message.flags], [0, 77, flags]);
      const bytes: Buffer = Buffer.isBuffer(message.data) ? message.data : Buffer.concat(message.data);
      // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- its own header parser says number
      const parsed = rt.parseMessage(message.type, bytes);
      assert.ok('attrs' in parsed);
      assert.equal(parsed.kind, kind);
      const read = parsed.data as unknown as Record<string, unknown>;
      for (const [name, value] of Object.entries(data)) assert.deepEqual(read[name], value, name);
      const { linkinfo: _, ...found } = parsed.attrs as unknown as Record<string, unknown>;
      assert.deepEqual(found, attrs);
    });

  it('packs many messages into one datagram', () => {
    const writer = new MessageWriter(4096);
    let count = 0;
    for (; writer.hasRoom; count++) {
      encodeNeighbourSet(writer, { index: count, address: V4, mac: MAC });
      writer.end(count);
    }
    assert.ok(count > 50);
    const indexes: number[] = [];
    forEachMessage(writer.bytes, (_, start, end) =>
      indexes.push(decodeNeighbour(writer.bytes, start, end)!.index),
    );
    assert.deepEqual(indexes, [...indexes.keys()]);
    assert.equal(indexes.length, count);
  });

  it('a reused buffer carries nothing over', () => {
    const writer = new MessageWriter(4096);
    const encoded = (): string => {
      writer.clear();
      encodeAddressDelete(writer, { index: 1, address: V4, prefixLength: 32 });
      writer.end(1);
      return writer.bytes.toString('hex');
    };
    const first = encoded();
    writer.clear();
    encodeVxlanCreate(writer, VXLAN);
    writer.end(2);
    assert.equal(encoded(), first);
  });

  it('reads what it encodes: route', () => {
    const [route] = decodeAll(
      (writer) =>
        encodeRouteSet(writer, {
          destination: 'fd00:5:2::/64' as Cidr,
          gateway: V6,
          index: 7,
          isOnLink: true,
          protocol: 87,
        }),
      decodeRoute,
    );
    assert.deepEqual(route, {
      destination: 'fd00:5:2::/64',
      gateway: V6,
      protocol: 87,
      type: 1,
      metric: 0,
      index: 7,
      isOnLink: true,
      hops: 1,
      hasTos: false,
      isNexthopObject: false,
    });
  });

  it('reads what it encodes: VXLAN device, and a change of it', () => {
    const [link] = decodeAll((writer) => encodeVxlanCreate(writer, VXLAN), decodeLink);
    const { vni, port, local, parentIndex, learning, gbp } = VXLAN;
    assert.deepEqual(link?.vxlan, { vni, port, local, parentIndex, learning, gbp, unsupported: [] });
    const [changed] = decodeAll(
      (writer) => encodeVxlanChange(writer, 9, { local: V6, learning: true, parentIndex: 4 }),
      decodeLink,
    );
    assert.deepEqual(
      [changed?.index, changed?.vxlan?.local, changed?.vxlan?.learning, changed?.vxlan?.parentIndex],
      [9, V6, true, 4],
    );
  });

  it('reads what it encodes: IP-in-IP devices with FOU', () => {
    for (const [local, kind] of [
      [V4, 'ipip'],
      [V6, 'ip6tnl'],
    ] as const) {
      const settings = { name: 'flannel0', local, port: 8285, parentIndex: 3, mtu: 1472 };
      const [link] = decodeAll((writer) => encodeFouLinkCreate(writer, settings), decodeLink);
      assert.deepEqual(link?.ipTunnel, { local, port: 8285, parentIndex: 3, unsupported: [] });
      assert.deepEqual([link.kind, link.name, link.mtu, link.isUp], [kind, 'flannel0', 1472, true]);
    }
  });

  it('reads what it encodes: an IP-in-IP device, and a change of it', () => {
    const settings = { name: 'flannel.ipip', local: V4, parentIndex: 3, mtu: 1480 };
    for (const index of [0, 9]) {
      const [link] = decodeAll((writer) => encodeIpipLink(writer, settings, index), decodeLink);
      assert.deepEqual(link?.ipip, { local: V4, parentIndex: 3, unsupported: [] });
      assert.deepEqual([link.index, link.kind, link.mtu, link.isUp], [index, 'ipip', 1480, true]);
    }
  });

  it('reads what it encodes: ports of FOU', () => {
    for (const local of [V4, V6])
      for (const encode of [encodeFouAdd, encodeFouDelete])
        assert.deepEqual(
          decodeAll((writer) => encode(writer, 31, { port: 8285, local }), decodeFouPort),
          [{ port: 8285, local }],
        );
  });

  it('reads ports of FOU as Linux 6.1 dumps them, whose peer is zeros', () => {
    const dumped = [
      '6c00000020000200020000007e00400803010000050002000a00000006000100205d000006000a00000000000500030029000000050004000100000008000b000000000014000700000000000000000000000000000000011400090000000000000000000000000000000000',
      '5400000020000200020000007e00400803010000050002000200000006000100205d000006000a00000000000500030004000000050004000100000008000b0000000000080006007f0000010800080000000000',
    ].map((hex) => Buffer.from(hex, 'hex'));
    assert.deepEqual(
      dumped.map((message) => decodeFouPort(message, 0, message.length)),
      [
        { port: 8285, local: '::1' },
        { port: 8285, local: '127.0.0.1' },
      ],
    );
  });

  it('reads several next hops: the first, and how many', () => {
    // Two rtnexthop of 16 bytes (flags and weight zero), each with RTA_GATEWAY, as `ip route add
    // nexthop` makes them.
    const hop = (index: number, last: number): string =>
      `10000000${Buffer.from([index, 0, 0, 0]).toString('hex')}08000500c00002${last.toString(16).padStart(2, '0')}`;
    const body = `02180000fe5700010000000008000100c633640024000900${hop(3, 7)}${hop(4, 8)}`;
    const payload = Buffer.from(body, 'hex');
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + payload.length);
    header.writeUInt16LE(24, 4);
    const message = Buffer.concat([header, payload]);
    const route = decodeRoute(message, 0, message.length);
    assert.deepEqual(
      [route?.destination, route?.hops, route?.index, route?.gateway],
      ['198.51.100.0/24', 2, 3, '192.0.2.7'],
    );
    assert.equal(route?.hasSeveralDevices, true);
    // The second next hop gets the device of the first.
    message[message.length - 12] = 3;
    const oneDevice = decodeRoute(message, 0, message.length);
    assert.deepEqual([oneDevice?.hops, oneDevice?.hasSeveralDevices], [2, undefined]);
  });

  it('ignores other tables and cut attributes', () => {
    const message = Buffer.alloc(16 + 12 + 8);
    message[16] = 2;
    message[20] = 255;
    assert.equal(decodeRoute(message, 0, message.length), undefined);
    message[20] = 254;
    message.writeUInt16LE(200, 28);
    assert.equal(decodeRoute(message, 0, message.length)?.destination, '0.0.0.0/0');
  });

  it('survives any bytes', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        const table = new AttributeTable(20);
        table.read(buffer, 0, buffer.length);
        forEachMessage(buffer, () => undefined);
        for (const decode of [
          decodeAddress,
          decodeLink,
          decodeNeighbour,
          decodeRoute,
          decodeAnyRoute,
          decodeFouPort,
        ])
          decode(buffer, 0, buffer.length);
      }),
    ));
});
