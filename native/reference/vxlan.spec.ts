import assert from 'node:assert/strict';
import { concat, with16, with8 } from './bytes.ts';
import { decapsulateUdp, encapsulateUdp } from './udp.ts';
import { decapsulateVxlan, encapsulateVxlan } from './vxlan.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** An echo request as Linux's VXLAN device with VNI 7 sent it. */
const DATAGRAM = bytesOf(
  '0800000000000700 020000000002 020000000001 0800' +
    '450000548d804000400199180a0700010a07000208007b78002b0001e1d6046b00000000cc460b0000000000' +
    '101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637',
);
const INNER = DATAGRAM.slice(22);
const OWN = { vni: 7, mac: bytesOf('020000000002') };

describe('vxlan', () => {
  it('makes what Linux makes', () => {
    const path = { vni: 7, sourceMac: bytesOf('020000000001'), destinationMac: OWN.mac };
    assert.deepEqual(encapsulateVxlan(path, INNER), DATAGRAM);
    const ipv6 = encapsulateVxlan({ ...path, vni: 0xabcdef }, Uint8Array.of(0x60));
    assert.deepEqual(ipv6, bytesOf('08000000abcdef00 020000000002 020000000001 86dd 60'));
  });

  it('finds the packet', () => assert.deepEqual(decapsulateVxlan(OWN, DATAGRAM), INNER));

  it('ignores reserved bits', () => {
    const odd = with8(with8(with16(DATAGRAM, 1, 0xffff), 0, 0xff), 7, 0xff);
    assert.deepEqual(decapsulateVxlan(OWN, odd), INNER);
  });

  for (const [reason, what, datagram] of [
    ['dropRxHeader', 'is nothing', new Uint8Array()],
    ['dropRxHeader', 'ends in its header', DATAGRAM.slice(0, 22)],
    ['dropRxHeader', 'has no VNI', with8(DATAGRAM, 0, 0xf7)],
    ['dropRxVni', 'is of another network', with8(DATAGRAM, 6, 8)],
    ['dropRxMac', 'is for another station', with8(DATAGRAM, 13, 3)],
    ['dropRxMac', 'is for all', concat(DATAGRAM.slice(0, 8), bytesOf('ffffffffffff'), DATAGRAM.slice(14))],
    ['dropRxNotIp', 'is ARP', with16(DATAGRAM, 20, 0x0806)],
    ['dropRxNotIp', 'is IPv6 by its EtherType only', with16(DATAGRAM, 20, 0x86dd)],
  ] as const)
    it(`refuses what ${what}: ${reason}`, () =>
      assert.deepEqual(decapsulateVxlan(OWN, datagram), { drop: reason }));
});

describe('udp', () => {
  it('is the packet itself', () => {
    assert.deepEqual(encapsulateUdp(INNER), INNER);
    assert.deepEqual(decapsulateUdp(INNER), INNER);
  });

  it('refuses what is no packet', () => {
    assert.deepEqual(decapsulateUdp(new Uint8Array()), { drop: 'dropRxHeader' });
    assert.deepEqual(decapsulateUdp(Uint8Array.of(0x50)), { drop: 'dropRxNotIp' });
  });
});
