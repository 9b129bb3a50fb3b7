import assert from 'node:assert/strict';
import { cidr, ip4, ip6, lease, network, subnets, VXLAN } from '../../backends/fixture.ts';
import type { Lease } from '../../allocator/lease.ts';
import { PeerClashes } from './peer-clashes.ts';

const at = (subnetText: string, publicIp: string): Lease => {
  const address = publicIp.includes(':') ? { publicIpv6: ip6(publicIp) } : { publicIp: ip4(publicIp) };
  return lease(subnetText, { backendType: 'vxlan', ...address });
};

/** What each of `leases` is refused for, in the order given. */
function verdicts(...leases: readonly Lease[]): readonly (string | undefined)[] {
  const clashes = new PeerClashes(network('46', VXLAN));
  for (const each of leases) clashes.set(each.key, each);
  return leases.map(({ key, subnets: { ipv4, ipv6 } }) => clashes.clashOf(key, (ipv4 ?? ipv6)!));
}

describe('leases of peers that clash', () => {
  const usual = at('10.5.2.0/24', '10.9.0.2');

  it('are none where each has a subnet and a public address of its own', () => {
    assert.deepEqual(verdicts(usual, at('10.5.3.0/24', '10.9.0.3'), at('fd00:0:0:3::/64', '2001:db8::3')), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  const cases: readonly (readonly [string, Lease, RegExp])[] = [
    [
      'a subnet inside',
      at('10.5.2.2/32', '10.9.0.3'),
      /10\.5\.2\.2\/32 lies inside 10\.5\.2\.0\/24 of the peer 10\.5\.2\.0-24/,
    ],
    [
      'a subnet around',
      at('10.5.0.0/20', '10.9.0.3'),
      /10\.5\.0\.0\/20 contains 10\.5\.2\.0\/24 of the peer/,
    ],
  ];
  for (const [what, odd, reason] of cases)
    for (const order of [
      [usual, odd],
      [odd, usual],
    ])
      it(`are ${what} ${order[0] === odd ? 'that was first' : 'that came later'}: the odd one is refused`, () => {
        const found = verdicts(...order);
        assert.match(found[order.indexOf(odd)]!, reason);
        assert.equal(found[order.indexOf(usual)], undefined);
      });

  it('are two odd ones: the narrower one is refused', () => {
    const [wide, narrow] = verdicts(at('10.5.4.0/23', '10.9.0.3'), at('10.5.5.128/25', '10.9.0.4'));
    assert.equal(wide, undefined);
    assert.match(narrow!, /lies inside/);
  });

  it('are those of IPv6, too', () => {
    const [, inside] = verdicts(at('fd00:0:0:3::/64', '2001:db8::3'), at('fd00:0:0:3::7/128', '2001:db8::4'));
    assert.match(inside!, /fd00:0:0:3::7\/128 lies inside fd00:0:0:3::\/64/);
  });

  it('are a subnet and the public address of a peer in it', () => {
    const found = verdicts(usual, at('10.5.3.0/24', '10.5.2.9'), at('10.5.9.0/24', '10.5.9.1'));
    assert.match(
      found[0]!,
      /10\.5\.2\.0\/24 contains 10\.5\.2\.9, the public address of the peer 10\.5\.3\.0-24/,
    );
    assert.deepEqual(found.slice(1), [undefined, undefined]);
  });

  it('name each other as affected, whichever comes, changes or goes', () => {
    const clashes = new PeerClashes(network('4', VXLAN));
    assert.deepEqual([...clashes.set(usual.key, usual)], []);
    const inside = at('10.5.2.2/32', '10.9.0.3');
    const far = at('10.5.7.0/24', '10.9.0.7');
    assert.deepEqual([...clashes.set(inside.key, inside)], [usual.key]);
    assert.deepEqual([...clashes.set(far.key, far)], []);
    assert.deepEqual([...clashes.set(far.key, at('10.5.7.0/24', '10.5.2.7'))].toSorted(), [usual.key]);
    assert.deepEqual([...clashes.set(far.key, undefined)], [usual.key]);
    assert.deepEqual([...clashes.set(usual.key, undefined)], [inside.key]);
    assert.equal(clashes.clashOf(inside.key, inside.subnets.ipv4!), undefined);
  });

  it('are found among hundreds of hosts inside the network', () => {
    const { ipv4, ...rest } = network('4', VXLAN);
    const clashes = new PeerClashes({ ...rest, ipv4: { ...ipv4!, network: subnets('10.0.0.0/8').ipv4! } });
    const leases = Array.from({ length: 512 }, (_, index) => {
      const [high, low] = [index >> 8, index & 255];
      return at(`10.${high}.${low}.0/24`, `10.${high}.${255 - low}.9`);
    });
    for (const each of leases) clashes.set(each.key, each);
    const found = leases.filter((each) => clashes.clashOf(each.key, each.subnets.ipv4!) !== undefined);
    assert.equal(found.length, 512);
  });

  it('cost little after a change of the subnet length, too', () => {
    const { ipv4, ...rest } = network('4', VXLAN);
    const range = { ...ipv4!, network: subnets('10.0.0.0/8').ipv4!, subnetLength: 26 };
    const clashes = new PeerClashes({ ...rest, ipv4: range });
    for (let index = 0; index < 8000; index++) {
      const third = `10.${32 + (index >> 8)}.${index & 255}`;
      const fresh = `10.${64 + (index >> 8)}.${index & 255}`;
      for (const each of [at(`${third}.0/24`, '192.0.2.1'), at(`${fresh}.64/26`, '192.0.2.2')])
        clashes.set(each.key, each);
    }
    const old = at('10.64.7.0/24', '192.0.2.3');
    clashes.set(old.key, old);
    assert.match(clashes.clashOf(old.key, old.subnets.ipv4!)!, /contains 10\.64\.7\.64\/26 of the peer/);
    assert.equal(clashes.clashOf('10.32.7.0-24', cidr('10.32.7.0/24')), undefined);
  });

  it('follow the subnet length and the networks of another config', () => {
    const clashes = new PeerClashes(network('4', VXLAN));
    const other = at('10.6.1.0/25', '10.5.2.9');
    for (const each of [usual, other]) clashes.set(each.key, each);
    assert.match(clashes.clashOf(usual.key, cidr('10.5.2.0/24'))!, /public address/);
    const { ipv4, ...rest } = network('4', VXLAN);
    clashes.setConfig({ ...rest, ipv4: { ...ipv4!, network: subnets('10.6.0.0/16').ipv4! } });
    assert.equal(clashes.clashOf(usual.key, cidr('10.5.2.0/24')), undefined);
  });
});
