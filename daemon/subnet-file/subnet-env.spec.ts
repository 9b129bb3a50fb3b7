import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Ipv4Cidr, Ipv6Cidr } from '../../lib/address.ts';
import type { OverlayMtu } from '../../backends/kernel-state.ts';
import { formatSubnetEnv, parseSubnetEnv } from './subnet-env.ts';
import type { SubnetEnv } from './subnet-env.ts';

const IPV4 = { network: '10.5.0.0/16' as Ipv4Cidr, subnet: '10.5.72.0/24' as Ipv4Cidr };
const IPV6 = { network: 'fd00::/48' as Ipv6Cidr, subnet: 'fd00:0:0:1::/64' as Ipv6Cidr };

function env(hasIpv4: boolean, hasIpv6: boolean): SubnetEnv {
  return {
    networks: { ...(hasIpv4 && { ipv4: IPV4.network }), ...(hasIpv6 && { ipv6: IPV6.network }) },
    subnets: { ...(hasIpv4 && { ipv4: IPV4.subnet }), ...(hasIpv6 && { ipv6: IPV6.subnet }) },
    mtu: 1450 as OverlayMtu,
    isMasquerading: !hasIpv4,
  };
}

const V4_LINES = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\n';
const V6_LINES = 'FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:1::1/64\n';

describe('subnet.env', () => {
  it('has the keys, order and line ends of flannel', () => {
    assert.equal(formatSubnetEnv(env(true, false)), `${V4_LINES}FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n`);
    assert.equal(formatSubnetEnv(env(false, true)), `${V6_LINES}FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n`);
    assert.equal(
      formatSubnetEnv(env(true, true)),
      `${V4_LINES}${V6_LINES}FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n`,
    );
  });

  it('parses to what was formatted', () => {
    const { subnets, networks } = env(true, true);
    assert.deepEqual(parseSubnetEnv(formatSubnetEnv(env(true, true))), { subnets, networks, problems: [] });
  });

  const cases: readonly [string, string, string | undefined, number][] = [
    ['an empty file', '', undefined, 0],
    ['comments and blank lines', '# hi\n\n  # ho\nFLANNEL_SUBNET=10.5.72.1/24 # mine\n', '10.5.72.0/24', 0],
    ['export, quotes and spaces', 'export FLANNEL_SUBNET = "10.5.72.1/24"\n', '10.5.72.0/24', 0],
    ['single quotes', "FLANNEL_SUBNET='10.5.72.1/24'", '10.5.72.0/24', 0],
    ['Windows line ends', 'FLANNEL_SUBNET=10.5.72.1/24\r\nFLANNEL_MTU=1450\r\n', '10.5.72.0/24', 0],
    [
      'the last of several assignments',
      'FLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_SUBNET=10.5.2.1/24\n',
      '10.5.2.0/24',
      0,
    ],
    ['a bad line beside good ones', 'this is !! bad\nFLANNEL_SUBNET=10.5.72.1/24\n', '10.5.72.0/24', 1],
    ['an open quote', 'FLANNEL_SUBNET="10.5.72.1/24\nFLANNEL_MTU=1450', undefined, 1],
    ['IPv6 where IPv4 belongs', 'FLANNEL_SUBNET=fd00::1/64\n', undefined, 1],
    ['a list with one usable part', 'FLANNEL_SUBNET=oops,10.5.72.1/24\n', '10.5.72.0/24', 1],
    ['a list with several', 'FLANNEL_SUBNET=10.5.71.1/24,10.5.72.1/24\n', undefined, 1],
    ['no prefix length', 'FLANNEL_SUBNET=10.5.72.1\n', undefined, 1],
    ['an octet too large', 'FLANNEL_SUBNET=10.5.300.1/24\n', undefined, 1],
    ['an empty value', 'FLANNEL_SUBNET=\n', undefined, 0],
    ['another key', 'PATH=/bin:/usr/bin\n', undefined, 0],
  ];
  for (const [name, text, subnet, problems] of cases)
    it(`is parsed with ${name}`, () => {
      const parsed = parseSubnetEnv(text);
      assert.equal(parsed.subnets?.ipv4, subnet);
      assert.equal(parsed.problems.length, problems, parsed.problems.join('\n'));
    });

  const networks: readonly (readonly [
    value: string,
    ipv4: string | undefined,
    ipv6: string | undefined,
    problems: readonly string[],
  ])[] = [
    ['FLANNEL_NETWORK=10.5.3.4/16', '10.5.0.0/16', undefined, []],
    ['FLANNEL_IPV6_NETWORK=fd00::7/48', undefined, 'fd00::/48', []],
    ['FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_IPV6_NETWORK=fd01::/56', '10.5.0.0/16', 'fd01::/56', []],
    ['FLANNEL_NETWORK="10.5.0.0/16 , 10.5.9.9/16"', '10.5.0.0/16', undefined, []],
    [
      'FLANNEL_NETWORK="10.5.0.0/16, oops"',
      '10.5.0.0/16',
      undefined,
      ['FLANNEL_NETWORK: " oops" is not an IPv4 network'],
    ],
    [
      'FLANNEL_NETWORK=10.5.0.0/16,10.6.0.0/16',
      undefined,
      undefined,
      ['FLANNEL_NETWORK: "10.5.0.0/16,10.6.0.0/16" names several networks; ignored'],
    ],
    [
      'FLANNEL_IPV6_NETWORK=10.5.0.0/16',
      undefined,
      undefined,
      ['FLANNEL_IPV6_NETWORK: "10.5.0.0/16" is not an IPv6 network'],
    ],
  ];
  for (const [text, ipv4, ipv6, problems] of networks)
    it(`has the networks of ${text.replace('\n', ' and ')}`, () => {
      const parsed = parseSubnetEnv(text);
      assert.deepEqual([parsed.networks?.ipv4, parsed.networks?.ipv6], [ipv4, ipv6]);
      assert.deepEqual(parsed.problems, problems);
    });

  it('limits number and length of problems', () => {
    const { problems } = parseSubnetEnv(`${'!'.repeat(5000)}\n`.repeat(500));
    assert.ok(problems.length <= 11);
    assert.ok(problems.every((problem) => problem.length < 120));
  });

  it('is parsed without an exception for any content', () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((value) => `FLANNEL_SUBNET=${value}`),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => Array.isArray(parseSubnetEnv(lines.join('\n')).problems)),
    );
  });
});
