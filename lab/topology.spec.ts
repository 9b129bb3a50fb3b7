import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import {
  ETCD_ADDRESS,
  MAX_HOSTS,
  containerCommands,
  hostContainerCommands,
  namespacesOf,
  outsideCommands,
  planContainer,
  planTopology,
  switchCommands,
} from './topology.ts';

describe('plan of a lab', () => {
  it('gives every host an address of its own, up to the largest lab', () => {
    for (const routed of [false, true]) {
      const { hosts } = planTopology({ hosts: MAX_HOSTS, routed });
      const addresses = [ETCD_ADDRESS, '198.18.0.1', '198.19.0.1', ...hosts.map((host) => host.publicIp)];
      assert.equal(new Set(addresses).size, addresses.length);
      const ipv6 = hosts.flatMap((host) => [host.publicIpv6, host.gatewayIpv6]);
      assert.equal(new Set(ipv6).size, MAX_HOSTS + (routed ? 2 : 1));
      assert.ok(ipv6.every((address) => isIPv6(address)));
      assert.ok(addresses.every((address) => /^198\.1[89]\.\d+\.\d+$/.test(address)));
    }
  });

  it('alternates hosts of a routed lab between two networks, each with its own router address', () => {
    const { hosts } = planTopology({ hosts: 4, routed: true });
    assert.deepEqual(
      hosts.map(({ publicIp, gateway, bridge }) => [publicIp, gateway, bridge]),
      [
        ['198.18.1.1', '198.18.0.1', 'br-a'],
        ['198.19.1.2', '198.19.0.1', 'br-b'],
        ['198.18.1.3', '198.18.0.1', 'br-a'],
        ['198.19.1.4', '198.19.0.1', 'br-b'],
      ],
    );
  });

  it('runs the hosts that are named in userspace, or all', () => {
    const inUserspace = (userspace: readonly string[]) =>
      planTopology({ hosts: 3, userspace }).hosts.flatMap((host) => (host.isInUserspace ? [host.name] : []));
    assert.deepEqual(inUserspace([]), []);
    assert.deepEqual(inUserspace(['h2']), ['h2']);
    assert.deepEqual(inUserspace(['all']), ['h1', 'h2', 'h3']);
  });

  it('connects every namespace but the containers with the switch', () => {
    const topology = planTopology({ hosts: 2, mtu: 9000 });
    const cables = switchCommands(topology).filter((line) => line.includes('type veth'));
    assert.deepEqual(
      cables.map((line) => /netns (\S+)/.exec(line)?.[1]),
      ['etcd', 'h1', 'h2'],
    );
    assert.ok(cables.every((line) => line.match(/mtu 9000/g)?.length === 2));
    assert.deepEqual(namespacesOf(topology), ['sw', 'etcd', 'h1', 'c1', 'h2', 'c2']);
  });

  it('has an outside host only on request', () => {
    const outside = planTopology({ hosts: 1, outside: true });
    assert.deepEqual(namespacesOf(outside), ['sw', 'etcd', 'out', 'h1', 'c1']);
    assert.ok(switchCommands(outside).includes('link set out master br-a up'));
    const routes = outsideCommands().filter((line) => line.startsWith('route'));
    assert.deepEqual(routes, ['route add default via 198.18.0.1', 'route add default via fd00:198:18::ffff']);
  });

  const refused: readonly [Parameters<typeof planTopology>[0], RegExp][] = [
    [{ hosts: 0 }, /0 hosts: give 1\.\.1000/],
    [{ hosts: 1001 }, /1001 hosts/],
    [{ hosts: 1.5 }, /1\.5 hosts/],
    [{ hosts: Number.NaN }, /NaN hosts/],
    [{ hosts: 2, bare: ['h3'] }, /'h3' bare: the lab has h1\.\.h2/],
    [{ hosts: 2, userspace: ['h3'] }, /'h3' in userspace: the lab has h1\.\.h2/],
    [{ hosts: 2, mtu: 1279 }, /MTU of 1279: give 1280\.\.65535/],
  ];
  for (const [options, message] of refused)
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => planTopology(options), { name: 'RangeError', message });
    });
});

describe('plan of a container', () => {
  const env = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\n';

  it('takes addresses and MTU from subnet.env', () => {
    const plan = planContainer(env)!;
    assert.deepEqual(plan, {
      addresses: [{ bridge: '10.5.72.1/24', container: '10.5.72.2/24' }],
      mtu: 1450,
    });
    const [host] = planTopology({ hosts: 1 }).hosts;
    const onHost = hostContainerCommands(host!, plan);
    assert.ok(onHost.includes('addr add 10.5.72.1/24 dev br0'));
    assert.equal(onHost.filter((line) => line.includes('mtu 1450')).length, 2);
    assert.ok(containerCommands(plan).includes('route add default via 10.5.72.1'));
  });

  it('has both families, or IPv6 alone', () => {
    const ipv6 = 'FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:4a::1/64\n';
    const addresses = { bridge: 'fd00:0:0:4a::1/64', container: 'fd00:0:0:4a::2/64' };
    assert.deepEqual(planContainer(env + ipv6)!.addresses[1], addresses);
    const plan = planContainer(`${ipv6}FLANNEL_MTU=1430\n`)!;
    assert.deepEqual(plan, { addresses: [addresses], mtu: 1430 });
    assert.ok(containerCommands(plan).includes('addr add fd00:0:0:4a::2/64 dev eth0 nodad'));
  });

  for (const text of ['', env.replace('FLANNEL_SUBNET', 'X'), env.replace('1450', ''), env.slice(0, 40)])
    it(`is none of ${JSON.stringify(text)}`, () => assert.equal(planContainer(text), undefined));
});
