import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { DifferenceV1 } from '../../api/index.ts';
import { KERNEL_CHECKS } from './checks-kernel.ts';
import type { Facts } from './facts.ts';

const drift = KERNEL_CHECKS.find(({ id }) => id === 'kernel-drift')!;

/** Severities of what the check finds when `objects` differ all the time. */
async function severities(...objects: readonly string[]): Promise<readonly string[]> {
  const differences = objects.map((object): DifferenceV1 => ({ kind: 'different', object }));
  const facts = { readDiff: () => Promise.resolve({ differences }) } as unknown as Facts;
  return (await drift.run(facts)).map(({ severity }) => severity);
}

describe('the kernel-drift check of weft doctor', () => {
  it('finds nothing where router advertisements of an overlay device cannot be turned off', async () => {
    assert.deepEqual(await severities('sysctl net/ipv6/conf/flannel.1/accept_ra'), []);
    assert.deepEqual(await severities('sysctl net/ipv6/conf/flannel-v6.1/accept_ra'), []);
  });

  it('finds an error where another object differs', async () => {
    for (const object of ['route 10.5.2.0/24', 'sysctl net/ipv6/conf/all/forwarding'])
      assert.deepEqual(await severities('sysctl net/ipv6/conf/flannel.1/accept_ra', object), ['error']);
  });
});
