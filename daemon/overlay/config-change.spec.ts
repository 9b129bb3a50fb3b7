import assert from 'node:assert/strict';
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import type { Ipv4, Ipv4Cidr } from '../../lib/address.ts';
import { ip4, UDP, VXLAN, vxlanPeer, network } from '../../backends/fixture.ts';
import { overlapsOf, planConfigChange, type ConfigEffect } from './config-change.ts';

const before = network('4', VXLAN);
const leases = [vxlanPeer(2), vxlanPeer(3)];
const withBackend = (backend: BackendConfig): NetworkConfig => ({ ...before, backend });

interface Case {
  readonly name: string;
  readonly after: NetworkConfig;
  readonly effect: ConfigEffect;
  readonly changes: readonly string[];
  readonly consequence?: RegExp;
}

describe('a network around addresses of hosts and etcd', () => {
  const around = (text: string): NetworkConfig => {
    const { ipv4, ...rest } = before;
    return { ...rest, ipv4: { ...ipv4!, network: text as Ipv4Cidr } };
  };

  it('is a consequence of its change, with the addresses', () => {
    const { consequences } = planConfigChange(before, around('10.8.0.0/14'), leases, {
      etcdAddresses: [ip4('10.9.0.99')],
    });
    assert.match(
      consequences.at(-1)!,
      /^the network 10\.8\.0\.0\/14 contains .*: 10\.9\.0\.99 \(an address of etcd\), 10\.9\.0\.2 \(the public address of 10\.5\.2\.0-24\), 10\.9\.0\.3 .*choose a network apart/,
    );
  });

  it('is none elsewhere', () => {
    const { consequences } = planConfigChange(before, around('10.96.0.0/12'), [], {
      etcdAddresses: [ip4('10.9.0.99')],
    });
    assert.doesNotMatch(consequences.join(), /contains addresses/);
  });

  it('names a few addresses of many', () => {
    const many = Array.from({ length: 9 }, (_, index) => vxlanPeer(index + 2));
    assert.match(
      overlapsOf(around('10.8.0.0/14'), many, []).join(),
      /10\.9\.0\.5 \([^)]*\) and 5 more; no host/,
    );
  });
});

const cases: readonly Case[] = [
  { name: 'the same', after: network('4', VXLAN), effect: 'none', changes: [] },
  {
    name: 'another MTU',
    after: withBackend({ ...VXLAN, mtu: 1400 }),
    effect: 'live',
    changes: ['Backend.MTU: unset -> 1400'],
    consequence: /containers that run keep theirs/,
  },
  {
    name: 'another VNI',
    after: withBackend({ ...VXLAN, vni: 2 }),
    effect: 'migration',
    changes: ['Backend.VNI: 1 -> 2'],
    consequence: /from vxlan VNI 1 port 8472 to vxlan VNI 2 port 8472/,
  },
  {
    name: 'a smaller MTU than the interfaces have',
    after: withBackend({ ...VXLAN, mtu: 1300 }),
    effect: 'live',
    changes: ['Backend.MTU: unset -> 1300'],
    consequence: /^the MTU in subnet\.env changes; .*start them again where it shrinks.*dropped/,
  },
  {
    name: 'another backend of the kernel, without its defaults and without loss',
    after: withBackend({ type: 'host-gw' }),
    effect: 'migration',
    changes: ['Backend.Type: vxlan -> host-gw'],
    consequence: /^all hosts go from .* to host-gw, one by one without packet loss\nthe MTU[^\n]*$/,
  },
  {
    name: 'a backend in userspace, with what its document names',
    after: withBackend({ ...UDP, port: 9000 }),
    effect: 'migration',
    changes: ['Backend.Type: vxlan -> udp', 'Backend.Port: unset -> 9000'],
    consequence: /^all hosts go from .* to udp port 9000, one by one without packet loss\n/,
  },
  {
    name: 'another VNI, and userspace for its device',
    after: withBackend({ ...VXLAN, vni: 2, userspace: true }),
    effect: 'migration',
    changes: ['Backend.VNI: 1 -> 2', 'Backend.Userspace: auto -> true'],
    consequence: /^all hosts go from [^\n]*, one by one without packet loss$/,
  },
  {
    name: 'another mode of the device',
    after: withBackend({ ...VXLAN, gbp: true }),
    effect: 'live',
    changes: ['Backend.GBP: false -> true'],
    consequence: /^the device of every host is re-created: packets of some milliseconds are lost$/,
  },
  {
    name: 'the usual port, written out',
    after: withBackend({ ...VXLAN, port: 8472 }),
    effect: 'live',
    changes: ['Backend.Port: unset -> 8472'],
  },
  {
    name: 'another port of a device of the kernel',
    after: withBackend({ ...VXLAN, port: 9000 }),
    effect: 'migration',
    changes: ['Backend.Port: unset -> 9000'],
    consequence:
      /to vxlan VNI 1 port 9000, one by one without packet loss since Linux 6\.2; an older kernel /,
  },
  {
    name: 'checksums computed by the hosts',
    after: withBackend({ ...VXLAN, txChecksumOffload: 'off' }),
    effect: 'live',
    changes: ['Backend.TxChecksumOffload: auto -> off'],
    consequence: /every host computes checksums itself.*no packet is lost/,
  },
  {
    name: 'larger subnets',
    after: { ...before, ipv4: { ...before.ipv4!, subnetLength: 20 } },
    effect: 'renumbering',
    changes: ['SubnetLen: 24 -> 20'],
    consequence: /2 of 2 hosts get another subnet.*10\.5\.2\.0-24, 10\.5\.3\.0-24/,
  },
];

