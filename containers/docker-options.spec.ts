import assert from 'node:assert/strict';
import { formatDockerOptions, isRoutedElsewhere, type DockerOptionsRequest } from './docker-options.ts';

const SUBNET_ENV =
  'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
const BOTH: DockerOptionsRequest = {
  isIndividual: true,
  isCombined: true,
  key: 'DOCKER_OPTS',
  hasIpMasq: true,
};
const BIP = 'DOCKER_OPT_BIP="--bip=10.5.72.1/24"\n';
const MTU = 'DOCKER_OPT_MTU="--mtu=1450"\n';

type Case = readonly [string, string, Partial<DockerOptionsRequest>, Record<string, string>, string];

describe('options of a Docker engine', () => {
  const cases: readonly Case[] = [
    [
      'are one variable each and one for all',
      SUBNET_ENV,
      {},
      {},
      `${BIP}DOCKER_OPT_IPMASQ="--ip-masq=false"\n${MTU}DOCKER_OPTS=" --bip=10.5.72.1/24 --ip-masq=false --mtu=1450"\n`,
    ],
    [
      'masquerade where weft does not',
      SUBNET_ENV.replace('true', 'false'),
      { isCombined: false },
      {},
      `${BIP}DOCKER_OPT_IPMASQ="--ip-masq=true"\n${MTU}`,
    ],
    ['omit masquerade', SUBNET_ENV, { hasIpMasq: false, isCombined: false }, {}, `${BIP}${MTU}`],
    [
      'ignore an invalid masquerade that they omit',
      'FLANNEL_MTU=1450\nFLANNEL_IPMASQ=perhaps\n',
      { hasIpMasq: false, isCombined: false },
      {},
      MTU,
    ],
    [
      'follow what the environment has in the variable for all',
      'FLANNEL_MTU=1450\n',
      { isIndividual: false, key: 'OPTIONS' },
      { OPTIONS: '--debug' },
      'OPTIONS="--debug  --mtu=1450"\n',
    ],
    [
      'include options of the environment, by name',
      'FLANNEL_MTU=1450\n',
      {},
      { DOCKER_OPT_LOG: '--log-level=warn', MY_DOCKER_OPT_A: '-D', DOCKER_OPT_MTU: '--mtu=1' },
      `DOCKER_OPT_LOG="--log-level=warn"\n${MTU}MY_DOCKER_OPT_A="-D"\nDOCKER_OPTS=" --log-level=warn --mtu=1450 -D"\n`,
    ],
    [
      'come from subnet.env before the environment',
      'FLANNEL_MTU=1450\n',
      { isIndividual: false },
      { FLANNEL_MTU: '9000', FLANNEL_SUBNET: '10.5.1.1/24' },
      'DOCKER_OPTS=" --bip=10.5.1.1/24 --mtu=1450"\n',
    ],
    ['are empty without a subnet.env', '', {}, {}, 'DOCKER_OPTS=""\n'],
  ];
  for (const [name, subnetEnv, request, environment, text] of cases)
    it(name, () => {
      const options = formatDockerOptions(subnetEnv, environment, { ...BOTH, ...request });
      assert.ok(options.ok);
      assert.equal(options.text, text);
    });

  it('are rejected for an invalid FLANNEL_IPMASQ', () => {
    const options = formatDockerOptions('FLANNEL_IPMASQ=perhaps\n', {}, BOTH);
    assert.deepEqual(options, { ok: false, problem: 'FLANNEL_IPMASQ="perhaps" is neither true nor false' });
  });
});

describe('the route to the own subnet', () => {
  const HEADER = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  const row = (destination: string, gateway: string, mask: string) =>
    `eth0\t${destination}\t${gateway}\t0003\t0\t0\t0\t${mask}\t0\t0\t0   `;
  const cases: readonly [string, string, string, boolean][] = [
    ['leads elsewhere with a gateway', '10.5.72.1/24', row('0048050A', '010012C6', '00FFFFFF'), true],
    ['stays without a gateway', '10.5.72.1/24', row('0048050A', '00000000', '00FFFFFF'), false],
    ['is not that of another network', '10.5.72.1/24', row('0049050A', '010012C6', '00FFFFFF'), false],
    ['is not one of another length', '10.5.72.1/24', row('0048050A', '010012C6', '0000FFFF'), false],
    ['is found at lengths between octets', '10.5.72.33/27', row('2048050A', '010012C6', 'E0FFFFFF'), true],
    ['is none of a text that is no subnet', 'fd00::1/64', row('0048050A', '010012C6', '00FFFFFF'), false],
  ];
  for (const [name, subnet, route, isElsewhere] of cases)
    it(name, () => assert.equal(isRoutedElsewhere(subnet, `${HEADER}\n${route}\n`), isElsewhere));
});
