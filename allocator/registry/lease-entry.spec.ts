import assert from 'node:assert/strict';
import { decodeEntry } from './lease-entry.ts';
import { NO_LEASE, toLeaseId, toRevision } from './registry.ts';
import type { RegistryEntry } from './registry.ts';

const good: RegistryEntry = {
  key: '10.5.52.0-24',
  value: '{"PublicIP":"1.2.3.4","PublicIPv6":null,"BackendType":"host-gw"}',
  leaseId: toLeaseId('7587870291840000001'),
  modRevision: toRevision(12),
};

describe('decodeEntry', () => {
  it('makes a lease', () => {
    assert.deepEqual(decodeEntry(good), {
      ok: true,
      lease: {
        key: '10.5.52.0-24',
        subnets: { ipv4: '10.5.52.0/24' },
        attributes: { publicIp: '1.2.3.4', backendType: 'host-gw' },
        isReservation: false,
      },
    });
  });

  it('takes a key without etcd lease for a reservation', () => {
    const decoded = decodeEntry({ ...good, leaseId: NO_LEASE });
    assert.ok(decoded.ok);
    assert.equal(decoded.lease.isReservation, true);
  });

  it('keeps the key text as it is, for writing to the same key', () => {
    const decoded = decodeEntry({ ...good, key: '10.5.52.0-024' });
    assert.ok(decoded.ok);
    assert.equal(decoded.lease.key, '10.5.52.0-024');
  });

  const bad: readonly (readonly [string, Partial<RegistryEntry>, object])[] = [
    ['a garbage key blocks nothing', { key: 'lock' }, {}],
    ['a garbage value blocks its subnet', { value: 'x' }, { blocked: { ipv4: '10.5.52.0/24' } }],
    ['an empty value blocks its subnet', { value: '' }, { blocked: { ipv4: '10.5.52.0/24' } }],
    [
      'host bits block the subnet around them',
      { key: '10.5.52.7-24' },
      { blocked: { ipv4: '10.5.52.0/24' } },
    ],
  ];
  for (const [name, change, blocked] of bad)
    it(name, () => {
      const entry = { ...good, ...change };
      const decoded = decodeEntry(entry);
      assert.ok(!decoded.ok);
      const { reason, ...rest } = decoded.invalid;
      assert.notEqual(reason, '');
      assert.deepEqual(rest, { key: entry.key, ...blocked });
    });
});
