// What Linux's own VXLAN device sends, captured (test/fixtures/capture.sh), through the C of the packet path and through
// its specification: both find the same packets in it, and make the same datagrams of them again.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as reference from '../native/reference/index.ts';
import { isDropped, parseIpPacket, type IpPacket } from '../native/reference/index.ts';
import { JOIN, loadPacketOracle } from './support/path/packet-oracle.ts';
import { readPcap } from './support/path/pcap.ts';
import { packageRoot } from '../lab/package-root.ts';

const VNI = 7;
/** Of the inner packets: that of the VXLAN devices. */
const OVERLAY_MTU = 1280;
const ETHERNET_BYTES = 14;

interface Captured {
  readonly datagram: Uint8Array;
  readonly path: reference.VxlanPath;
  readonly inner: Uint8Array;
}

/** Datagrams of a capture with what they must hold, found by offsets alone. */
function readCapture(name: string): readonly Captured[] {
  const frames = readPcap(join(packageRoot(), 'test/fixtures', `${name}.pcap`));
  return frames.map((frame) => {
    const outer = Uint8Array.from(frame.subarray(ETHERNET_BYTES));
    const datagram = outer.slice(20 + 8, reference.read16(outer, 2));
    const path = { vni: VNI, destinationMac: datagram.slice(8, 14), sourceMac: datagram.slice(14, 20) };
    return { datagram, path, inner: datagram.slice(22) };
  });
}

function parsed(bytes: Uint8Array): IpPacket {
  const packet = parseIpPacket(bytes);
  assert.ok(packet !== undefined);
  return packet;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function flat(packets: readonly Uint8Array[] | reference.Dropped): readonly Uint8Array[] {
  assert.ok(!isDropped(packets));
  return packets;
}

describe('packets of Linux VXLAN devices', () => {
  const oracle = loadPacketOracle();
  const segments = ['ping', 'tcp4-segments', 'tcp6-segments', 'udp4', 'udp6'];
  const partial = ['tcp4-super', 'tcp6-super', 'udp4-partial'];

  for (const name of [...segments, ...partial]) {
    it(`${name}: are found, and encapsulated again as Linux did it`, () => {
      const capture = readCapture(name);
      assert.ok(capture.length >= 5);
      for (const { datagram, path, inner } of capture) {
        const own = { vni: VNI, mac: path.destinationMac };
        assert.deepEqual(hex(oracle.decapsulate(true, own, datagram) as Uint8Array), hex(inner));
        assert.deepEqual(reference.decapsulateVxlan(own, datagram), inner);
        assert.deepEqual(oracle.parse(inner), parsed(inner));
        assert.deepEqual(reference.encapsulateVxlan(path, inner), datagram);
        const sender = { vni: VNI, mac: path.sourceMac };
        assert.equal(hex(oracle.encapsulate(true, sender, path.destinationMac, inner)), hex(datagram));
      }
    });
  }

  for (const name of segments.slice(1))
    it(`${name}: are undamaged, as their checksums show`, () => {
      for (const { inner } of readCapture(name)) {
        assert.equal(oracle.checksumState(inner), 'good');
        assert.equal(reference.checksumState(inner, parsed(inner)), 'good');
      }
    });

  for (const name of ['tcp4-segments', 'tcp6-segments'])
    it(`${name}: are joined alike, and cut into what they were`, () => {
      const packets = readCapture(name).map(({ inner }) => inner);
      const writes = oracle.coalesce(packets, JOIN.tcp | JOIN.udp);
      assert.ok(writes.length * 2 < packets.length, `${writes.length} writes for ${packets.length} packets`);
      const expected = reference.coalesce(packets, { tcp: true, udp: true });
      assert.deepEqual(
        writes.map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
        expected.map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
      );
      const back = writes.flatMap(({ header, bytes, packets: count }) =>
        count === 1 ? [bytes] : flat(oracle.segment(header, bytes)),
      );
      assert.deepEqual(back.map(hex), packets.map(hex));
    });

  for (const name of partial)
    it(`${name}: have a checksum that is only begun, and are delivered as super-packets of the MTU`, () => {
      const packets = readCapture(name).map(({ inner }) => inner);
      const unfinished = packets.filter((inner) => oracle.checksumState(inner) === 'partial');
      assert.ok(unfinished.length >= packets.length - 1);
      for (const inner of unfinished) {
        assert.ok(oracle.isPartial(inner));
        assert.equal(reference.checksumState(inner, parsed(inner)), 'partial');
        const write = oracle.deliverPartial(inner, OVERLAY_MTU, 0);
        const expected = reference.deliverPartial(inner, { mtu: OVERLAY_MTU, segmentPayload: 0 });
        assert.deepEqual({ ...write, bytes: hex(write.bytes) }, { ...expected, bytes: hex(expected.bytes) });
        const done =
          write.packets > 1
            ? flat(oracle.segment(write.header, write.bytes))
            : [oracle.completeChecksum(write.header, write.bytes) as Uint8Array];
        assert.equal(done.length, write.packets);
        for (const each of done) {
          assert.ok(each.length <= OVERLAY_MTU);
          assert.equal(oracle.checksumState(each), 'good');
        }
      }
    });

  it('super-packets are really there', () => {
    for (const name of ['tcp4-super', 'tcp6-super'])
      assert.ok(readCapture(name).some(({ inner }) => inner.length > 10_000));
  });
});
