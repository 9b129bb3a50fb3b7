import assert from 'node:assert/strict';
import { parseMac } from '../lib/address.ts';
import { ip4 } from './fixture.ts';
import { formatVxlanData, isUnicastMac, parseVxlanData } from './vxlan-backend-data.ts';
import { deriveVtepMac, stableVtepMac } from './vtep-mac.ts';

const MAC = 'c6:d2:32:6f:8f:44';

describe('VXLAN data', () => {
  it('is published exactly as flannel does', () => {
    const mac = parseMac(MAC);
    assert.ok(mac);
    assert.equal(JSON.stringify(formatVxlanData(1, mac)), `{"VNI":1,"VtepMAC":"${MAC}"}`);
  });

  const good: readonly [string, string, number | undefined][] = [
    ['flannel', `{"VNI":1,"VtepMAC":"${MAC}"}`, 1],
    ['other order, more members', `{"x":[],"VtepMAC":"${MAC}","VNI":16777215}`, 16777215],
    ['any letter case', `{"vni":7,"vtepmac":"${MAC}"}`, 7],
    ['dashes, upper case', '{"VNI":1,"VtepMAC":"C6-D2-32-6F-8F-44"}', 1],
    ['dotted', '{"VNI":1,"VtepMAC":"c6d2.326f.8f44"}', 1],
    ['without VNI', `{"VtepMAC":"${MAC}"}`, undefined],
  ];
  for (const [name, text, vni] of good)
    it(`parses: ${name}`, () => {
      const expected = vni === undefined ? { mac: MAC } : { vni, mac: MAC };
      assert.deepEqual(parseVxlanData(JSON.parse(text)), { ok: true, data: expected });
    });

  const bad: readonly [string, string][] = [
    ['null', 'no VXLAN data'],
    ['"x"', '"x"'],
    ['[]', '[]'],
    ['{}', 'missing'],
    [`{"VNI":0,"VtepMAC":"${MAC}"}`, '0'],
    [`{"VNI":16777216,"VtepMAC":"${MAC}"}`, '16777216'],
    [`{"VNI":1.5,"VtepMAC":"${MAC}"}`, '1.5'],
    [`{"VNI":"1","VtepMAC":"${MAC}"}`, '"1"'],
    ['{"VNI":1,"VtepMAC":5}', '5'],
    ['{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f"}', '"c6:d2:32:6f:8f"'],
    ['{"VNI":1,"VtepMAC":"01:00:5e:00:00:01"}', '01:00:5e:00:00:01'],
    ['{"VNI":1,"VtepMAC":"00:00:00:00:00:00"}', '00:00:00:00:00:00'],
    ['{"VNI":1,"VtepMAC":"ff:ff:ff:ff:ff:ff"}', 'ff:ff:ff:ff:ff:ff'],
  ];
  for (const [text, value] of bad)
    it(`refuses ${text} and names ${value}`, () => {
      const result = parseVxlanData(JSON.parse(text));
      assert.ok(!result.ok);
      assert.ok(result.reason.includes(value), result.reason);
    });

  it('shows only the beginning of a huge value', () => {
    const result = parseVxlanData({ VNI: 1, VtepMAC: 'x'.repeat(100_000) });
    assert.ok(!result.ok && result.reason.length < 200);
  });
});

describe('VTEP MAC', () => {
  const identity = { publicIp: ip4('10.9.0.1'), vni: 1, family: 4 } as const;

  it('stays what peers already know', () => {
    assert.equal(stableVtepMac({ VNI: 9, VtepMAC: MAC }, identity), MAC);
  });

  for (const previous of [undefined, null, {}, { VtepMAC: '01:00:5e:00:00:01' }, { VtepMAC: 'nonsense' }])
    it(`is derived if the previous data is ${JSON.stringify(previous)}`, () => {
      assert.equal(stableVtepMac(previous, identity), deriveVtepMac(identity));
    });

  it('is the same in each run, unicast and locally administered', () => {
    // Fixed text: a release that derives another address would cut hosts off until their peers have
    // re-read them.
    assert.equal(deriveVtepMac(identity), '22:ed:5b:fd:bb:ae');
    for (let vni = 1; vni < 300; vni++) {
      const mac = deriveVtepMac({ ...identity, vni });
      assert.ok(isUnicastMac(mac));
      assert.equal(Number.parseInt(mac.slice(0, 2), 16) & 0b10, 0b10);
    }
  });

  it('differs by address, VNI and family', () => {
    const macs = [
      identity,
      { ...identity, publicIp: ip4('10.9.0.2') },
      { ...identity, vni: 2 },
      { ...identity, family: 6 as const },
    ].map((each) => deriveVtepMac(each));
    assert.equal(new Set(macs).size, 4);
  });
});
