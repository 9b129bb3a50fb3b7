import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { addressOf, fromBigInt, ipv4FromNumber, networkOf, prefixLengthOf } from '../../lib/address.ts';
import type { Ipv4Cidr, Ipv6 } from '../../lib/address.ts';
import type { LeaseSubnets } from '../lease.ts';
import { blockedSubnets, formatSubnetKey, parseSubnetKey } from './subnet-key.ts';

const ipv4Cidr = fc
  .tuple(fc.nat({ max: 0xffff_ffff }), fc.integer({ min: 1, max: 32 }))
  .map(([value, length]) => networkOf(ipv4FromNumber(value), length));
const ipv6Cidr = fc
  .tuple(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.integer({ min: 1, max: 128 }))
  .map(([value, length]) => networkOf(fromBigInt(value, 6) as Ipv6, length));
const subnets: fc.Arbitrary<LeaseSubnets> = fc.oneof(
  fc.record({ ipv4: ipv4Cidr }, { noNullPrototype: true }),
  fc.record({ ipv6: ipv6Cidr }, { noNullPrototype: true }),
  fc.record({ ipv4: ipv4Cidr, ipv6: ipv6Cidr }, { noNullPrototype: true }),
);

describe('subnet key', () => {
  const written = [
    ['10.5.52.0-24', { ipv4: '10.5.52.0/24' }],
    ['10.5.52.0-24&fd00:12:13::-56', { ipv4: '10.5.52.0/24', ipv6: 'fd00:12:13::/56' }],
    ['0.0.0.0-0&fd00:0:0:1::-64', { ipv6: 'fd00:0:0:1::/64' }],
    ['10.5.52.7-32', { ipv4: '10.5.52.7/32' }],
    ['0.0.0.0-0&fd00::1-128', { ipv6: 'fd00::1/128' }],
    ['0.0.0.0-8', { ipv4: '0.0.0.0/8' }],
  ] as const;
  for (const [key, expected] of written) {
    it(`reads ${key}`, () => assert.deepEqual(parseSubnetKey(key), { ok: true, subnets: expected }));
    it(`writes ${key}`, () => assert.equal(formatSubnetKey(expected as unknown as LeaseSubnets), key));
  }

  const tolerated = [
    ['10.5.52.0-024', { ipv4: '10.5.52.0/24' }],
    ['10.5.52.0-24&fd00:12:13::-0056', { ipv4: '10.5.52.0/24', ipv6: 'fd00:12:13::/56' }],
    ['10.5.52.0-24&fd00:0:0:1:0:0:0:0-64', { ipv4: '10.5.52.0/24', ipv6: 'fd00:0:0:1::/64' }],
    ['10.5.52.0-24&::-0', { ipv4: '10.5.52.0/24' }],
  ] as const;
  for (const [key, expected] of tolerated)
    it(`tolerates ${key}`, () => assert.deepEqual(parseSubnetKey(key), { ok: true, subnets: expected }));

  const refused = [
    ['', 'nothing'],
    ['10.5.52.0', 'no length'],
    ['10.5.52.0-', 'an empty length'],
    ['10.5.52.0/24', 'a slash'],
    ['x10.5.1.0-24', 'garbage before'],
    ['10.5.1.0-24x', 'garbage behind'],
    ['10.5.1.0-24\n', 'a line break behind'],
    ['old/10.5.1.0-24', 'a folder before'],
    ['10.5.1.0-24/', 'a slash behind'],
    ['10.5.1.0-33', 'a length above 32'],
    ['10.5.1.0--1', 'a negative length'],
    ['10.5.1.0-99999999999999999999', 'a huge length'],
    ['10.5.256.0-24', 'an octet above 255'],
    ['10.05.1.0-24', 'a zero-padded octet'],
    ['10.5.1-24', 'three octets'],
    ['fd00:0:0:1::-64', 'IPv6 without an IPv4 part'],
    ['&fd00:0:0:1::-64', 'an empty IPv4 part'],
    ['10.5.1.0-24&', 'an empty IPv6 part'],
    ['10.5.1.0-24&fd00::', 'IPv6 without length'],
    ['10.5.1.0-24&fd00::-129', 'a length above 128'],
    ['10.5.1.0-24&fd00:::-64', 'a bad IPv6 address'],
    ['10.5.1.0-24&FD00::-64', 'upper case'],
    ['10.5.1.0-24&::ffff:1.2.3.4-128', 'a dotted tail'],
    ['10.5.1.0-24&fd00::-64&fd01::-64', 'three parts'],
    ['10.5.1.0-24%26fd00::-64', 'an encoded separator'],
    ['0.0.0.0-0', 'an empty IPv4 part alone'],
    ['0.0.0.0-0&::-0', 'two empty parts'],
  ] as const;
  for (const [key, what] of refused)
    it(`refuses ${what}: ${JSON.stringify(key)}`, () => {
      assert.equal(parseSubnetKey(key).ok, false);
      assert.equal(blockedSubnets(key), undefined);
    });

  const hostBits = [
    ['10.5.1.7-24', '10.5.1.0-24'],
    ['10.5.1.0-24&fd00::1-64', '10.5.1.0-24&fd00::-64'],
    ['10.5.1.7-24&fd00::1-64', '10.5.1.0-24&fd00::-64'],
    ['10.5.1.7-0', '0.0.0.0-0'],
  ] as const;
  for (const [key, expected] of hostBits)
    it(`refuses the host bits of ${key}, names ${expected}, and still lets it block that subnet`, () => {
      const result = parseSubnetKey(key);
      assert.ok(!result.ok);
      assert.ok(result.reason.includes(expected), result.reason);
      assert.ok(result.reason.includes(key), result.reason);
      assert.equal(formatSubnetKey(blockedSubnets(key) ?? {}), expected);
    });

  it('shows a hostile key short and printable', () => {
    const result = parseSubnetKey(`\u001b[2J${'x'.repeat(100_000)}`);
    assert.ok(!result.ok);
    assert.ok(result.reason.length < 250);
    assert.ok(!result.reason.includes('\u001b'));
  });

  it('refuses to write a key without subnets', () => assert.throws(() => formatSubnetKey({}), RangeError));

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(subnets, (value) => {
        assert.deepEqual(parseSubnetKey(formatSubnetKey(value)), { ok: true, subnets: value });
      }),
    );
  });

  it('never throws, and what it accepts is a network it can write', () => {
    const nearKey = fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.-&'.split('')) });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), nearKey), (text) => {
        const result = parseSubnetKey(text);
        if (result.ok) assert.deepEqual(parseSubnetKey(formatSubnetKey(result.subnets)), result);
      }),
    );
  });

  it('yields networks without host bits only', () => {
    fc.assert(
      fc.property(fc.nat({ max: 0xffff_ffff }), fc.nat({ max: 32 }), (value, length) => {
        const blocked = blockedSubnets(`${ipv4FromNumber(value)}-${length}`)?.ipv4;
        if (blocked !== undefined) assert.equal(blocked, masked(blocked));
      }),
    );
  });
});

function masked(cidr: Ipv4Cidr): Ipv4Cidr {
  return networkOf(addressOf(cidr), prefixLengthOf(cidr));
}