describe('plan of a config change', () => {
  for (const { name, after, effect, changes, consequence } of cases)
    it(name, () => {
      const plan = planConfigChange(before, after, leases);
      assert.equal(plan.effect, effect);
      assert.deepEqual(plan.changes, changes);
      if (consequence === undefined) assert.deepEqual(plan.consequences, []);
      else assert.match(plan.consequences.join('\n'), consequence);
    });

  it('of a first config names no migration', () => {
    const plan = planConfigChange(undefined, before, []);
    assert.equal(plan.effect, 'live');
    assert.ok(plan.changes.includes('Network: unset -> 10.5.0.0/16'));
  });

  it('of a first config lists no default of the backend, and no MTU of containers', () => {
    const { changes, consequences } = planConfigChange(undefined, before, []);
    assert.deepEqual(
      changes.filter((line) => !/Network|Subnet/.test(line)),
      ['Backend.Type: unset -> vxlan'],
    );
    assert.deepEqual(consequences, []);
  });

  for (const [what, from, to] of [
    ['udp', UDP, { ...UDP, port: 9000 }],
    ['VXLAN in userspace', { ...VXLAN, userspace: true }, { ...VXLAN, userspace: true, port: 9000 }],
  ] as const)
    it(`names the loss of another port of ${what}, once`, () => {
      const { consequences } = planConfigChange(withBackend(from), withBackend(to), []);
      assert.equal(consequences.length, 1);
      assert.match(
        consequences[0]!,
        /port 9000, one by one and each opens .* packets of 0\.1 to 0\.2 s are lost$/,
      );
    });

  it('lists no bound of a network that follows from it', () => {
    const { ipv4, ...rest } = before;
    const range = { network: '10.6.0.0/16' as Ipv4Cidr, min: '10.6.1.0' as Ipv4, max: '10.6.255.0' as Ipv4 };
    const moved = { ...rest, ipv4: { ...ipv4!, ...range } };
    assert.deepEqual(planConfigChange(before, moved, []).changes, ['Network: 10.5.0.0/16 -> 10.6.0.0/16']);
    assert.deepEqual(planConfigChange(undefined, before, []).changes, [
      'Network: unset -> 10.5.0.0/16',
      'Backend.Type: unset -> vxlan',
    ]);
    const chosen = { ...rest, ipv4: { ...ipv4!, min: '10.5.9.0' as Ipv4 } };
    assert.deepEqual(planConfigChange(before, chosen, []).changes, [`SubnetMin: ${ipv4!.min} -> 10.5.9.0`]);
  });

  it('has one answer to whether packets are lost', () => {
    const both = withBackend({ ...VXLAN, gbp: true, txChecksumOffload: 'off' });
    const { consequences } = planConfigChange(before, both, []);
    assert.deepEqual(consequences, [
      'the device of every host is re-created: packets of some milliseconds are lost',
      'every host computes checksums itself, and sends large TCP packets in pieces: slower, right everywhere',
    ]);
    const other = planConfigChange(before, withBackend({ ...VXLAN, vni: 2, mtu: 1400 }), [], {
      underlayMtus: [1500],
    });
    assert.doesNotMatch(other.consequences.join('\n'), /without packet loss/);
    assert.match(other.consequences.join('\n'), /are dropped with an ICMP error/);
  });

  it('says from what to what the MTU of containers goes, and what to do', () => {
    const on = (underlayMtus: readonly number[]) =>
      planConfigChange(before, withBackend({ ...VXLAN, mtu: 1400 }), [], { underlayMtus }).consequences;
    assert.deepEqual(on([1500, 1500]), [
      'the MTU of containers shrinks from 1450 to 1350: those that run keep 1450, and their packets above 1350 bytes are ' +
        'dropped with an ICMP error until they are started again, or ip link set eth0 mtu 1350 in each',
    ]);
    assert.deepEqual(on([1500, 9000]).length, 2);
    assert.deepEqual(on([1300]), []);
    const { consequences } = planConfigChange(before, withBackend({ type: 'host-gw' }), [], {
      underlayMtus: [1500],
    });
    assert.equal(
      consequences.at(-1),
      'the MTU of containers grows from 1450 to 1500; those that run keep 1450 until they are started again',
    );
  });

  it('names a larger MTU as one', () => {
    const from = withBackend({ ...VXLAN, mtu: 1300 });
    const { consequences } = planConfigChange(from, withBackend({ ...VXLAN, mtu: 1400 }), []);
    assert.deepEqual(consequences, [
      'the MTU in subnet.env grows by 100; containers that run keep theirs until they are started again',
    ]);
  });
});
