// The reconciler and firewall rules: repair at a notification of the kernel, and replacement
// without a moment without rules.
import assert from 'node:assert/strict';
import type { FirewallObject } from '../../backends/kernel-state.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel, type CountingKernel } from '../../test/support/reconciler-host.ts';
import { Reconciler } from './reconciler.ts';

const TABLE: FirewallObject = {
  kind: 'firewall',
  engine: 'nft',
  family: 4,
  name: 'flannel-ipv4',
  rules: 'table\n',
};
const CHAIN: FirewallObject = {
  kind: 'firewall',
  engine: 'iptables',
  family: 4,
  name: 'nat FLANNEL-POSTRTG',
  rules: 'chain\n',
};
const OWNERSHIP = { devices: [], networks: [], interface: 'eth0' };

describe('the reconciler of firewall rules', () => {
  let clock: FakeClock;
  let kernel: CountingKernel;
  let reconciler: Reconciler;

  beforeEach(() => {
    clock = new FakeClock();
    kernel = newKernel();
    reconciler = new Reconciler({ kernel, clock, random: () => 0.5 });
    kernel.subscribe(
      () => reconciler.ownership,
      (notification) => reconciler.handleNotification(notification),
    );
  });

  async function start(...objects: readonly FirewallObject[]): Promise<void> {
    reconciler.setHost(OWNERSHIP, objects);
    reconciler.markComplete();
    reconciler.start();
    await clock.settle();
  }

  const steps = (): string[] =>
    kernel.steps.map(({ action, object }) => `${action} ${(object as FirewallObject).engine}`);
  const kept = (): string[] => [...kernel.firewall.objects.values()].map(({ engine }) => engine).sort();

  for (const [what, change] of [
    ['deleted', undefined],
    ['changed', { ...TABLE, rules: 'other\n' }],
  ] as const)
    it(`restores ${what} rules at once and counts the drift`, async () => {
      await start(TABLE);
      kernel.forgetCalls();
      kernel.firewall.replace(objectKey(TABLE), change);
      await clock.settle();
      assert.deepEqual(kernel.firewall.objects.get(objectKey(TABLE)), TABLE);
      assert.deepEqual([steps(), kernel.reads], [['set nft'], 0]);
      assert.equal(reconciler.status().counters.drift.firewall, 1);
    });

  it('removes unwanted rules after their replacement is set, at a start and later', async () => {
    kernel.firewall.replace(objectKey(CHAIN), CHAIN);
    await start(TABLE);
    assert.deepEqual(steps(), ['set nft', 'remove iptables']);
    assert.ok(kernel.batches.findIndex((batch) => batch.some(({ action }) => action === 'remove')) > 0);
    kernel.forgetCalls();
    reconciler.setHost(OWNERSHIP, [CHAIN]);
    await clock.settle();
    assert.deepEqual(steps(), ['set iptables', 'remove nft']);
    assert.deepEqual(kept(), ['iptables']);
  });

  it('keeps the old rules while the kernel rejects the new ones', async () => {
    kernel.firewall.replace(objectKey(CHAIN), CHAIN);
    kernel.injectFault(objectKey(TABLE), 'EPERM');
    await start(TABLE);
    await clock.advance(10_000);
    assert.deepEqual(kept(), ['iptables']);
    assert.equal(reconciler.summary().host.state, 'error');
    kernel.clearFault(objectKey(TABLE));
    await clock.advance(70_000);
    assert.deepEqual(kept(), ['nft']);
    assert.equal(reconciler.summary().host.state, 'in-sync');
  });

  it('removes rules if none are wanted', async () => {
    kernel.firewall.replace(objectKey(TABLE), TABLE);
    await start();
    assert.deepEqual(kept(), []);
  });
});
