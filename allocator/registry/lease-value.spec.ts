import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { fromBigInt, ipv4FromNumber } from '../../lib/address.ts';
import type { Ipv4, Ipv6 } from '../../lib/address.ts';
import { MAX_VALUE_CHARACTERS, decodeLeaseValue, encodeLeaseValue, sameAttributes } from './lease-value.ts';
import type { LeaseAttributes } from '../lease.ts';

const vtepData = { VNI: 1, VtepMAC: 'c6:d2:32:6f:8f:44' };
const vxlan: LeaseAttributes = {
  publicIp: '192.168.64.3' as Ipv4,
  backendType: 'vxlan',
  backendData: vtepData,
};

const attributes: fc.Arbitrary<LeaseAttributes> = fc.record(
  {
    publicIp: fc.integer({ min: 1, max: 0xffff_ffff }).map(ipv4FromNumber),
    publicIpv6: fc.bigInt({ min: 1n, max: (1n << 128n) - 1n }).map((value) => fromBigInt(value, 6) as Ipv6),
    backendType: fc.string(),
    backendData: fc.jsonValue({ maxDepth: 4 }).filter((value) => value !== null),
    backendV6Data: fc.jsonValue({ maxDepth: 4 }).filter((value) => value !== null),
  },
  { requiredKeys: ['backendType'] },
);

