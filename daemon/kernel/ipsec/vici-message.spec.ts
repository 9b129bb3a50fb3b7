import assert from 'node:assert/strict';
import { decodePacket, encodePacket, PACKET, ViciFormatError, type ViciSection } from './vici-message.ts';

describe('a VICI message', () => {
  it("has the bytes of strongSwan's own example", () => {
    // README.md of the plugin: a key, a section with a key, a subsection and a list.
    const message: ViciSection = {
      key1: 'value1',
      section1: { 'sub-section': { key2: 'value2' }, list1: ['item1', 'item2'] },
    };
    const bytes = encodePacket({ type: PACKET.response, name: '', message });
    const body = Buffer.concat([
      Buffer.from([PACKET.response]),
      Buffer.from([3, 4]),
      Buffer.from('key1'),
      Buffer.from([0, 6]),
      Buffer.from('value1'),
      Buffer.from([1, 8]),
      Buffer.from('section1'),
      Buffer.from([1, 11]),
      Buffer.from('sub-section'),
      Buffer.from([3, 4]),
      Buffer.from('key2'),
      Buffer.from([0, 6]),
      Buffer.from('value2'),
      Buffer.from([2]),
      Buffer.from([4, 5]),
      Buffer.from('list1'),
      Buffer.from([5, 0, 5]),
      Buffer.from('item1'),
      Buffer.from([5, 0, 5]),
      Buffer.from('item2'),
      Buffer.from([6, 2]),
    ]);
    assert.deepEqual(bytes.subarray(4), body);
    assert.equal(bytes.readUInt32BE(0), body.length);
    assert.deepEqual(decodePacket(body), { type: PACKET.response, name: '', message });
  });

  it('of a request has its name', () => {
    const packet = { type: PACKET.request, name: 'get-conns', message: {} };
    assert.deepEqual(decodePacket(encodePacket(packet).subarray(4)), packet);
  });

  it('survives any texts, empty lists and empty sections', () => {
    const message = { a: '', b: [], c: {}, 'd-é': 'ü'.repeat(1000), e: ['', 'x'] };
    const packet = { type: PACKET.event, name: 'n', message };
    assert.deepEqual(decodePacket(encodePacket(packet).subarray(4)), packet);
  });

  it('truncated anywhere, or with another element, is an error', () => {
    const message = { key: 'value', list: ['item'], section: { key: 'value' } };
    const body = encodePacket({ type: PACKET.response, name: '', message }).subarray(4);
    const ends = Array.from({ length: body.length }, (_, end) => body.subarray(0, end));
    const accepted = ends.filter((part) => {
      try {
        decodePacket(part);
        return true;
      } catch (error) {
        assert.ok(error instanceof ViciFormatError);
        return false;
      }
    });
    // Between two elements of the message itself.
    assert.deepEqual(
      accepted.map(({ length }) => length),
      [1, 13, 27],
    );
    assert.throws(() => decodePacket(Buffer.from([1, 9, 0])), /element 9 is unexpected/);
  });
});
