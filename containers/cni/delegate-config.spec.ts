import assert from 'node:assert/strict';
import { CniError } from './cni-error.ts';
import { deriveDelegateConfig } from './delegate-config.ts';
import { parseHostSubnet } from './host-subnet.ts';
import { parseNetwork } from './network.ts';

const IPV4 = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n';
const IPV6 = 'FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:1::1/64\n';
const REST = 'FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';

function derive(config: object, subnetEnv = IPV4 + REST) {
  const network = parseNetwork(
    JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'weft-cni', ...config }),
  );
  return deriveDelegateConfig(network, parseHostSubnet(subnetEnv, 'subnet.env'));
}

const IPAM = {
  type: 'host-local',
  ranges: [[{ subnet: '10.5.72.0/24' }]],
  routes: [{ dst: '10.5.0.0/16', gw: '10.5.72.1' }],
};
const PLAIN = {
  cniVersion: '1.0.0',
  name: 'net',
  type: 'bridge',
  ipMasq: false,
  mtu: 1450,
  isGateway: true,
  ipam: IPAM,
};

describe('the config of the delegate', () => {
  const cases: readonly [string, object, string, object][] = [
    ['is a bridge on this host’s subnet', {}, IPV4 + REST, PLAIN],
    [
      'masquerades where the daemon does not',
      {},
      `${IPV4}FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n`,
      { ...PLAIN, ipMasq: true },
    ],
    [
      'has the settings of the operator',
      { delegate: { isDefaultGateway: true, hairpinMode: true, mtu: 1400, ipMasq: true, bridge: 'br9' } },
      IPV4 + REST,
      { ...PLAIN, isDefaultGateway: true, hairpinMode: true, mtu: 1400, ipMasq: true, bridge: 'br9' },
    ],
    [
      'is for another plugin',
      { delegate: { type: 'ptp' } },
      IPV4 + REST,
      { cniVersion: '1.0.0', name: 'net', type: 'ptp', ipMasq: false, mtu: 1450, ipam: IPAM },
    ],
    [
      'has a range and a route for each family',
      {},
      IPV4 + IPV6 + REST,
      {
        ...PLAIN,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '10.5.72.0/24' }], [{ subnet: 'fd00:0:0:1::/64' }]],
          routes: [
            { dst: '10.5.0.0/16', gw: '10.5.72.1' },
            { dst: 'fd00::/48', gw: 'fd00:0:0:1::1' },
          ],
        },
      },
    ],
    [
      'is for IPv6 alone',
      {},
      IPV6 + REST,
      {
        ...PLAIN,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: 'fd00:0:0:1::/64' }]],
          routes: [{ dst: 'fd00::/48', gw: 'fd00:0:0:1::1' }],
        },
      },
    ],
    [
      'keeps options and routes of ipam, but replaces its ranges',
      { ipam: { dataDir: '/x', ranges: [[{ subnet: '1.2.3.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] } },
      IPV4 + REST,
      {
        ...PLAIN,
        ipam: {
          ...IPAM,
          dataDir: '/x',
          routes: [{ dst: '0.0.0.0/0' }, { dst: '10.5.0.0/16', gw: '10.5.72.1' }],
        },
      },
    ],
    [
      'passes the runtime’s settings of a container',
      {
        delegate: { runtimeConfig: { mac: 'old' } },
        runtimeConfig: { mac: '02:00:00:00:00:01' },
        args: { cni: { ips: ['10.5.72.9'] } },
        dns: { nameservers: ['10.5.0.10'] },
      },
      IPV4 + REST,
      {
        ...PLAIN,
        runtimeConfig: { mac: '02:00:00:00:00:01' },
        args: { cni: { ips: ['10.5.72.9'] } },
        dns: { nameservers: ['10.5.0.10'] },
      },
    ],
  ];
  for (const [name, config, subnetEnv, expected] of cases)
    it(name, () => assert.deepEqual(derive(config, subnetEnv), expected));
});

describe('the parser of the network config', () => {
  const rejected: readonly [string, string, number, RegExp][] = [
    ['no JSON', '{', 6, /is not JSON/],
    ['no object', '[]', 6, /no JSON object/],
    ['a version of the future', '{"cniVersion":"2.0.0","name":"net"}', 1, /"2\.0\.0" is not supported/],
    ['a version that is no text', '{"cniVersion":1,"name":"net"}', 1, /1 is not supported/],
    ['no name', '{}', 7, /name is missing: give letters/],
    ['a name that is a path', '{"name":"../net"}', 7, /name is "\.\.\/net"/],
    [
      'a relative path',
      '{"name":"net","subnetFile":"subnet.env"}',
      7,
      /subnetFile is "subnet\.env": give an absolute/,
    ],
    ['a delegate that is a list', '{"name":"net","delegate":[]}', 7, /delegate is \[\]: give an object/],
    [
      'a plugin outside of CNI_PATH',
      '{"name":"net","delegate":{"type":"../sh"}}',
      7,
      /delegate\.type is "\.\.\/sh"/,
    ],
    [
      'a name for the delegate',
      '{"name":"net","delegate":{"name":"x"}}',
      7,
      /delegate\.name is set by weft-cni/,
    ],
    [
      'addresses for the delegate',
      '{"name":"net","delegate":{"ipam":{}}}',
      7,
      /delegate\.ipam .*beside "delegate"/,
    ],
    [
      'routes that are no list',
      '{"name":"net","ipam":{"routes":{}}}',
      7,
      /ipam\.routes is \{\}: give a list/,
    ],
    [
      'an attachment without a container',
      '{"name":"net","cni.dev/valid-attachments":[{"ifname":"eth0"}]}',
      7,
      /give containerID/,
    ],
  ];
  for (const [name, text, code, message] of rejected)
    it(`rejects ${name}`, () =>
      assert.throws(
        () => parseNetwork(text),
        (error: unknown) => {
          assert.ok(error instanceof CniError);
          assert.equal(error.cniCode, code);
          assert.match(error.message, message);
          return true;
        },
      ));

  it('defaults to the paths of flannel’s plugin', () => {
    const { subnetFile, dataDir, cniVersion } = parseNetwork('{"name":"net"}');
    assert.deepEqual(
      [subnetFile, dataDir, cniVersion],
      ['/run/flannel/subnet.env', '/var/lib/cni/flannel', '0.1.0'],
    );
  });
});

describe('the parser of subnet.env', () => {
  const rejected: readonly [string, string, RegExp][] = [
    ['nothing', '', /FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK is missing/],
    ['no subnet', `FLANNEL_NETWORK=10.5.0.0/16\n${REST}`, /FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET is missing/],
    [
      'an address of the other family',
      `FLANNEL_NETWORK=fd00::/48\n${REST}`,
      /FLANNEL_NETWORK is "fd00::\/48", and should be an IPv4/,
    ],
    ['no MTU', `${IPV4}FLANNEL_IPMASQ=true\n`, /FLANNEL_MTU is missing/],
    ['a negative MTU', `${IPV4}FLANNEL_MTU=-50\nFLANNEL_IPMASQ=true\n`, /FLANNEL_MTU is "-50"/],
    ['no FLANNEL_IPMASQ', `${IPV4}FLANNEL_MTU=1450\n`, /FLANNEL_IPMASQ is missing/],
  ];
  for (const [name, text, message] of rejected)
    it(`rejects ${name}`, () => assert.throws(() => parseHostSubnet(text, 'f'), { cniCode: 6, message }));

  it('accepts only the exact text true for masquerade', () => {
    const env = `${IPV4}FLANNEL_MTU=1450\nFLANNEL_IPMASQ=TRUE\n`;
    assert.equal(parseHostSubnet(env, 'f').isMasquerading, false);
  });
});
