// Digests of the messages of a dump: equal while only what changes by itself differs.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import * as fc from 'fast-check';
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
import { NDA_CACHEINFO, NDA_PROBES, RTA_CACHEINFO } from './constants.ts';
import { DumpEntries } from './dump-entries.ts';
import { MessageWriter } from './message.ts';
import { decodeNeighbour, encodeNeighbourSet, NEIGHBOUR_DIGEST } from './neighbour-fdb.ts';
import { decodeRoute, encodeRouteSet, ROUTE_DIGEST } from './route.ts';

type Encode = (writer: MessageWriter) => void;

function datagramOf(encodes: readonly Encode[], sequence = 1, flags = 0): Buffer {
  const writer = new MessageWriter(64 * 1024);
  for (const encode of encodes) {
    encode(writer);
    writer.end(sequence, flags);
  }
  return Buffer.from(writer.bytes);
}

function neighbour(number: number, age = 0): Encode {
  return (writer) => {
    const address = `10.5.${number}.0` as IpAddress;
    encodeNeighbourSet(writer, { index: 5, address, mac: '02:00:00:00:00:07' as MacAddress });
    writer.attributeU32(NDA_PROBES, age);
    writer.attributeBytes(NDA_CACHEINFO, new Uint8Array(16).fill(age));
  };
}

function route(metric: number, age = 0): Encode {
  return (writer) => {
    const destination = 'fd00:5:2::/64' as const;
    encodeRouteSet(writer, { destination, index: 5, isOnLink: true, protocol: 87 } as never);
    writer.attributeBytes(RTA_CACHEINFO, new Uint8Array(32).fill(age));
    writer.attributeU32(6, metric);
  };
}

const digestsOf = (...datagrams: readonly Buffer[]): string[] =>
  Array.from(
    new DumpEntries(datagrams, decodeNeighbour, NEIGHBOUR_DIGEST),
    ({ high, low }) => `${high} ${low}`,
  );
const routeDigests = (...encodes: readonly Encode[]): string[] =>
  Array.from(
    new DumpEntries([datagramOf(encodes)], decodeRoute, ROUTE_DIGEST),
    ({ high, low }) => `${high} ${low}`,
  );

describe('entries of a dump', () => {
  it('are decoded on demand, one after another, over several datagrams', () => {
    const datagrams = [datagramOf([neighbour(1), neighbour(2)]), datagramOf([neighbour(3)])];
    const entries = new DumpEntries(datagrams, decodeNeighbour, NEIGHBOUR_DIGEST);
    const found = Array.from(entries, (entry) => entry.decode()?.address);
    assert.deepEqual(found, ['10.5.1.0', '10.5.2.0', '10.5.3.0']);
  });

  it('have the same digest in another dump, however old they are', () => {
    const before = digestsOf(datagramOf([neighbour(1), neighbour(2)], 7));
    assert.deepEqual(digestsOf(datagramOf([neighbour(1, 99), neighbour(2, 3)], 8, 2)), before);
    assert.notEqual(before[0], before[1]);
    assert.equal(routeDigests(route(1, 9))[0], routeDigests(route(1, 200))[0]);
    assert.notEqual(routeDigests(route(1))[0], routeDigests(route(2))[0]);
  });

  it('have another digest with any other bit, apart from the header and what changes by itself', () => {
    const datagram = datagramOf([neighbour(1)]);
    const before = digestsOf(datagram);
    // struct ndmsg, NDA_DST and NDA_LLADDR behind the header of 16 bytes.
    const bit = fc.record({ at: fc.integer({ min: 16, max: 16 + 12 + 8 + 12 - 3 }), bit: fc.nat(7) });
    fc.assert(
      fc.property(bit, ({ at, bit: shift }) => {
        const changed = Buffer.from(datagram);
        changed[at]! ^= 1 << shift;
        assert.notDeepEqual(digestsOf(changed), before);
      }),
    );
  });

  it('end where a message is cut short', () => {
    const datagram = datagramOf([neighbour(1), neighbour(2)]);
    assert.equal(digestsOf(datagram.subarray(0, datagram.length - 4)).length, 1);
  });
});