describe('lease value', () => {
  const samples: readonly (readonly [string, string, LeaseAttributes])[] = [
    ['alloc', '{"PublicIP":"1.2.3.4","PublicIPv6":null}', { publicIp: '1.2.3.4' as Ipv4, backendType: '' }],
    [
      'vxlan',
      '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}',
      vxlan,
    ],
    [
      'vxlan, dual-stack',
      '{"PublicIP":"192.168.64.3","PublicIPv6":"fd00::3","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}',
      { ...vxlan, publicIpv6: 'fd00::3' as Ipv6, backendV6Data: vtepData },
    ],
    [
      'host-gw, IPv6 only',
      '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::3","BackendType":"host-gw"}',
      { publicIpv6: 'fd00::3' as Ipv6, backendType: 'host-gw' },
    ],
    [
      'udp with the marks of a packet path',
      '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::3","Weft":{"Gso":true,"ZeroChecksum":true}}',
      {
        publicIpv6: 'fd00::3' as Ipv6,
        backendType: '',
        weft: { acceptsGso: true, acceptsZeroChecksum: true },
      },
    ],
    [
      'one such mark alone',
      '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::3","BackendType":"vxlan","Weft":{"ZeroChecksum":true}}',
      { publicIpv6: 'fd00::3' as Ipv6, backendType: 'vxlan', weft: { acceptsZeroChecksum: true } },
    ],
    [
      'extension data with HTML characters and a line separator',
      String.raw`{"PublicIP":"1.2.3.4","PublicIPv6":null,"BackendType":"extension","BackendData":"\u003ca\u003e \u0026 \u2028\n"}`,
      { publicIp: '1.2.3.4' as Ipv4, backendType: 'extension', backendData: '<a> & \u2028\n' },
    ],
  ];
  for (const [name, text, value] of samples) {
    it(`writes ${name}`, () => assert.equal(encodeLeaseValue(value), text));
    it(`reads ${name}`, () => assert.deepEqual(decodeLeaseValue(text), { ok: true, attributes: value }));
  }

  const tolerated: readonly (readonly [string, string, LeaseAttributes])[] = [
    [
      'any letter case',
      '{"publicip":"1.2.3.4","BACKENDTYPE":"vxlan"}',
      { publicIp: '1.2.3.4' as Ipv4, backendType: 'vxlan' },
    ],
    [
      'unknown fields',
      '{"PublicIP":"1.2.3.4","Extra":[1]}',
      { publicIp: '1.2.3.4' as Ipv4, backendType: '' },
    ],
    ['white space', ' {\n"PublicIP" : "1.2.3.4"} \n', { publicIp: '1.2.3.4' as Ipv4, backendType: '' }],
    ['a missing PublicIP', '{}', { backendType: '' }],
    ['an empty IPv6 address', '{"PublicIPv6":"::"}', { backendType: '' }],
    [
      'IPv4 in PublicIPv6',
      '{"PublicIPv6":"1.2.3.4"}',
      { publicIpv6: '::ffff:102:304' as Ipv6, backendType: '' },
    ],
    [
      'the last of two',
      '{"PublicIP":null,"publicIP":"1.2.3.4"}',
      { publicIp: '1.2.3.4' as Ipv4, backendType: '' },
    ],
    ['nulls', '{"BackendType":null,"BackendData":null,"BackendV6Data":null}', { backendType: '' }],
    ['a field named like a prototype', '{"__proto__":{"PublicIP":"1.2.3.4"}}', { backendType: '' }],
  ];
  for (const [name, text, value] of tolerated)
    it(`tolerates ${name}`, () => assert.deepEqual(decodeLeaseValue(text), { ok: true, attributes: value }));

  const refused = [
    ['', 'JSON'],
    ['{', 'JSON'],
    ['{"PublicIP":"1.2.3.4"} x', 'JSON'],
    ["{'PublicIP':'1.2.3.4'}", 'JSON'],
    ['null', 'object'],
    ['[]', 'object'],
    ['"1.2.3.4"', 'object'],
    ['{"PublicIP":null}', 'PublicIP null'],
    ['{"PublicIP":""}', 'PublicIP ""'],
    ['{"PublicIP":16909060}', 'PublicIP 16909060'],
    ['{"PublicIP":"fd00::1"}', 'PublicIP "fd00::1"'],
    ['{"PublicIP":"1.2.3.04"}', 'PublicIP "1.2.3.04"'],
    ['{"PublicIP":"1.2.3.4/24"}', 'PublicIP "1.2.3.4/24"'],
    ['{"PublicIP":{}}', 'PublicIP {…}'],
    ['{"PublicIPv6":""}', 'PublicIPv6 ""'],
    ['{"PublicIPv6":"fe80::1%eth0"}', 'PublicIPv6 "fe80::1%eth0"'],
    ['{"PublicIPv6":false}', 'PublicIPv6 false'],
    ['{"BackendType":7}', 'BackendType 7'],
  ] as const;
  for (const [text, named] of refused)
    it(`refuses ${JSON.stringify(text)} and names ${named}`, () => {
      const result = decodeLeaseValue(text);
      assert.ok(!result.ok);
      assert.ok(result.reason.includes(named), result.reason);
    });

  it('refuses what is too large or too deep to be a lease, in a short sentence', () => {
    const deep = `{"BackendData":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    for (const text of [
      'x'.repeat(MAX_VALUE_CHARACTERS),
      `"${'x'.repeat(2 * MAX_VALUE_CHARACTERS)}"`,
      deep,
    ]) {
      const result = decodeLeaseValue(text);
      assert.ok(!result.ok);
      assert.ok(result.reason.length < 200);
    }
  });

  it('compares attributes by what peers see', () => {
    assert.ok(sameAttributes(vxlan, { ...vxlan }));
    assert.ok(sameAttributes(vxlan, { ...vxlan, backendV6Data: undefined }));
    const changed = { ...vtepData, VtepMAC: 'c6:d2:32:6f:8f:45' };
    assert.ok(!sameAttributes(vxlan, { ...vxlan, backendData: changed }));
    assert.ok(!sameAttributes(vxlan, { ...vxlan, publicIp: '192.168.64.4' as Ipv4 }));
    assert.ok(!sameAttributes(vxlan, { ...vxlan, publicIpv6: 'fd00::1' as Ipv6 }));
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(attributes, (value) => {
        const text = encodeLeaseValue(value);
        const result = decodeLeaseValue(text);
        assert.ok(result.ok);
        assert.ok(sameAttributes(result.attributes, value));
        assert.deepEqual(result.attributes, JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('never throws, and can write whatever it accepts', function () {
    this.timeout(20_000);
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, (value) => {
        const result = decodeLeaseValue(value);
        if (result.ok) assert.deepEqual(decodeLeaseValue(encodeLeaseValue(result.attributes)), result);
      }),
    );
  });
});
