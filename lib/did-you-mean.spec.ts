import assert from 'node:assert/strict';
import { didYouMean } from './did-you-mean.ts';

describe('didYouMean', () => {
  const cases = [
    ['netwrok', 'network'],
    ['subnetlenn', 'subnetlen'],
    ['network', 'network'],
    ['subnet', undefined],
    ['mt', undefined],
    ['something else', undefined],
    ['', undefined],
  ] as const;
  for (const [name, expected] of cases)
    it(`${JSON.stringify(name)}: ${expected ?? 'nothing'}`, () =>
      assert.equal(didYouMean(name, ['network', 'subnetlen', 'subnetmin']), expected));
});
