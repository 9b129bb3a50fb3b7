import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { podCidrsOf } from './lab-cluster.ts';

describe('pod CIDRs of a lab', () => {
  const cases: readonly [what: string, config: object, number: number, expected: readonly string[]][] = [
    ['IPv4', { Network: '10.5.0.0/16' }, 3, ['10.5.3.0/24']],
    [
      'both families',
      { Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:10::/48' },
      2,
      ['10.5.2.0/24', 'fd00:10:0:2::/64'],
    ],
    [
      'IPv6 alone',
      { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:10::/48' },
      255,
      ['fd00:10:0:ff::/64'],
    ],
  ];
  for (const [what, config, number, expected] of cases)
    it(`are one of each family: ${what}`, () =>
      assert.deepEqual(podCidrsOf(JSON.stringify(config), number), expected));

  it('end with the network', () => {
    const config = '{"Network":"10.5.0.0/16"}';
    assert.deepEqual(podCidrsOf(config, 255), ['10.5.255.0/24']);
    assert.throws(() => podCidrsOf(config, 256), /10\.5\.0\.0\/16 has no pod CIDR for h256.*larger network/);
  });
});
