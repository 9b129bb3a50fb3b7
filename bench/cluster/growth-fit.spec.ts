import assert from 'node:assert/strict';
import { fitGrowth, formatGrowth } from './growth-fit.ts';

const HOSTS = [10, 100, 1000, 10_000];

describe('fitGrowth', () => {
  for (const [name, valueOf] of [
    ['constant', () => 7],
    ['sublinear', (hosts: number) => Math.sqrt(hosts)],
    ['linear', (hosts: number) => 3 * hosts],
    ['between linear and quadratic', (hosts: number) => hosts ** 1.5],
    ['quadratic', (hosts: number) => hosts ** 2 / 5],
    ['worse than quadratic', (hosts: number) => hosts ** 3],
  ] as const)
    it(`calls it ${name}`, () => {
      const growth = fitGrowth(HOSTS.map((hosts) => ({ hosts, value: valueOf(hosts) })));
      assert.equal(growth.name, name);
      assert.ok(growth.high - growth.low < 1e-6, 'values without noise leave no doubt');
    });

  it('holds the true exponent of noisy values within its interval, which is wider the more they differ', () => {
    const noisy = (factor: number) =>
      fitGrowth(HOSTS.map((hosts, index) => ({ hosts, value: hosts * (index % 2 ? factor : 1 / factor) })));
    const [little, much] = [noisy(1.05), noisy(1.5)];
    for (const { low, high } of [little, much]) assert.ok(low < 1 && high > 1);
    assert.ok(much.high - much.low > little.high - little.low);
  });

  it('knows no interval of two points', () => {
    const growth = fitGrowth([
      { hosts: 10, value: 10 },
      { hosts: 100, value: 100 },
    ]);
    assert.equal(formatGrowth(growth), '1.00: linear');
  });

  it('refuses values of one number of hosts', () => {
    assert.throws(() => fitGrowth([{ hosts: 10, value: 1 }]), /two numbers of hosts/);
  });
});
