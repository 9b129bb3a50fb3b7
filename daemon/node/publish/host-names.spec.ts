import assert from 'node:assert/strict';
import { MemoryRegistry } from '../../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../../allocator/registry/memory/registry-memory-store.ts';
import { NO_LEASE } from '../../../allocator/registry/registry.ts';
import { vxlanPeer } from '../../../backends/fixture.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { HostNames } from './host-names.ts';

describe('the names of hosts', () => {
  const [second, third] = [vxlanPeer(2), vxlanPeer(3)];
  let clock: FakeClock;
  let registry: MemoryRegistry;

  beforeEach(() => {
    clock = new FakeClock();
    registry = new MemoryRegistry(new MemoryStore({ clock }));
  });

  async function publish(publicIp: string, report: object): Promise<void> {
    const value = JSON.stringify({ version: 1, key: '', config: { revision: 1 }, ...report });
    await registry.writeMeta({ key: `hosts/${publicIp}`, value, leaseId: NO_LEASE });
  }

  it('are those that hosts publish, read once in half a minute', async () => {
    const names = new HostNames(registry, clock);
    await publish(second.attributes.publicIp!, { name: 'db-2' });
    await publish(third.attributes.publicIp!, {});
    assert.equal(names.of(second), undefined);
    await names.refresh();
    assert.deepEqual([names.of(second), names.of(third)], ['db-2', undefined]);
    await names.refresh();
    assert.equal(registry.calls.listMeta, 1);
    await publish(third.attributes.publicIp!, { name: 'web-3' });
    await clock.advance(31_000);
    await names.refresh();
    assert.equal(names.of(third), 'web-3');
  });

  it('stay as they were while the registry does not answer', async () => {
    const names = new HostNames(registry, clock, 5);
    await publish(second.attributes.publicIp!, { name: 'db-2' });
    await names.refresh();
    await clock.advance(31_000);
    Object.assign(registry, { listMeta: () => new Promise(() => undefined) });
    await names.refresh();
    assert.equal(names.of(second), 'db-2');
  });

  it('are those of Nodes where Kubernetes assigns subnets', async () => {
    const names = new HostNames({ allocation: 'assigned' }, clock);
    await names.refresh();
    assert.equal(names.of({ key: 'node-7', attributes: {} }), 'node-7');
  });
});
