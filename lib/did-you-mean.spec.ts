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
  for (const [word, expected] of cases)
    it(`${JSON.stringify(word)}: ${expected ?? 'nothing'}`, () =>
      assert.equal(didYouMean(word, ['network', 'subnetlen', 'subnetmin']), expected));
});
