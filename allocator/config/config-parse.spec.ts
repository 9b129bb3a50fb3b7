import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { formatConfigIssue } from './config.ts';
import type { ConfigIssue } from './config.ts';
import { parseNetworkConfig } from './config-parse.ts';
import { networkConfigSchema } from './config-schema.ts';
import type { NetworkConfig } from './config.ts';

const matchesSchema = new Ajv2020({ allowUnionTypes: true, strictTypes: false }).compile(networkConfigSchema);
const VXLAN = { Type: 'vxlan' };

function accept(text: string): { config: NetworkConfig; warnings: readonly ConfigIssue[] } {
  const result = parseNetworkConfig(text);
  assert.ok(result.ok, result.ok ? '' : result.issues.map(formatConfigIssue).join('\n'));
  return result;
}

function refuse(text: string): readonly ConfigIssue[] {
  const result = parseNetworkConfig(text);
  assert.ok(!result.ok, 'the document was accepted');
  return result.issues;
}

/** The path and severity of each issue, as one line each. */
function outline(issues: readonly ConfigIssue[]): string[] {
  return issues.map(({ severity, path }) => `${severity} ${path}`);
}

describe('parseNetworkConfig', () => {
  describe('derives the range of', () => {
    const ipv4 = [
      [{ Network: '10.3.0.0/16' }, 24, '10.3.1.0', '10.3.255.0'],
      [{ Network: '10.5.0.0/22' }, 24, '10.5.1.0', '10.5.3.0'],
      [{ Network: '10.5.0.0/23' }, 25, '10.5.0.128', '10.5.1.128'],
      [{ Network: '10.5.0.0/24' }, 26, '10.5.0.64', '10.5.0.192'],
      [{ Network: '10.5.0.0/28' }, 30, '10.5.0.4', '10.5.0.12'],
      [{ Network: '10.0.0.0/8' }, 24, '10.0.1.0', '10.255.255.0'],
      [{ Network: '126.0.0.0/8' }, 24, '126.0.1.0', '126.255.255.0'],
      [{ Network: '223.0.0.0/8' }, 24, '223.0.1.0', '223.255.255.0'],
      [{ Network: '10.5.0.0/16', SubnetLen: 18 }, 18, '10.5.64.0', '10.5.192.0'],
      [{ Network: '10.5.0.0/16', SubnetLen: 30 }, 30, '10.5.0.4', '10.5.255.252'],
      [{ Network: '10.5.0.0/16', SubnetLen: 0 }, 24, '10.5.1.0', '10.5.255.0'],
      [{ Network: '10.5.0.0/16', SubnetLen: null }, 24, '10.5.1.0', '10.5.255.0'],
      [{ Network: '10.5.0.0/16', SubnetMin: '10.5.0.0' }, 24, '10.5.0.0', '10.5.255.0'],
      [{ Network: '10.5.0.0/16', SubnetMin: '0.0.0.0' }, 24, '10.5.1.0', '10.5.255.0'],
      [{ Network: '10.5.0.0/16', SubnetMin: '10.5.9.0', SubnetMax: '10.5.9.0' }, 24, '10.5.9.0', '10.5.9.0'],
      [{ Network: '10.5.0.0/16', SubnetMax: '10.5.1.0' }, 24, '10.5.1.0', '10.5.1.0'],
    ] as const;
    for (const [fields, subnetLength, min, max] of ipv4)
      it(JSON.stringify(fields), () => {
        const document = { ...fields, Backend: VXLAN };
        const range = accept(JSON.stringify(document)).config.ipv4;
        assert.deepEqual({ ...range, network: 0 }, { network: 0, subnetLength, min, max });
        assert.ok(matchesSchema(document), JSON.stringify(matchesSchema.errors));
      });

    const ipv6 = [
      [{ IPv6Network: 'fd00::/48' }, 64, 'fd00:0:0:1::', 'fd00:0:0:ffff::'],
      [{ IPv6Network: 'FD00:0:0::/48' }, 64, 'fd00:0:0:1::', 'fd00:0:0:ffff::'],
      [{ IPv6Network: 'fd00::/62' }, 64, 'fd00:0:0:1::', 'fd00:0:0:3::'],
      [{ IPv6Network: 'fd00::/63' }, 65, 'fd00::8000:0:0:0', 'fd00:0:0:1:8000::'],
      [{ IPv6Network: 'fd00::/124' }, 126, 'fd00::4', 'fd00::c'],
      [{ IPv6Network: 'fd00::/48', IPv6SubnetLen: 56 }, 56, 'fd00:0:0:100::', 'fd00:0:0:ff00::'],
      [
        { IPv6Network: 'fd00::/48', IPv6SubnetMin: null, IPv6SubnetMax: null },
        64,
        'fd00:0:0:1::',
        'fd00:0:0:ffff::',
      ],
      [{ IPv6Network: 'fd00::/48', IPv6SubnetMin: '::' }, 64, 'fd00:0:0:1::', 'fd00:0:0:ffff::'],
      [
        { IPv6Network: 'fd00::/48', IPv6SubnetMin: 'fd00::', IPv6SubnetMax: 'fd00:0:0:7::' },
        64,
        'fd00::',
        'fd00:0:0:7::',
      ],
    ] as const;
    for (const [fields, subnetLength, min, max] of ipv6)
      it(JSON.stringify(fields), () => {
        const document = { EnableIPv4: false, EnableIPv6: true, ...fields, Backend: VXLAN };
        const range = accept(JSON.stringify(document)).config.ipv6;
        assert.deepEqual({ ...range, network: 0 }, { network: 0, subnetLength, min, max });
        assert.ok(matchesSchema(document), JSON.stringify(matchesSchema.errors));
      });
  });

  describe('takes', () => {
    it('a document with nothing but what is needed', () => {
      assert.deepEqual(accept('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'), {
        ok: true,
        warnings: [],
        config: {
          ipv4: { network: '10.5.0.0/16', subnetLength: 24, min: '10.5.1.0', max: '10.5.255.0' },
          backend: {
            type: 'vxlan',
            vni: 1,
            learning: false,
            gbp: false,
            directRouting: false,
            userspace: 'auto',
            txChecksumOffload: 'auto',
          },
          isBackendDefaulted: false,
        },
      });
    });

    it('every field of vxlan', () => {
      const Backend = {
        Type: 'vxlan',
        VNI: 9_999_999,
        Port: 4789,
        MTU: 9000,
        Learning: true,
        GBP: true,
        DirectRouting: true,
      };
      const document = { Network: '10.5.0.0/16', EnableNFTables: true, Backend };
      const { config } = accept(JSON.stringify(document));
      assert.equal(config.enableNftables, true);
      assert.deepEqual(config.backend, {
        type: 'vxlan',
        vni: 9_999_999,
        port: 4789,
        mtu: 9000,
        learning: true,
        gbp: true,
        directRouting: true,
        userspace: 'auto',
        txChecksumOffload: 'auto',
      });
      assert.ok(matchesSchema(document));
    });

    it('both families, with the bounds that IPv6 brings', () => {
      const Backend = { Type: 'vxlan', VNI: 9999, MTU: 1350 };
      const document = { Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48', Backend };
      const { config } = accept(JSON.stringify(document));
      assert.deepEqual([config.ipv4?.network, config.ipv6?.network], ['10.5.0.0/16', 'fd00::/48']);
      assert.ok(matchesSchema(document));
    });

    it('names and backend types in any letter case', () => {
      const { config, warnings } = accept('{"network":"10.5.0.0/16","BACKEND":{"tYPE":"Host-GW"}}');
      assert.deepEqual(config.backend, { type: 'host-gw' });
      assert.deepEqual(warnings, []);
    });

    for (const [fields, port, mtu] of [
      [{}, 8285, undefined],
      [{ Port: null, MTU: null }, 8285, undefined],
      [{ Port: 1, MTU: 118 }, 1, 118],
      [{ pORT: 65_535, mtu: 9000 }, 65_535, 9000],
    ] as const)
      it(`udp with ${JSON.stringify(fields)}`, () => {
        const document = { Network: '10.5.0.0/16', Backend: { Type: 'udp', ...fields } };
        const { config, warnings } = accept(JSON.stringify(document));
        assert.deepEqual(config.backend, { type: 'udp', port, ...(mtu && { mtu }), userspace: 'auto' });
        assert.deepEqual(warnings, []);
      });

    it('udp in both families, with the MTU that IPv6 needs', () => {
      const Backend = { Type: 'udp', MTU: 1328 };
      const document = { Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48', Backend };
      assert.deepEqual(accept(JSON.stringify(document)).config.backend, {
        type: 'udp',
        port: 8285,
        mtu: 1328,
        userspace: 'auto',
      });
      assert.ok(matchesSchema(document));
    });

    for (const [text, userspace] of [
      ['"Userspace":true', true],
      ['"userSPACE":true', true],
      ['"Userspace":false', false],
      ['"Userspace":"auto"', 'auto'],
      ['"Userspace":null', 'auto'],
    ] as const)
      it(`VXLAN with ${text}`, () => {
        const { config } = accept(`{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan",${text}}}`);
        assert.ok(config.backend.type === 'vxlan');
        assert.equal(config.backend.userspace, userspace);
      });

    for (const Type of ['host-gw', 'alloc'])
      it(`the backend ${Type}`, () => {
        const document = { Network: '10.5.0.0/16', Backend: { Type } };
        assert.deepEqual(accept(JSON.stringify(document)).config.backend, { type: Type });
        assert.ok(matchesSchema(document));
      });

    it('null for unset, where flannel does', () => {
      const Backend = {
        Type: 'vxlan',
        VNI: null,
        Port: null,
        MTU: null,
        Learning: null,
        GBP: null,
        DirectRouting: null,
      };
      const document = {
        Network: '10.5.0.0/16',
        EnableIPv4: null,
        EnableIPv6: null,
        EnableNFTables: null,
        Backend,
      };
      const { config } = accept(JSON.stringify(document));
      assert.deepEqual(config.backend, {
        type: 'vxlan',
        vni: 1,
        learning: false,
        gbp: false,
        directRouting: false,
        userspace: 'auto',
        txChecksumOffload: 'auto',
      });
      assert.ok(matchesSchema(document));
    });

    it('port 0 for the default of the kernel', () => {
      const { config } = accept('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":0}}');
      assert.ok(config.backend.type === 'vxlan' && config.backend.port === undefined);
    });

    it('a network of a family that is off, and ignores it', () => {
      const { config } = accept('{"Network":"10.5.0.0/16","IPv6Network":"::/0","Backend":{"Type":"alloc"}}');
      assert.equal(config.ipv6, undefined);
    });

    it('freezes the result', () => {
      const { config } = accept('{"Network":"10.5.0.0/16"}');
      assert.ok(Object.isFrozen(config) && Object.isFrozen(config.ipv4) && Object.isFrozen(config.backend));
      assert.throws(() => Object.assign(config.backend, { type: 'alloc' }), TypeError);
    });
  });

  describe('warns of', () => {
    const warned = [
      ['a missing backend, and takes vxlan', '{"Network":"10.5.0.0/16"}', '/Backend', 'udp'],
      [
        'host bits, and masks them',
        '{"Network":"10.3.4.5/16","Backend":{"Type":"vxlan"}}',
        '/Network',
        '10.3.0.0/16',
      ],
      [
        'an unknown field',
        '{"Netwrok":1,"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
        '/Netwrok',
        'did you mean Network?',
      ],
      [
        'a name like no other',
        '{"x/y~z":1,"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
        '/x~1y~0z',
        'remove it',
      ],
      [
        'a field of Backend outside',
        '{"VNI":1,"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
        '/VNI',
        'inside Backend',
      ],
      [
        'a field inside Backend that belongs outside',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","SubnetLen":24}}',
        '/Backend/SubnetLen',
        'outside Backend',
      ],
      [
        'an unknown field in Backend',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","directroutin":true}}',
        '/Backend/directroutin',
        'DirectRouting',
      ],
      [
        'a field of another backend',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw","VNI":1}}',
        '/Backend/VNI',
        'host-gw',
      ],
      [
        'a field of vxlan on udp',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"udp","Port":8285,"DirectRouting":true}}',
        '/Backend/DirectRouting',
        'the backend udp',
      ],
      [
        'Learning in userspace',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Userspace":true,"Learning":true}}',
        '/Backend/Learning',
        'Userspace',
      ],
      [
        'GBP in userspace',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Userspace":true,"gbp":true,"Learning":false}}',
        '/Backend/gbp',
        'Userspace',
      ],
      [
        'a field for Windows',
        '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MacPrefix":"0E-2A"}}',
        '/Backend/MacPrefix',
        'Windows',
      ],
    ] as const;
    for (const [name, text, path, part] of warned)
      it(name, () => {
        const { warnings } = accept(text);
        assert.deepEqual(outline(warnings), [`warning ${path}`]);
        assert.ok(warnings[0]?.message.includes(part), warnings[0]?.message);
      });

    it('a repeated field, and takes the last', () => {
      const { config, warnings } = accept('{"Network":7,"network":"10.6.0.0/16","Backend":{"Type":"vxlan"}}');
      assert.equal(config.ipv4?.network, '10.6.0.0/16');
      assert.deepEqual(outline(warnings), ['warning /network']);
    });

    it('an implied backend in the config too', () => {
      assert.equal(accept('{"Network":"10.5.0.0/16"}').config.isBackendDefaulted, true);
      assert.equal(
        accept('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}').config.isBackendDefaulted,
        false,
      );
    });
  });

  describe('refuses', () => {
    const net = '"Network":"10.5.0.0/16"';
    const backend = (fields: string): string => `{${net},"Backend":{${fields}}}`;
    const ipv6 = (fields: string): string => `{${net},"EnableIPv6":true,"IPv6Network":"fd00::/48",${fields}}`;
    const only6 = (network: string): string =>
      `{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"${network}"}`;
    const refused: readonly (readonly [string, string, string])[] = [
      ['no network', '{}', '/Network'],
      ['no network, IPv4 on by hand', '{"EnableIPv4":true}', '/Network'],
      ['a null network', '{"Network":null}', '/Network'],
      ['an empty network', '{"Network":""}', '/Network'],
      ['all addresses', '{"Network":"0.0.0.0/0"}', '/Network'],
      ...[
        '0.0.0.0/1',
        '10.0.0.0/1',
        '128.0.0.0/1',
        '64.0.0.0/3',
        '10.0.0.0/7',
        '0.0.0.0/8',
        '127.0.0.0/16',
        '127.99.0.0/24',
        '169.254.0.0/16',
        '169.252.0.0/14',
        '224.0.0.0/4',
        '239.1.0.0/16',
        '240.0.0.0/8',
        '255.255.255.0/24',
      ].map((special) => [`the network ${special}`, `{"Network":"${special}"}`, '/Network'] as const),
      ...[
        '::/1',
        '::/64',
        '::1/120',
        '::ffff:0:0/96',
        'fc00::/6',
        'fe80::/10',
        'fe80::/64',
        'fe00::/7',
        'ff00::/8',
        'ff02::/64',
      ].map((special) => [`the network ${special}`, only6(special), '/IPv6Network'] as const),
      ['an IPv6 network in Network', '{"Network":"fd00::/48"}', '/Network'],
      ['a network without length', '{"Network":"10.5.0.0"}', '/Network'],
      ['a network with spaces', '{"Network":" 10.5.0.0/16"}', '/Network'],
      ['a zero-padded octet', '{"Network":"10.05.0.0/16"}', '/Network'],
      ['a zero-padded length', '{"Network":"10.5.0.0/016"}', '/Network'],
      ['a short form', '{"Network":"10.5/16"}', '/Network'],
      ['a number for the network', '{"Network":10}', '/Network'],
      ['a small network', '{"Network":"10.5.0.0/29"}', '/Network'],
      ['a small network with length', '{"Network":"10.5.0.0/29","SubnetLen":30}', '/Network'],
      [
        'a bad network though IPv4 is off',
        '{"Network":"x","EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48"}',
        '/Network',
      ],
      ['subnets nearly as large as the network', `{${net},"SubnetLen":17}`, '/SubnetLen'],
      ['subnets as large as the network', `{${net},"SubnetLen":16}`, '/SubnetLen'],
      ['subnets too small', `{${net},"SubnetLen":31}`, '/SubnetLen'],
      ['a negative length', `{${net},"SubnetLen":-1}`, '/SubnetLen'],
      ['minus zero', `{${net},"SubnetLen":-0}`, '/SubnetLen'],
      ['a length with fraction', `{${net},"SubnetLen":24.0}`, '/SubnetLen'],
      ['a length with exponent', `{${net},"SubnetLen":24e0}`, '/SubnetLen'],
      ['a length in quotes', `{${net},"SubnetLen":"24"}`, '/SubnetLen'],
      ['an empty SubnetMin', `{${net},"SubnetMin":""}`, '/SubnetMin'],
      ['a null SubnetMin', `{${net},"SubnetMin":null}`, '/SubnetMin'],
      ['a null SubnetMax', `{${net},"SubnetMax":null}`, '/SubnetMax'],
      ['an IPv6 SubnetMin', `{${net},"SubnetMin":"fd00::"}`, '/SubnetMin'],
      ['SubnetMin with a length', `{${net},"SubnetMin":"10.5.1.0/24"}`, '/SubnetMin'],
      ['SubnetMin outside', `{${net},"SubnetMin":"10.6.0.0"}`, '/SubnetMin'],
      ['SubnetMax outside', `{${net},"SubnetMax":"10.6.0.0"}`, '/SubnetMax'],
      ['SubnetMin inside a subnet', `{${net},"SubnetMin":"10.5.1.7"}`, '/SubnetMin'],
      ['SubnetMax at the end of a subnet', `{${net},"SubnetMax":"10.5.9.255"}`, '/SubnetMax'],
      ['Min above Max', `{${net},"SubnetMin":"10.5.9.0","SubnetMax":"10.5.8.0"}`, '/SubnetMax'],
      ['Max below the default Min', `{${net},"SubnetMax":"10.5.0.0"}`, '/SubnetMax'],
      ['both families off', `{${net},"EnableIPv4":false}`, '/EnableIPv4'],
      ['a word for a boolean', `{${net},"EnableIPv6":"true"}`, '/EnableIPv6'],
      ['a number for a boolean', `{${net},"EnableNFTables":1}`, '/EnableNFTables'],
      ['IPv6 without network', `{${net},"EnableIPv6":true}`, '/IPv6Network'],
      ['a bad IPv6 network though IPv6 is off', `{${net},"IPv6Network":"fd00::"}`, '/IPv6Network'],
      ['a null IPv6 network', `{${net},"IPv6Network":null}`, '/IPv6Network'],
      ['IPv4 in IPv6Network', `{${net},"IPv6Network":"10.0.0.0/8"}`, '/IPv6Network'],
      ['a zone', `{${net},"IPv6Network":"fe80::%1/64"}`, '/IPv6Network'],
      ['all IPv6 addresses', only6('::/0'), '/IPv6Network'],
      ['a small IPv6 network', only6('fd00::/125'), '/IPv6Network'],
      ['IPv6 subnets too small', ipv6('"IPv6SubnetLen":127'), '/IPv6SubnetLen'],
      ['IPv6 subnets too large', ipv6('"IPv6SubnetLen":49'), '/IPv6SubnetLen'],
      ['an empty IPv6SubnetMin', ipv6('"IPv6SubnetMin":""'), '/IPv6SubnetMin'],
      ['IPv6SubnetMin outside', ipv6('"IPv6SubnetMin":"fd01::"'), '/IPv6SubnetMin'],
      ['IPv6SubnetMax inside a subnet', ipv6('"IPv6SubnetMax":"fd00:0:0:1::1"'), '/IPv6SubnetMax'],
      [
        'IPv6 Min above Max',
        ipv6('"IPv6SubnetMin":"fd00:0:0:9::","IPv6SubnetMax":"fd00:0:0:8::"'),
        '/IPv6SubnetMax',
      ],
      ['a null backend', `{${net},"Backend":null}`, '/Backend'],
      ['a word for the backend', `{${net},"Backend":"vxlan"}`, '/Backend'],
      ['a list for the backend', `{${net},"Backend":[]}`, '/Backend'],
      ['a backend without type', backend(''), '/Backend/Type'],
      ['an empty type', backend('"Type":""'), '/Backend/Type'],
      ['a null type', backend('"Type":null'), '/Backend/Type'],
      ['a number for the type', backend('"Type":1'), '/Backend/Type'],
      ['an unknown type', backend('"Type":"vxlna"'), '/Backend/Type'],
      ['VNI 0', backend('"Type":"vxlan","VNI":0'), '/Backend/VNI'],
      ['a VNI of 25 bits', backend('"Type":"vxlan","VNI":16777216'), '/Backend/VNI'],
      ['a VNI too long for the device name', backend('"Type":"vxlan","VNI":10000000'), '/Backend/VNI'],
      ['a VNI in quotes', backend('"Type":"vxlan","VNI":"1"'), '/Backend/VNI'],
      ['a VNI beyond exact numbers', backend('"Type":"vxlan","VNI":1e400'), '/Backend/VNI'],
      ['a VNI too long for the IPv6 device', ipv6('"Backend":{"Type":"vxlan","VNI":10000}'), '/Backend/VNI'],
      ['a port of 17 bits', backend('"Type":"vxlan","Port":65536'), '/Backend/Port'],
      ['a negative port', backend('"Type":"vxlan","Port":-1'), '/Backend/Port'],
      ['MTU 0', backend('"Type":"vxlan","MTU":0'), '/Backend/MTU'],
      ['an MTU too small for IPv4', backend('"Type":"vxlan","MTU":117'), '/Backend/MTU'],
      ['an MTU too large', backend('"Type":"vxlan","MTU":65536'), '/Backend/MTU'],
      ['an MTU too small for IPv6', ipv6('"Backend":{"Type":"vxlan","MTU":1349}'), '/Backend/MTU'],
      ['udp on port 0', backend('"Type":"udp","Port":0'), '/Backend/Port'],
      ['udp on a port of 17 bits', backend('"Type":"udp","Port":65536'), '/Backend/Port'],
      ['a udp port in quotes', backend('"Type":"udp","Port":"8285"'), '/Backend/Port'],
      ['an MTU too small for udp', backend('"Type":"udp","MTU":117'), '/Backend/MTU'],
      ['an MTU too small for udp over IPv6', ipv6('"Backend":{"Type":"udp","MTU":1327}'), '/Backend/MTU'],
      ['a word for Userspace', backend('"Type":"vxlan","Userspace":"x"'), '/Backend/Userspace'],
      ['a number for Userspace', backend('"Type":"vxlan","Userspace":1'), '/Backend/Userspace'],
      ['an object for Userspace', backend('"Type":"vxlan","Userspace":{}'), '/Backend/Userspace'],
      [
        'a boolean for TxChecksumOffload',
        backend('"Type":"vxlan","TxChecksumOffload":false'),
        '/Backend/TxChecksumOffload',
      ],
      [
        'a word for TxChecksumOffload',
        backend('"Type":"vxlan","TxChecksumOffload":"x"'),
        '/Backend/TxChecksumOffload',
      ],
      ['a number for a vxlan switch', backend('"Type":"vxlan","DirectRouting":1'), '/Backend/DirectRouting'],
    ];
    for (const [name, text, path] of refused)
      it(`${name}: ${text}`, () => {
        const errors = refuse(text).filter(({ severity }) => severity === 'error');
        assert.deepEqual(outline(errors), [`error ${path}`]);
      });

    for (const type of ['frobnicate'])
      it(`the backend ${type}, naming what there is, and keeps its secrets`, () => {
        const issues = refuse(backend(`"Type":"${type}","PSK":"topsecret","Port":"x"`));
        assert.deepEqual(outline(issues), ['error /Backend/Type']);
        const line = issues.map(formatConfigIssue).join('');
        assert.ok(line.includes('must be vxlan, host-gw, udp, wireguard, alloc'), line);
        assert.ok(!line.includes('topsecret'));
      });

    it('never shows a secret, whatever is wrong with it', () => {
      const short = refuse(backend('"Type":"ipsec","PSK":"topsecret"'));
      assert.deepEqual(outline(short), ['error /Backend/PSK']);
      assert.ok(!short.map(formatConfigIssue).join('').includes('topsecret'));
      const issues = refuse(backend('"Type":"tencent-vpc","AccessKeySecret":["topsecret"]'));
      assert.deepEqual(outline(issues), ['error /Backend/AccessKeySecret']);
      assert.ok(!issues.map(formatConfigIssue).join('').includes('topsecret'));
    });

    it('never shows the value of a field it does not know', () => {
      const { warnings } = accept(backend('"Type":"vxlan","PSK":"topsecret"'));
      assert.deepEqual(outline(warnings), ['warning /Backend/PSK']);
      assert.ok(!warnings.map(formatConfigIssue).join('').includes('topsecret'));
    });

    const remedies = [
      [backend('"Type":"vxlna"'), 'did you mean vxlan?'],
      [`{${net},"SubnetMin":"10.5.1.7"}`, 'write 10.5.1.0'],
      [`{${net},"SubnetLen":17}`, '18..30'],
      [backend('"Type":"vxlan","VNI":0'), '1..9999999'],
      [ipv6('"Backend":{"Type":"vxlan","VNI":10000}'), '1..9999 '],
      [backend('"Type":"vxlan","MTU":0'), '118..65535'],
      [backend('"Type":"vxlan","Userspace":"true"'), 'did you mean true without quotes?'],
      [backend('"Type":"vxlan","Userspace":"False"'), 'did you mean false without quotes?'],
      [backend('"Type":"vxlan","Userspace":"AUTO"'), 'did you mean "auto"?'],
      [backend('"Type":"vxlan","Userspace":"sometimes"'), 'must be true, false or "auto"'],
      [backend('"Type":"vxlan","TxChecksumOffload":false'), 'did you mean "off"?'],
      [backend('"Type":"vxlan","TxChecksumOffload":"Of"'), 'must be "auto", "on" or "off": did you mean'],
      [backend('"Type":"upd"'), 'did you mean udp?'],
      [backend('"Type":"udp","Port":0'), '1..65535'],
      [ipv6('"Backend":{"Type":"udp","MTU":1327}'), 'UDP takes 48 bytes'],
      ['{}', 'EnableIPv4 to false'],
    ] as const;
    for (const [text, remedy] of remedies)
      it(`${text} and says "${remedy}"`, () => {
        const [error] = refuse(text).filter(({ severity }) => severity === 'error');
        assert.ok(error?.message.includes(remedy), error?.message);
      });
  });

  describe('reports', () => {
    it('all problems at once, in the order of the text, with line, column, path and value', () => {
      const text = [
        '{',
        '  "Network": "10.05.0.0/16", // own',
        '\t"subnetlen": 31,',
        '  "Extra": 1,',
        '  "Backend": {"Type": "vxlan", "VNI": 0, "Port": "x",}',
        '}',
      ].join('\r\n');
      const found = refuse(text).map(({ line, column, severity, path, value }) => [
        `${line}:${column}`,
        severity,
        path,
        value,
      ]);
      assert.deepEqual(found, [
        ['2:14', 'error', '/Network', '"10.05.0.0/16"'],
        ['2:30', 'error', '', undefined],
        ['3:15', 'error', '/subnetlen', '31'],
        ['4:3', 'warning', '/Extra', undefined],
        ['5:39', 'error', '/Backend/VNI', '0'],
        ['5:50', 'error', '/Backend/Port', '"x"'],
        ['5:54', 'error', '', undefined],
      ]);
    });

    it('a missing field at its object', () => {
      const [issue] = refuse('{"Network":"10.5.0.0/16",\n"Backend": {}}');
      assert.deepEqual(
        [issue?.line, issue?.column, issue?.path, issue?.value],
        [2, 12, '/Backend/Type', undefined],
      );
    });

    it('an issue as one line', () => {
      const [issue] = refuse('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":70000}}');
      assert.equal(
        issue && formatConfigIssue(issue),
        "line 1, column 59: error: /Backend/Port (70000) must be a whole number 0..65535, digits only and without quotes (a UDP port has 16 bits, and 0 stands for the kernel's default, 8472)",
      );
    });
  });

  describe('reads strict JSON only', () => {
    const refused = [
      ['', '1:1', 'empty'],
      [' \n ', '2:2', 'empty'],
      ['null', '1:1', 'object'],
      ['[]', '1:1', 'object'],
      ['"x"', '1:1', 'object'],
      ['{"Network":"10.5.0.0/16"', '1:25', 'closing }'],
      ['{"Network":"10.5.0.0/16"} x', '1:27', 'after its end'],
      ['{"Network":"10.5.0.0/16"}{}', '1:26', 'after its end'],
      ['{"Network":"10.5.0.0/16",}', '1:26', 'comma before }'],
      ['{"Network" "10.5.0.0/16"}', '1:12', 'colon'],
      ['{"a":1 "b":2}', '1:8', 'comma between'],
      ['{"a":01}', '1:7', 'leading zeros'],
      ["{'a':1}", '1:2', 'double quotes'],
      ['{a:1}', '1:2', 'double quotes'],
      ['{"a":True}', '1:6', 'true, false and null'],
      ['{"a":"x}', '1:6', 'closing double quote'],
      [String.raw`{"a":"\x"}`, '1:6', String.raw`\\`],
      ['{"a":"\u0001"}', '1:6', 'control character'],
      ['/* x */ {"Network":"10.5.0.0/16"}', '1:1', 'comment'],
      ['\uFEFF{"Network":"10.5.0.0/16"}', '1:1', 'byte order mark'],
      [String.raw`{\"Network\":\"10.5.0.0/16\"}`, '1:2', 'backslash outside of a string'],
      [String.raw`{"Network":\"10.5.0.0/16"}`, '1:12', 'backslash outside of a string'],
      ['\\{"Network":"10.5.0.0/16"}', '1:1', 'backslash outside of a string'],
      ['{\u00A0"Network":"10.5.0.0/16"}', '1:2', 'no-break space'],
      ['{"Network":\u00A0"10.5.0.0/16"}', '1:12', 'no-break space'],
      ['{"Network":"10.5.0.0/16",\u200B"EnableIPv6":true}', '1:26', 'U+200B'],
      ['{“Network”:"10.5.0.0/16"}', '1:2', 'typographic quote “'],
      ['{"Network":”10.5.0.0/16”}', '1:12', 'typographic quote ”'],
      ['\'{"Network":"10.5.0.0/16"}\'', '1:1', 'single quote'],
      ['{"Network":\'10.5.0.0/16\'}', '1:12', 'single quote'],
      ['{"Network":`10.5.0.0/16`}', '1:12', 'backquote'],
      [Buffer.from('{"Network":"10.5.0.0/16"}', 'utf16le').toString(), '1:1', 'UTF-16'],
      [Buffer.from('\uFEFF{"Network":"10.5.0.0/16"}', 'utf16le').toString(), '1:1', 'UTF-16'],
      [Buffer.from('\uFEFF{"Network":"10.5.0.0/16"}', 'utf16le').swap16().toString(), '1:1', 'UTF-16'],
      [Buffer.from('{\xA0"Network":"10.5.0.0/16"}', 'latin1').toString(), '1:2', 'not UTF-8'],
      ['Network: 10.5.0.0/16\nBackend:\n  Type: vxlan\n', '1:1', 'YAML'],
      ['---\nNetwork: 10.5.0.0/16\n', '1:1', 'YAML'],
      ['NETWORK=10.5.0.0/16\n', '1:1', 'KEY=VALUE'],
      [JSON.stringify('{"Network":"10.5.0.0/16"}'), '1:1', 'remove the quotes around it and the backslashes'],
      ['<html></html>', '1:1', 'HTML'],
      ['{"Network"="10.5.0.0/16"}', '1:11', 'colon'],
      ['{"Network":"10.5.0.0/16";"EnableIPv6":true}', '1:25', 'semicolon'],
      ['{# the network\n"Network":"10.5.0.0/16"}', '1:2', 'comment'],
      ['{"Network"："10.5.0.0/16"}', '1:11', 'full-width'],
      ['['.repeat(50_000), '1:17', 'nests'],
      ['{"a":'.repeat(10_000), '1:81', 'nests'],
      [`{"a":"${'x'.repeat(70_000)}"}`, '1:1', '65536'],
    ] as const;
    for (const [text, at, part] of refused)
      it(`and says "${part}" of ${JSON.stringify(text.slice(0, 40))}`, () => {
        const [issue] = refuse(text).filter(({ severity }) => severity === 'error');
        assert.ok(issue);
        assert.equal(`${issue.line}:${issue.column}`, at);
        assert.ok(issue.message.includes(part), issue.message);
      });

    it('never throws, and accepts nothing that JSON.parse rejects', function () {
      this.timeout(20_000);
      const token = fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"Network"',
        '"10.5.0.0/16"',
        '0',
        '1',
        'null',
        ' ',
        '/',
        '*',
        '"',
        '\\',
        '\n',
      );
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.array(token).map((tokens) => tokens.join('')),
      );
      fc.assert(
        fc.property(text, (value) => {
          if (parseNetworkConfig(value).ok) JSON.parse(value);
        }),
        { numRuns: 500 },
      );
    });

    it('accepts every document that JSON.stringify writes of good fields, in any layout', () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4 }), fc.constantFrom('', '\n', '\r\n\t'), (indent, tail) => {
          const document = { Network: '10.5.0.0/16', Backend: VXLAN };
          assert.deepEqual(accept(JSON.stringify(document, null, indent) + tail).warnings, []);
        }),
      );
    });
  });

  it('names the faults of a backend whose type is misspelled together with it', () => {
    const result = parseNetworkConfig(
      '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlna","VNI":0,"DirectRouteing":true}}',
    );
    assert.ok(!result.ok);
    assert.deepEqual(
      result.issues.map(({ path }) => path),
      ['/Backend/Type', '/Backend/VNI', '/Backend/DirectRouteing'],
    );
  });
});
