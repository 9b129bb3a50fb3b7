import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { attributesOf, NETWORK_DUAL, NETWORK_IPV4, subnets, valueOf } from '../../test/support/lease-host.ts';
import type { IpAddress } from '../../lib/address.ts';
import { chooseSubnet, subnetsOverlap } from './choose-subnet.ts';
import type { Choice, ChoiceInput } from './choose-subnet.ts';
import { ownKeyStatus } from './own-key.ts';
import type { OwnKey } from './own-key.ts';
import { decodeEntry } from '../registry/lease-entry.ts';
import type { Lease } from '../lease.ts';
import { toLeaseId, toRevision } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';
import { formatSubnetKey } from '../registry/subnet-key.ts';
import { SubnetPool } from '../subnet/subnet-pool.ts';

const ME = '192.0.2.1' as IpAddress;
const FORMER = '192.0.2.7' as IpAddress;
const OTHER = '192.0.2.2' as IpAddress;
const KEY = '10.5.9.0-24';

const leaseOf = (entry: RegistryEntry | undefined): Lease | undefined => {
  const decoded = entry && decodeEntry(entry);
  return decoded?.ok === true ? decoded.lease : undefined;
};

describe('ownKeyStatus', () => {
  const identities = { current: { nodeId: ME }, former: [{ nodeId: FORMER }] };
  const own: OwnKey = {
    key: KEY,
    subnets: subnets('10.5.9.0/24'),
    attributes: attributesOf(ME, 'aa'),
    leaseId: toLeaseId('70'),
    modRevision: toRevision(5),
  };
  const is = (value: string, leaseId = '70', modRevision = 6): RegistryEntry => ({
    key: KEY,
    value,
    leaseId: toLeaseId(leaseId),
    modRevision: toRevision(modRevision),
  });
  const CASES: readonly (readonly [string, RegistryEntry | undefined, string])[] = [
    ['what we wrote', is(valueOf(ME), '70', 5), 'intact'],
    ['the same, written again', is(valueOf(ME)), 'rewritten'],
    ['the same in another spelling', is(`${valueOf(ME)} `), 'rewritten'],
    ['the same on another lease', is(valueOf(ME), '71'), 'reattached'],
    ['the same without a lease', is(valueOf(ME), '0'), 'reattached'],
    ['our address with other data', is(valueOf(ME, 'bb')), 'modified'],
    ['our address with other data and lease', is(valueOf(ME, 'bb'), '0'), 'modified'],
    ['garbage', is('{"PublicIP":'), 'modified'],
    ['no address', is('{}'), 'modified'],
    ['our former address on our lease', is(valueOf(FORMER)), 'modified'],
    ['our former address on another lease', is(valueOf(FORMER), '71'), 'taken'],
    ['another host', is(valueOf(OTHER)), 'taken'],
    ['another host without a lease', is(valueOf(OTHER), '0'), 'taken'],
    ['an IPv6-only host', is(valueOf('2001:db8::1')), 'taken'],
    ['nothing', undefined, 'gone'],
  ];
  for (const [what, entry, status] of CASES)
    it(`finds ${status}: ${what}`, () =>
      assert.equal(ownKeyStatus(own, entry, leaseOf(entry), identities), status));
});

