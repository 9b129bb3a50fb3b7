import assert from 'node:assert/strict';
import { systemClock } from '../../lib/clock.ts';
import { MemoryStore } from '../registry/memory/registry-memory-store.ts';
import { MemoryRegistry } from '../registry/memory/registry-memory.ts';
import { decodeNodeEntry } from '../registry/kubernetes/node-lease.ts';
import { describeLeases, findLease, LeaseAdminError, releaseLease, reserveLease } from './lease-admin.ts';
import { NO_LEASE, toRevision } from '../registry/registry.ts';

const VALUE =
  '{"PublicIP":"198.18.1.2","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:02"}}';
const BARE = '{"PublicIP":"198.18.1.9","PublicIPv6":null}';

describe('leases by hand', () => {
  let registry: MemoryRegistry;

  async function start(config = '{"Network":"10.5.0.0/16"}'): Promise<void> {
    const store = new MemoryStore({ clock: systemClock });
    store.putConfig(config);
    registry = new MemoryRegistry(store);
    const leaseId = await registry.grant(60);
    await registry.create({ keys: ['10.5.72.0-24'], value: VALUE, leaseId });
  }
  beforeEach(() => start());

  async function leases() {
    return describeLeases((await registry.snapshot()).entries, '10.5.72.0-24');
  }

  async function refusal(act: Promise<unknown>): Promise<string> {
    const error = await act.then(
      () => assert.fail('was not refused'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof LeaseAdminError, String(error));
    return `${error.reason}: ${error.message}`;
  }

  it('are no reservations where the registry assigns subnets without leases', () => {
    const value = JSON.stringify({
      uid: 'u',
      podCidrs: ['10.244.1.0/24'],
      value: { PublicIP: '198.18.1.1' },
    });
    const entry = { key: 'node-1', value, leaseId: NO_LEASE, modRevision: toRevision(7) };
    const [lease] = describeLeases([entry], 'node-1', decodeNodeEntry);
    assert.deepEqual([lease?.ipv4, lease?.isReservation], ['10.244.1.0/24', false]);
  });

  it('are listed by number, bad keys with what is wrong', async () => {
    await registry.create({ keys: ['10.5.100.0-24'], value: VALUE, leaseId: NO_LEASE });
    await registry.create({ keys: ['rubbish'], value: '{}', leaseId: NO_LEASE });
    const [first, second, third] = await leases();
    assert.deepEqual([first?.key, first?.isOwn, first?.isReservation], ['10.5.72.0-24', true, false]);
    assert.deepEqual([second?.key, second?.isOwn, second?.isReservation], ['10.5.100.0-24', false, true]);
    assert.match(third?.problem ?? '', /is no subnet key/);
  });

  it('are found by key, subnet and public IP', async () => {
    for (const text of ['10.5.72.0-24', '10.5.72.0/24', '198.18.1.2'])
      assert.equal(findLease(await leases(), text)?.key, '10.5.72.0-24');
    assert.equal(findLease(await leases(), '10.5.73.0/24'), undefined);
  });

  it('reserve what a host holds, with its value as it is, and only once', async () => {
    const change = await reserveLease(registry, { subnet: '10.5.72.0/24' });
    assert.equal(change.outcome, 'reserved');
    const [lease] = await leases();
    assert.deepEqual([lease?.isReservation, lease?.value], [true, VALUE]);
    const again = await reserveLease(registry, { subnet: '10.5.72.0/24', publicIp: '198.18.1.2' });
    assert.equal(again.outcome, 'unchanged');
    assert.equal((await leases())[0]?.modRevision, lease?.modRevision);
  });

  it('reserve a free subnet for a host that is to come', async () => {
    await reserveLease(registry, { subnet: '10.5.73.0/24', publicIp: '198.18.1.9' });
    const lease = findLease(await leases(), '10.5.73.0/24');
    assert.deepEqual([lease?.isReservation, lease?.publicIp, lease?.value], [true, '198.18.1.9', BARE]);
  });

  it('have and are found by the names of their hosts', async () => {
    const { entries } = await registry.snapshot();
    const named = describeLeases(entries, undefined, undefined, ({ attributes }) =>
      attributes.publicIp === '198.18.1.2' ? 'db-2' : undefined,
    );
    assert.deepEqual([named[0]?.name, findLease(named, 'db-2')?.key], ['db-2', '10.5.72.0-24']);
  });

  it('reserve no second subnet for a host that holds one', async () => {
    const second = { subnet: '10.5.73.0/24', publicIp: '198.18.1.2' };
    assert.match(
      await refusal(reserveLease(registry, second)),
      /^conflict: 198\.18\.1\.2 holds 10\.5\.72\.0\/24 already, .*reserve that, or release it first/,
    );
    await reserveLease(registry, { subnet: '10.5.74.0/24', publicIp: '198.18.1.9' });
    assert.match(
      await refusal(reserveLease(registry, { ...second, publicIp: '198.18.1.9' })),
      /holds 10\.5\.74\.0\/24 already/,
    );
  });

  it('reserve both families of a network that has two, the second at the place of the first', async () => {
    await start('{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:5::/48"}');
    const { key } = await reserveLease(registry, { subnet: '10.5.3.0/24', publicIp: '198.18.1.9' });
    assert.match(key, /^10\.5\.3\.0-24&fd00:5:[0-9a-f:]+-64$/);
  });

  const refused: readonly (readonly [string, string | undefined, RegExp])[] = [
    ['10.5.73.0/24', undefined, /^bad-request: No host holds 10\.5\.73\.0\/24: name the host/],
    ['10.5.73.0/24', 'host9', /^bad-request: public IP "host9": not an IP address/],
    ['10.5.72.0/24', '198.18.1.9', /^conflict: .* is held by 198\.18\.1\.2, not by 198\.18\.1\.9: release/],
    [
      '10.6.1.0/24',
      '198.18.1.9',
      /^bad-request: 10\.6\.1\.0\/24 is not a host subnet of the network 10\.5\.0\.0\/16/,
    ],
    ['10.5.73.0/25', '198.18.1.9', /^bad-request: .*check range, prefix length and boundary/],
    ['10.5.73.1/24', '198.18.1.9', /^bad-request: "10\.5\.73\.1\/24" is not a subnet: write for example/],
    ['everything', '198.18.1.9', /^bad-request: "everything" is not a subnet/],
  ];
  for (const [subnet, publicIp, message] of refused)
    it(`refuse to reserve ${subnet} for ${publicIp ?? 'no host'}`, async () => {
      const before = await leases();
      assert.match(await refusal(reserveLease(registry, { subnet, ...(publicIp && { publicIp }) })), message);
      assert.deepEqual(await leases(), before);
    });

  it('release a key, if it was not written since it was listed', async () => {
    const [lease] = await leases();
    const { modRevision } = lease!;
    assert.match(
      await refusal(releaseLease(registry, { subnet: '10.5.72.0/24', modRevision: modRevision - 1 })),
      /^conflict: 10\.5\.72\.0-24 was changed concurrently/,
    );
    assert.equal((await leases()).length, 1);
    await releaseLease(registry, { subnet: '10.5.72.0/24', modRevision });
    assert.deepEqual(await leases(), []);
    assert.match(
      await refusal(releaseLease(registry, { subnet: '10.5.72.0/24', modRevision })),
      /^not-found: No host holds 10\.5\.72\.0\/24/,
    );
  });
});
