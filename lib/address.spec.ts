import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  addToAddress,
  contains,
  fromBigInt,
  ipv4FromNumber,
  ipv4ToNumber,
  networkOf,
  isInside,
  overlaps,
  parseCidr,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseMac,
  toBigInt,
} from './address.ts';
import type { Cidr, IpAddress, Ipv4, Ipv4Cidr, Ipv6 } from './address.ts';

const ipv4 = fc.nat({ max: 0xffff_ffff }).map(ipv4FromNumber);
const ipv6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => fromBigInt(value, 6) as Ipv6);

/** The mask arithmetic of RFC 4632 done slowly, for both families. */
function slowContains(cidr: Cidr, address: IpAddress, bits: number): boolean {
  const [network = '', length = ''] = cidr.split('/');
  const hostBits = BigInt(bits - Number(length));
  return toBigInt(network as IpAddress) >> hostBits === toBigInt(address) >> hostBits;
}

describe('address', () => {
  describe('parseIpv4', () => {
    for (const text of ['0.0.0.0', '1.2.3.4', '10.5.72.0', '255.255.255.255', '199.99.249.250'])
      it(`accepts ${text}`, () => assert.equal(parseIpv4(text), text));

    const refused = [
      ['', 'nothing'],
      ['1..2.3', 'an empty octet'],
      ['.1.2.3', 'a leading dot'],
      ['1.2.3.', 'a trailing dot'],
      ['1.2.3.4.', 'a trailing dot after four octets'],
      ['0x10.1.1.1', 'hex'],
      ['01.2.3.4', 'a zero-padded octet, octal elsewhere'],
      ['00.0.0.0', 'a doubled zero'],
      ['10.1', 'a short form'],
      ['8', 'a bare number'],
      ['256.1.1.1', 'an octet above 255'],
      ['1.2.3.4.5', 'five octets'],
      [' 1.2.3.4', 'a leading space'],
      ['1.2.3.4\n', 'a trailing line break'],
      ['+1.2.3.4', 'a sign'],
      ['1.2.3.4%eth0', 'a zone'],
      ['१.2.3.4', 'a digit that is not ASCII'],
      ['::1', 'IPv6'],
    ] as const;
    for (const [text, what] of refused)
      it(`refuses ${what}: ${JSON.stringify(text)}`, () => assert.equal(parseIpv4(text), undefined));
  });

  describe('parseIpv6', () => {
    const accepted = [
      ['::', '::'],
      ['::1', '::1'],
      ['FD00:0:0:1::', 'fd00:0:0:1::'],
      ['fd00:0000:0000:0001:0000:0000:0000:0000', 'fd00:0:0:1::'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
      ['::ffff:1.2.3.4', '::ffff:102:304'],
      ['::1.2.3.4', '::102:304'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
      ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ] as const;
    for (const [text, canonical] of accepted)
      it(`reads ${text} as ${canonical}`, () => assert.equal(parseIpv6(text), canonical));

    const refused = [
      ['', 'nothing'],
      [':', 'a lone colon'],
      [':::', 'three colons'],
      ['1::2::3', 'two gaps'],
      ['12345::', 'five digits'],
      ['00001::', 'five digits with zeros'],
      ['1:2:3:4:5:6:7', 'seven groups'],
      ['1:2:3:4:5:6:7:8:9', 'nine groups'],
      ['fe80::1%eth0', 'a zone'],
      ['::0x1', 'hex prefix'],
      ['::1.2.3', 'a short dotted tail'],
      ['::01.2.3.4', 'a zero-padded dotted tail'],
      ['::256.1.1.1', 'an octet above 255'],
      ['1:2:3:4:5:6:7:1.2.3.4', 'too many groups before a dotted tail'],
      ['1.2.3.4::', 'a dotted head'],
      ['1::2 ', 'a trailing space'],
      ['[::1]', 'brackets'],
      ['1.2.3.4', 'IPv4'],
    ] as const;
    for (const [text, what] of refused)
      it(`refuses ${what}: ${JSON.stringify(text)}`, () => assert.equal(parseIpv6(text), undefined));

    it('prints the same text as the WHATWG URL host serializer, an independent RFC 5952 writer', () => {
      fc.assert(
        fc.property(fc.ipV6(), (text) => {
          assert.equal(`[${parseIpv6(text)}]`, new URL(`http://[${text}]/`).hostname);
        }),
      );
    });

    it('never throws on any text', () => {
      fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseIp(text)));
      fc.assert(
        fc.property(
          fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%/'.split('')) }),
          (text) => void parseIp(text),
        ),
      );
    });
  });

  describe('parseCidr', () => {
    it('keeps host bits', () => {
      assert.deepEqual(parseCidr('10.5.72.1/24'), { address: '10.5.72.1', prefixLength: 24 });
      assert.deepEqual(parseCidr('FD00::1/64'), { address: 'fd00::1', prefixLength: 64 });
    });

    for (const text of ['0.0.0.0/0', '1.2.3.4/32', '::/0', '::1/128'])
      it(`accepts the bound ${text}`, () => assert.notEqual(parseCidr(text), undefined));

    const refused = ['8/8', '10.1/16', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/-1'];
    refused.push(
      '10.0.0.0/8/8',
      ' 10.0.0.0/8',
      '10.0.0.0 /8',
      '010.0.0.0/8',
      '::/129',
      'fe80::%1/64',
      '/8',
      '::/1e1',
    );
    for (const text of refused) it(`refuses ${text}`, () => assert.equal(parseCidr(text), undefined));
  });

  describe('parseMac', () => {
    for (const text of ['c6:d2:32:6f:8f:44', 'C6-D2-32-6F-8F-44', 'c6d2.326f.8f44'])
      it(`reads ${text}`, () => assert.equal(parseMac(text), 'c6:d2:32:6f:8f:44'));

    const refused = [
      '',
      'c6:d2:32:6f:8f',
      'c6:d2:32:6f:8f:4',
      'c6:d2-32:6f:8f:44',
      'c6d2326f8f44',
      'g6:d2:32:6f:8f:44',
    ];
    refused.push('c6:d2:32:6f:8f:44:00:00', 'c6:d2:32:6f:8f:44 ');
    for (const text of refused)
      it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseMac(text), undefined));
  });

  describe('arithmetic', () => {
    it('goes from number to text and back', () => {
      fc.assert(
        fc.property(fc.nat({ max: 0xffff_ffff }), (value) => ipv4ToNumber(ipv4FromNumber(value)) === value),
      );
      fc.assert(fc.property(ipv6, (address) => fromBigInt(toBigInt(address), 6) === address));
    });

    const networks = [
      ['10.5.72.1', 24, '10.5.72.0/24'],
      ['255.255.255.255', 0, '0.0.0.0/0'],
      ['255.255.255.255', 1, '128.0.0.0/1'],
      ['255.255.255.255', 32, '255.255.255.255/32'],
      ['fd00::ffff', 112, 'fd00::/112'],
      ['fd00::ffff', 0, '::/0'],
      ['fd00::ffff', 128, 'fd00::ffff/128'],
    ] as const;
    for (const [address, length, network] of networks)
      it(`places ${address} at /${length} in ${network}`, () =>
        assert.equal(networkOf(address as Ipv4, length), network));

    it('finds an address inside a network exactly where the prefixes agree', () => {
      fc.assert(
        fc.property(ipv4, ipv4, fc.nat({ max: 32 }), fc.nat({ max: 32 }), (a, noise, length, keep) => {
          // A neighbour that shares `keep` leading bits, so that both answers occur often.
          const mask = keep === 0 ? 0 : -1 << (32 - keep);
          const b = ipv4FromNumber(((ipv4ToNumber(a) & mask) | (ipv4ToNumber(noise) & ~mask)) >>> 0);
          const cidr = networkOf(a, length);
          assert.equal(contains(cidr, b), slowContains(cidr, b, 32));
        }),
      );
      fc.assert(
        fc.property(ipv6, fc.nat({ max: 128 }), fc.nat({ max: 127 }), (a, length, flippedBit) => {
          const b = fromBigInt(toBigInt(a) ^ (1n << BigInt(flippedBit)), 6);
          const cidr = networkOf(a, length);
          assert.equal(contains(cidr, b), slowContains(cidr, b, 128));
        }),
      );
    });

    const pairs = [
      ['10.5.0.0/16', '10.5.72.0/24', true],
      ['10.5.72.0/24', '10.5.0.0/16', true],
      ['10.5.72.0/24', '10.5.72.0/24', true],
      ['10.5.72.0/24', '10.5.73.0/24', false],
      ['0.0.0.0/0', '10.5.73.0/24', true],
      ['0.0.0.0/0', 'fd00::/64', false],
      ['fd00::/48', 'fd00:0:0:1::/64', true],
      ['fd00::/48', 'fd00:0:1::/64', false],
    ] as const;
    for (const [a, b, isOverlap] of pairs)
      it(`${a} and ${b} ${isOverlap ? 'overlap' : 'do not overlap'}`, () =>
        assert.equal(overlaps(a as Ipv4Cidr, b as Ipv4Cidr), isOverlap));

    for (const [inner, outer, isIn] of [
      ['10.5.72.0/24', '10.5.0.0/16', true],
      ['10.5.72.0/24', '10.5.72.0/24', true],
      ['10.5.0.0/16', '10.5.0.0/24', false],
      ['10.6.0.0/24', '10.5.0.0/16', false],
      ['fd00::/64', '0.0.0.0/0', false],
    ] as const)
      it(`${inner} ${isIn ? 'lies' : 'does not lie'} in ${outer}`, () =>
        assert.equal(isInside(inner as Ipv4Cidr, outer as Ipv4Cidr), isIn));

    it('counts on from an address and refuses to leave the address space', () => {
      assert.equal(addToAddress('10.5.0.255' as Ipv4, 1n), '10.5.1.0');
      assert.equal(addToAddress('fd00::' as Ipv6, 1n << 64n), 'fd00:0:0:1::');
      assert.throws(() => addToAddress('255.255.255.255' as Ipv4, 1n), RangeError);
      assert.throws(() => addToAddress('::' as Ipv6, -1n), RangeError);
    });
  });
});
