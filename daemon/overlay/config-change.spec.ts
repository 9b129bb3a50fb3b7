import assert from 'node:assert/strict';
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import { VXLAN, vxlanPeer, network } from '../../backends/fixture.ts';
import { planConfigChange, type ConfigEffect } from './config-change.ts';

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
    name: 'the usual port, written out',
    after: withBackend({ ...VXLAN, port: 8472 }),
    effect: 'live',
    changes: ['Backend.Port: unset -> 8472'],
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
});
