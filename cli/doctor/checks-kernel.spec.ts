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

  it('finds nothing where a discipline of tc gave the device a queue length', async () => {
    const differences = [{ kind: 'different', object: 'link flannel.1', what: 'txqlen 1000' }];
    const facts = { readDiff: () => Promise.resolve({ differences }) } as unknown as Facts;
    assert.deepEqual(await drift.run(facts), []);
  });

  it('finds an error where another object differs', async () => {
    for (const object of ['route 10.5.2.0/24', 'sysctl net/ipv6/conf/all/forwarding'])
      assert.deepEqual(await severities('sysctl net/ipv6/conf/flannel.1/accept_ra', object), ['error']);
  });
});

describe('the neighbour-table check of weft doctor', () => {
  const check = KERNEL_CHECKS.find(({ id }) => id === 'neighbour-table')!;
  const severitiesOf = async (entries: number, permanent: number): Promise<readonly string[]> => {
    const facts = {
      status: Promise.resolve({ peers: { total: 2 } }),
      sysctl: () => Promise.resolve('1024'),
      file: (path: string) =>
        Promise.resolve(
          path.endsWith('arp_cache')
            ? `entries allocs\n${entries.toString(16).padStart(8, '0')} 0\n`
            : undefined,
        ),
      ip: (option: string) =>
        Promise.resolve(option === '-4' ? Array.from({ length: permanent }, () => ({})) : []),
    } as unknown as Facts;
    return (await check.run(facts)).map(({ severity }) => severity);
  };

  it('finds a full table, of which static entries are no part', async () => {
    assert.deepEqual(await severitiesOf(1020, 0), ['error']);
    assert.deepEqual(await severitiesOf(1020, 500), []);
    assert.deepEqual(await severitiesOf(300, 0), []);
  });
});
