import assert from 'node:assert/strict';
import { ip4, lease, subnets } from '../../backends/fixture.ts';
import type { Interface } from '../kernel/kernel.ts';
import { previousSubnets } from './subnets-in-use.ts';

const ME = ip4('10.9.0.1');
const own = (subnet: string) => lease(subnet, { backendType: 'vxlan', publicIp: ME });
const other = (subnet: string) => lease(subnet, { backendType: 'vxlan', publicIp: ip4('10.9.0.2') });

function device(name: string, address: string): Interface {
  const entry = { address: ip4(address), prefixLength: 24, scope: 'global' } as const;
  const flags = { isPermanent: true, isTemporary: false, isDeprecated: false };
  const rest = { index: 1, mtu: 1500, isUp: true, isLoopback: false, type: 'bridge' };
  return { name, ...rest, addresses: [{ ...entry, ...flags }] };
}

describe('the subnets that a host had before', () => {
  const both = [own('10.5.1.0/24'), own('10.5.100.0/24')];
  const bridge = device('cni0', '10.5.100.1');
  for (const [name, written, leases, interfaces, expected] of [
    ['that of subnet.env, if it is leased', '10.5.1.0/24', both, [bridge], '10.5.1.0/24'],
    ['those of containers, if subnet.env is missing', undefined, both, [bridge], '10.5.100.0/24'],
    ['those of containers, if subnet.env names another', '10.5.7.0/24', both, [bridge], '10.5.100.0/24'],
    ['that of subnet.env, without containers', '10.5.7.0/24', both, [], '10.5.7.0/24'],
    ['no device of the overlay', undefined, both, [device('flannel.1', '10.5.100.0')], undefined],
    [
      'no subnet of another host',
      undefined,
      [own('10.5.1.0/24'), other('10.5.100.0/24')],
      [bridge],
      undefined,
    ],
    ['that of subnet.env beside one lease', '10.5.7.0/24', [own('10.5.100.0/24')], [bridge], '10.5.7.0/24'],
  ] as const)
    it(`are ${name}`, async () => {
      const input = { identity: { nodeId: ME }, leases, readInterfaces: () => Promise.resolve(interfaces) };
      const found = await previousSubnets({ ...input, written: written && subnets(written) });
      assert.deepEqual(found, expected && subnets(expected));
    });
});
