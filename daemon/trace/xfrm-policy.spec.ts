import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { parseXfrmPolicies, policyOf } from './xfrm-policy.ts';

const TEXT = `src 10.5.0.0/16 dst 10.5.0.0/16 
	dir fwd action block priority 7 ptype main 
src 10.5.1.0/24 dst 10.5.2.0/24 
	dir fwd priority 5 ptype main 
	tmpl src 198.18.1.1 dst 198.18.1.2
		proto esp reqid 1 mode tunnel
src 198.18.1.1/32 dst 198.18.1.2/32 proto udp dport 8472 
	dir out action block priority 0 ptype main 
src 0.0.0.0/0 dst 0.0.0.0/0 
	socket in priority 0 ptype main 
`;

describe('policies of IPsec', () => {
  const policies = parseXfrmPolicies(TEXT);
  const inner = {
    source: '10.5.1.2' as IpAddress,
    target: '10.5.2.2' as IpAddress,
    protocol: 'tcp',
    port: 9,
  };
  const outer = {
    source: '198.18.1.1' as IpAddress,
    target: '198.18.1.2' as IpAddress,
    protocol: 'udp',
    port: 8472,
  };

  it('are those with a direction', () => assert.equal(policies.length, 3));

  for (const [name, direction, packet, expected] of [
    ['the smallest priority', 'fwd', inner, 'src 10.5.1.0/24 dst 10.5.2.0/24 passes'],
    [
      'the network',
      'fwd',
      { ...inner, source: '10.5.9.2' as IpAddress },
      'src 10.5.0.0/16 dst 10.5.0.0/16 blocks',
    ],
    ['protocol and port', 'out', outer, 'src 198.18.1.1/32 dst 198.18.1.2/32 proto udp dport 8472 blocks'],
    ['no other port', 'out', { ...outer, port: 53 }, undefined],
    ['no other direction', 'in', outer, undefined],
  ] as const)
    it(`match by ${name}`, () => {
      const policy = policyOf(policies, direction, packet);
      assert.equal(policy && `${policy.selector} ${policy.isBlocking ? 'blocks' : 'passes'}`, expected);
    });
});
