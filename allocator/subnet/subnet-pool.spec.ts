import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { addressOf, fromBigInt, ipv4FromNumber, networkOf, overlaps, toBigInt } from '../../lib/address.ts';
import type { Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import type { Ipv4Range, Ipv6Range } from '../config/config.ts';
import type { LeaseSubnets } from '../lease.ts';
import { SubnetPool } from './subnet-pool.ts';

function ipv4Range(network: string, subnetLength: number, min: string, max: string): Ipv4Range {
  return { network: network as Ipv4Cidr, subnetLength, min: min as Ipv4, max: max as Ipv4 };
}

function ipv6Range(network: string, subnetLength: number, min: string, max: string): Ipv6Range {
  return { network: network as Ipv6Cidr, subnetLength, min: min as Ipv6, max: max as Ipv6 };
}

function v4(cidr: string): LeaseSubnets {
  return { ipv4: cidr as Ipv4Cidr };
}

function both(ipv4: string, ipv6: string): LeaseSubnets {
  return { ipv4: ipv4 as Ipv4Cidr, ipv6: ipv6 as Ipv6Cidr };
}

/** Lets `hosts` take a subnet each, one after the other. */
function fill(pool: SubnetPool, hosts: number, taken: LeaseSubnets[] = []): LeaseSubnets[] {
  for (let host = 0; host < hosts; host++) {
    const [first] = pool.candidates(`192.0.2.${host}`, taken, 0, 4);
    if (first === undefined) break;
    taken.push(first);
  }
  return taken;
}

const slots1024 = ipv4Range('10.0.0.0/8', 24, '10.1.0.0', '10.4.255.0');
const slots3 = ipv4Range('10.5.0.0/22', 24, '10.5.1.0', '10.5.3.0');
const wide6 = ipv6Range('fd00::/48', 64, 'fd00:0:0:1::', 'fd00:0:0:ffff::');

describe('SubnetPool', () => {
  describe('isCompatible', () => {
    const single = new SubnetPool({ ipv4: slots3 });
    const dual = new SubnetPool({ ipv4: slots3, ipv6: wide6 });
    const cases: readonly (readonly [string, SubnetPool, LeaseSubnets, boolean])[] = [
      ['the first', single, v4('10.5.1.0/24'), true],
      ['the last', single, v4('10.5.3.0/24'), true],
      ['one before Min', single, v4('10.5.0.0/24'), false],
      ['one behind Max', single, v4('10.5.4.0/24'), false],
      ['a shorter prefix', single, v4('10.5.2.0/23'), false],
      ['a longer prefix', single, v4('10.5.2.0/25'), false],
      ['host bits', single, v4('10.5.2.7/24'), false],
      ['a family too many', single, both('10.5.2.0/24', 'fd00:0:0:1::/64'), false],
      ['no family', single, {}, false],
      ['IPv6 only where IPv4 is on', single, { ipv6: 'fd00:0:0:1::/64' as Ipv6Cidr }, false],
      ['both families', dual, both('10.5.2.0/24', 'fd00:0:0:1::/64'), true],
      ['both, with different slots', dual, both('10.5.2.0/24', 'fd00:0:0:ffff::/64'), true],
      ['a family too few', dual, v4('10.5.2.0/24'), false],
      ['IPv6 before Min', dual, both('10.5.2.0/24', 'fd00::/64'), false],
      ['IPv6 behind Max', dual, both('10.5.2.0/24', 'fd00:0:1::/64'), false],
      ['IPv6 of another length', dual, both('10.5.2.0/24', 'fd00:0:0:2::/63'), false],
      ['IPv6 host bits', dual, both('10.5.2.0/24', 'fd00:0:0:2::1/64'), false],
    ];
    for (const [name, pool, subnets, expected] of cases)
      it(`${expected ? 'accepts' : 'refuses'} ${name}`, () =>
        assert.equal(pool.isCompatible(subnets), expected));
  });

  describe('candidates', () => {
    it('gives the same host the same preferred subnet, whichever host holds another subnet', () => {
      const pool = new SubnetPool({ ipv4: slots1024 });
      const [preferred] = pool.candidates('192.0.2.1', [], 0, 1);
      assert.ok(preferred);
      const others = fill(pool, 50).filter((subnets) => subnets.ipv4 !== preferred.ipv4);
      assert.deepEqual(pool.candidates('192.0.2.1', others, 0, 1), [preferred]);
      assert.deepEqual(pool.candidates('192.0.2.1', others, 3, 1), [preferred]);
    });

    it('keeps its choices from release to release', () => {
      const pool = new SubnetPool({ ipv4: slots1024, ipv6: wide6 });
      assert.deepEqual(pool.candidates('192.0.2.1', [], 0, 2), [
        both('10.4.98.0/24', 'fd00:0:0:363::/64'),
        both('10.1.178.0/24', 'fd00:0:0:b3::/64'),
      ]);
    });

    it('makes other choices after a lost race', () => {
      const pool = new SubnetPool({ ipv4: slots1024 });
      const preferred = pool.candidates('192.0.2.1', [], 0, 1);
      const choices = [0, 1, 2, 3].map(
        (attempt) => pool.candidates('192.0.2.1', preferred, attempt, 1)[0]?.ipv4,
      );
      assert.ok(new Set(choices).size > 1);
    });

    it('lets a thousand hosts that start at once rarely meet', () => {
      const pool = new SubnetPool({ ipv4: ipv4Range('10.0.0.0/8', 24, '10.1.0.0', '10.255.255.0') });
      const preferred = Array.from(
        { length: 1000 },
        (_, host) => pool.candidates(`192.0.2.${host}`, [], 0, 1)[0]?.ipv4,
      );
      assert.ok(new Set(preferred).size > 980, `${new Set(preferred).size} different preferred subnets`);
    });

    it('spreads second choices over the whole pool', () => {
      const pool = new SubnetPool({ ipv4: slots1024 });
      const quarters = new Set<string>();
      for (let host = 0; host < 40; host++)
        quarters.add(pool.candidates(`host ${host}`, [], 0, 2)[1]?.ipv4?.split('.')[1] ?? '');
      assert.deepEqual([...quarters].sort(), ['1', '2', '3', '4']);
    });

    it('gives a thousand hosts on 1,024 slots a subnet each, then fills the pool to the last slot', () => {
      const pool = new SubnetPool({ ipv4: slots1024 });
      const taken = fill(pool, 1000);
      assert.equal(new Set(taken.map((subnets) => subnets.ipv4)).size, 1000);
      assert.deepEqual(pool.usage(taken), { size: 1024, used: 1000, free: 24 });
      fill(pool, 100, taken);
      assert.equal(new Set(taken.map((subnets) => subnets.ipv4)).size, 1024);
      assert.deepEqual(pool.candidates('one more', taken, 0, 4), []);
      taken.splice(512, 1);
      assert.equal(pool.candidates('one more', taken, 0, 4).length, 1);
    });

    it('offers all that is left when that is little', () => {
      const pool = new SubnetPool({ ipv4: slots3 });
      const offered = pool.candidates('host', [], 0, 10).map((subnets) => String(subnets.ipv4));
      assert.deepEqual(offered.sort(), ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24']);
      assert.deepEqual(pool.candidates('host', [], 0, 0), []);
    });

    it('keeps clear of subnets of foreign lengths and of networks elsewhere', () => {
      const pool = new SubnetPool({ ipv4: slots3 });
      const taken = [v4('10.5.1.128/25'), v4('10.5.2.7/32'), v4('192.168.0.0/16')];
      assert.deepEqual(pool.candidates('host', taken, 0, 10), [v4('10.5.3.0/24')]);
      assert.deepEqual(pool.candidates('host', [v4('10.4.0.0/15')], 0, 10), []);
      assert.deepEqual(pool.candidates('host', [v4('10.5.0.0/23')], 0, 10).length, 2);
    });

    it('works on four million slots', () => {
      const pool = new SubnetPool({ ipv4: ipv4Range('10.0.0.0/8', 30, '10.0.0.4', '10.255.255.252') });
      assert.equal(pool.size, 2 ** 22 - 1);
      const taken = fill(pool, 20);
      assert.equal(new Set(taken.map((subnets) => subnets.ipv4)).size, 20);
      assert.deepEqual(pool.candidates('host', [v4('10.0.0.0/9'), v4('10.128.0.0/9')], 0, 4), []);
    });

    it('works on an IPv6 pool that is too large to list', () => {
      const pool = new SubnetPool({
        ipv6: ipv6Range('fd00::/16', 126, 'fd00::4', 'fd00:ffff:ffff:ffff:ffff:ffff:ffff:fffc'),
      });
      const [first] = pool.candidates('2001:db8::1', [], 0, 1);
      assert.ok(first?.ipv6);
      assert.ok(pool.isCompatible(first));
      assert.deepEqual(pool.candidates('2001:db8::1', [{ ipv6: 'fd00::/16' as Ipv6Cidr }], 0, 4), []);
    });
  });

  describe('dual-stack', () => {
    it('gives both subnets one slot', () => {
      const pool = new SubnetPool({ ipv4: slots1024, ipv6: wide6 });
      for (const { ipv4, ipv6 } of fill(pool, 100)) {
        assert.ok(ipv4 && ipv6);
        const slot4 = (toBigInt(addressOf(ipv4)) - toBigInt(slots1024.min)) >> 8n;
        assert.equal((toBigInt(addressOf(ipv6)) - toBigInt(wide6.min)) >> 64n, slot4);
      }
    });

    it('passes over a slot that is taken in one family while another is free in both', () => {
      const pool = new SubnetPool({ ipv4: slots3, ipv6: wide6 });
      const taken = [v4('10.5.1.0/24'), { ipv6: 'fd00:0:0:2::/64' as Ipv6Cidr }];
      assert.deepEqual(pool.candidates('host', taken, 0, 4), [both('10.5.3.0/24', 'fd00:0:0:3::/64')]);
    });

    it('pairs what is left where no slot is free in both', () => {
      const pool = new SubnetPool({ ipv4: slots3, ipv6: wide6 });
      const taken = [v4('10.5.1.0/24'), v4('10.5.2.0/24'), { ipv6: 'fd00:0:0:3::/64' as Ipv6Cidr }];
      assert.deepEqual(pool.candidates('host', taken, 0, 4), [both('10.5.3.0/24', 'fd00:0:0:4::/64')]);
    });

    it('pairs on where the IPv6 pool is the smaller one', () => {
      const small6 = ipv6Range('fd00::/62', 64, 'fd00:0:0:2::', 'fd00:0:0:3::');
      const pool = new SubnetPool({ ipv4: slots3, ipv6: small6 });
      assert.equal(pool.size, 2);
      const taken = fill(pool, 5, [v4('10.5.1.0/24')]);
      assert.equal(taken.length, 3);
      assert.deepEqual(pool.candidates('host', taken, 0, 4), []);
      assert.deepEqual(pool.usage(taken), { size: 2, used: 2, free: 0 });
    });
  });

  describe('fillFamilies', () => {
    const pool = new SubnetPool({ ipv4: slots3, ipv6: wide6 });
    const v6 = (cidr: string): LeaseSubnets => ({ ipv6: cidr as Ipv6Cidr });
    const CASES: readonly (readonly [
      string,
      LeaseSubnets,
      LeaseSubnets[],
      LeaseSubnets,
      LeaseSubnets | undefined,
    ])[] = [
      ['with the same slot', v4('10.5.2.0/24'), [], {}, both('10.5.2.0/24', 'fd00:0:0:2::/64')],
      ['from IPv6', v6('fd00:0:0:3::/64'), [], {}, both('10.5.3.0/24', 'fd00:0:0:3::/64')],
      [
        'with the next slot where that is taken',
        v4('10.5.2.0/24'),
        [v6('fd00:0:0:2::/63')],
        {},
        both('10.5.2.0/24', 'fd00:0:0:4::/64'),
      ],
      [
        'from the start behind the end',
        v6('fd00:0:0:3::/64'),
        [v4('10.5.3.0/24')],
        {},
        both('10.5.1.0/24', 'fd00:0:0:3::/64'),
      ],
      [
        'with what is wished',
        v4('10.5.2.0/24'),
        [],
        v6('fd00:0:0:77::/64'),
        both('10.5.2.0/24', 'fd00:0:0:77::/64'),
      ],
      [
        'without what is wished where that is taken',
        v4('10.5.2.0/24'),
        [v6('fd00:0:0:77::/64')],
        v6('fd00:0:0:77::/64'),
        both('10.5.2.0/24', 'fd00:0:0:2::/64'),
      ],
      ['not at all where none is free', v6('fd00:0:0:3::/64'), [v4('10.5.0.0/16')], {}, undefined],
      [
        'far beyond the other pool',
        v6('fd00:0:0:ffff::/64'),
        [],
        {},
        both('10.5.3.0/24', 'fd00:0:0:ffff::/64'),
      ],
    ];
    for (const [what, kept, taken, wished, expected] of CASES)
      it(what, () => assert.deepEqual(pool.fillFamilies(kept, taken, wished), expected));
  });

  describe('properties', () => {
    const taken4 = fc
      .tuple(fc.nat({ max: 0x7ff }), fc.integer({ min: 20, max: 32 }))
      .map(([offset, length]) => networkOf(ipv4FromNumber(0x0a05_0000 + offset), length));
    const taken6 = fc
      .tuple(fc.bigInt({ min: 0n, max: 15n }), fc.integer({ min: 60, max: 70 }))
      .map(([slot, length]) => networkOf(fromBigInt((0xfd00n << 112n) + (slot << 64n), 6) as Ipv6, length));
    const taken = fc.array(
      fc.oneof(
        taken4.map((ipv4): LeaseSubnets => ({ ipv4 })),
        taken6.map((ipv6): LeaseSubnets => ({ ipv6 })),
        fc.tuple(taken4, taken6).map(([ipv4, ipv6]): LeaseSubnets => ({ ipv4, ipv6 })),
      ),
      { maxLength: 8 },
    );
    const eight4 = ipv4Range('10.5.0.0/21', 24, '10.5.0.0', '10.5.7.0');
    const eight6 = ipv6Range('fd00::/60', 64, 'fd00::', 'fd00:0:0:7::');
    const pools = [
      ['IPv4', new SubnetPool({ ipv4: eight4 })],
      ['IPv6', new SubnetPool({ ipv6: eight6 })],
      ['dual-stack', new SubnetPool({ ipv4: eight4, ipv6: eight6 })],
    ] as const;
    for (const [name, pool] of pools)
      it(`${name}: candidates are distinct, usable and free, and none means that none is left`, () => {
        fc.assert(
          fc.property(fc.string(), taken, fc.nat({ max: 5 }), (identity, others, attempt) => {
            const offered = pool.candidates(identity, others, attempt, 4);
            assert.equal(new Set(offered.map((subnets) => JSON.stringify(subnets))).size, offered.length);
            for (const subnets of offered) {
              assert.ok(pool.isCompatible(subnets), JSON.stringify(subnets));
              assert.ok(!others.some((other) => meet(subnets, other)), JSON.stringify(subnets));
            }
            assert.equal(offered.length === 0, pool.usage(others).free === 0);
          }),
        );
      });
  });
});

function meet(a: LeaseSubnets, b: LeaseSubnets): boolean {
  const meet4 = a.ipv4 !== undefined && b.ipv4 !== undefined && overlaps(a.ipv4, b.ipv4);
  return meet4 || (a.ipv6 !== undefined && b.ipv6 !== undefined && overlaps(a.ipv6, b.ipv6));
}