describe('chooseSubnet', () => {
  /** Entries as `key: value` or `key: value @lease`. */
  const choose = (entries: Record<string, string>, more: Partial<ChoiceInput> = {}): string => {
    const list = Object.entries(entries).map(([key, text]) => {
      const [value = '', leaseId = '70'] = text.split(' @');
      return [key, { key, value, leaseId: toLeaseId(leaseId), modRevision: toRevision(3) }] as const;
    });
    const leases = list.flatMap(([, entry]) => leaseOf(entry) ?? []);
    const input: ChoiceInput = {
      nodeId: ME,
      pool: new SubnetPool(NETWORK_IPV4),
      entries: new Map(list),
      leases: new Map(leases.map((lease) => [lease.key, lease])),
      tombstones: new Map(),
      attempt: 0,
      ...more,
    };
    return show(chooseSubnet(input));
  };
  const show = (choice: Choice): string => {
    if (choice.kind === 'exhausted') return 'exhausted';
    if (choice.kind === 'move') return `move ${choice.entry.key} to ${formatSubnetKey(choice.subnets)}`;
    if (choice.kind !== 'create') return `${choice.kind} ${choice.entry.key}`;
    return choice.isPreferred ? `prefer ${choice.subnets.map(formatSubnetKey).join()}` : 'any';
  };
  const previous = subnets('10.5.77.0/24');
  const lost = { key: KEY, subnets: subnets('10.5.9.0/24') };
  const full = Object.fromEntries(
    Array.from({ length: 255 }, (_, i) => [`10.5.${i + 1}.0-24`, valueOf(OTHER)]),
  );

  const CASES: readonly (readonly [string, Record<string, string>, Partial<ChoiceInput>, string])[] = [
    ['an empty registry', {}, {}, 'any'],
    [
      'a previous subnet with an address of the underlay',
      {},
      { previous, avoided: [subnets('10.5.77.9/32')] },
      'any',
    ],
    [
      'an own key with an address of the underlay',
      { [KEY]: valueOf(ME) },
      { previous, avoided: [subnets('10.5.9.1/32')] },
      `remove ${KEY}`,
    ],
    ['a lost key with an address of the underlay', {}, { lost, avoided: [subnets('10.5.9.1/32')] }, 'any'],
    [
      'a previous subnet with the public address of a peer',
      { '10.5.3.0-24': valueOf('10.5.77.8') },
      { previous },
      'any',
    ],
    ['the previous subnet', {}, { previous }, 'prefer 10.5.77.0-24'],
    ['own key before the previous subnet', { [KEY]: valueOf(ME) }, { previous }, `adopt ${KEY}`],
    [
      'first own key in key order',
      { '10.5.8.0-24': valueOf(ME), '10.5.10.0-24': valueOf(ME) },
      {},
      'adopt 10.5.10.0-24',
    ],
    [
      'of several own keys that of the previous subnet',
      { '10.5.1.0-24': valueOf(ME), '10.5.77.0-24': valueOf(ME), '10.5.8.0-24': valueOf(ME) },
      { previous },
      'adopt 10.5.77.0-24',
    ],
    [
      'of several own keys none that another host has',
      { '10.5.1.0-24': valueOf(ME), '10.5.77.0-24': valueOf(OTHER) },
      { previous },
      'adopt 10.5.1.0-24',
    ],
    [
      'own key outside of the network',
      { '10.6.8.0-24': valueOf(ME), [KEY]: valueOf(ME) },
      {},
      'remove 10.6.8.0-24',
    ],
    ['own reservation outside', { '10.6.8.0-24': `${valueOf(ME)} @0` }, {}, 'any'],
    ['own reservation', { [KEY]: `${valueOf(ME)} @0` }, {}, `adopt ${KEY}`],
    ['empty reservation of the previous subnet', { '10.5.77.0-24': ' @0' }, { previous }, 'any'],
    ['key with host bits on the previous subnet', { '10.5.77.9-24': 'x' }, { previous }, 'any'],
    ['the previous subnet in a newer list', {}, { previous, takenKeys: ['10.5.77.0-24'] }, 'any'],
    ['previous subnet of another length', {}, { previous: subnets('10.5.77.0/25') }, 'any'],
    ['the lost subnet', {}, { lost, previous }, `prefer ${KEY}`],
    ['the lost subnet before another own key', { '10.5.8.0-24': valueOf(ME) }, { lost }, `prefer ${KEY}`],
    ['the lost key back', { [KEY]: valueOf(ME) }, { lost }, `adopt ${KEY}`],
    ['the lost key with garbage', { [KEY]: 'x' }, { lost }, `adopt ${KEY}`],
    [
      'the lost key given up',
      { [KEY]: valueOf(ME) },
      { lost, tombstones: new Map([[KEY, toRevision(9)]]) },
      `adopt ${KEY}`,
    ],
    ['the lost key of another host', { [KEY]: valueOf(OTHER) }, { lost, previous }, 'prefer 10.5.77.0-24'],
    ['a full pool', full, { previous, lost }, 'exhausted'],
    ['a full pool with our key in it', { ...full, [KEY]: valueOf(ME) }, { previous }, `adopt ${KEY}`],
    ['a wide key over all', { '10.5.0.0-16': 'x' }, {}, 'exhausted'],
  ];
  for (const [what, entries, more, expected] of CASES)
    it(`${what}: ${expected}`, () => assert.equal(choose(entries, more), expected));

  it('lets a key that it removed count for nothing, until it is written again', () => {
    const entries = { '10.5.77.0-24': valueOf(ME) };
    const at = (revision: number): Partial<ChoiceInput> => ({
      previous,
      tombstones: new Map([['10.5.77.0-24', toRevision(revision)]]),
    });
    assert.equal(choose(entries, at(3)), 'prefer 10.5.77.0-24');
    assert.equal(choose(entries, at(2)), 'adopt 10.5.77.0-24');
  });

  describe('dual-stack', () => {
    const pool = new SubnetPool(NETWORK_DUAL);
    const both = subnets('10.5.77.0/24 fd00:0:0:7::/64');
    const DUAL_KEY = `${KEY}&fd00:0:0:7::-64`;
    const DUAL_CASES: typeof CASES = [
      ['the previous subnets', {}, { previous: both }, 'prefer 10.5.77.0-24&fd00:0:0:7::-64'],
      ['the previous IPv4 subnet alone', {}, { previous }, 'prefer 10.5.77.0-24&fd00:0:0:4d::-64'],
      [
        'the previous subnets, one of them taken',
        { '10.5.1.0-24&fd00:0:0:7::-64': 'x' },
        { previous: both },
        'prefer 10.5.77.0-24&fd00:0:0:4d::-64',
      ],
      [
        'the previous subnets, both taken',
        { '10.5.77.0-24&fd00:0:0:7::-64': 'x' },
        { previous: both },
        'any',
      ],
      ['own key of IPv4 alone', { [KEY]: valueOf(ME) }, {}, `move ${KEY} to ${KEY}&fd00:0:0:9::-64`],
      [
        'own key of IPv4 alone, with an earlier IPv6 subnet',
        { [KEY]: valueOf(ME) },
        { previous: both },
        `move ${KEY} to ${DUAL_KEY}`,
      ],
      ['own key of both', { [DUAL_KEY]: valueOf(ME) }, {}, `adopt ${DUAL_KEY}`],
      [
        'own key of both beside one of IPv4 alone',
        { '10.5.8.0-24': valueOf(ME), [DUAL_KEY]: valueOf(ME) },
        {},
        'remove 10.5.8.0-24',
      ],
      ['the lost IPv4 subnet', {}, { lost }, `prefer ${KEY}&fd00:0:0:9::-64`],
    ];
    for (const [what, entries, more, expected] of DUAL_CASES)
      it(`${what}: ${expected}`, () => assert.equal(choose(entries, { pool, ...more }), expected));

    it('turned off: puts the key of IPv4 alone in the place of its own', () =>
      assert.equal(choose({ [DUAL_KEY]: valueOf(ME) }, { previous: both }), `move ${DUAL_KEY} to ${KEY}`));
  });
});

describe('subnetsOverlap', () => {
  const CASES: readonly (readonly [string, string, boolean])[] = [
    ['10.5.1.0/24', '10.5.1.0/24', true],
    ['10.5.1.0/24', '10.5.2.0/24', false],
    ['10.5.1.0/24', '10.5.0.0/16', true],
    ['10.5.1.128/25', '10.5.1.0/24', true],
    ['10.5.1.0/24 fd00::/64', '10.5.2.0/24 fd00::/64', true],
    ['10.5.1.0/24', 'fd00::/64', false],
  ];
  for (const [a, b, expected] of CASES)
    it(`${a} and ${b}: ${expected}`, () => {
      assert.equal(subnetsOverlap(subnets(a), subnets(b)), expected);
      assert.equal(subnetsOverlap(subnets(b), subnets(a)), expected);
    });
});
