import assert from 'node:assert/strict';
import { findingOf } from './certificate-check.ts';

const NOW = Date.UTC(2026, 0, 10);
const at = (day: number): Date => new Date(Date.UTC(2026, 0, day));

describe('the end of a certificate for etcd', () => {
  const cases = [
    ['none', undefined, undefined],
    ['far', at(25), undefined],
    [
      '14 days ahead',
      at(24),
      /^warning A certificate for etcd ends in 14 days --etcd-cafile \/ca is valid until 2026-01-24T/,
    ],
    ['tomorrow', at(11), /^warning .* ends in 1 days/],
    ['now', at(10), /^error A certificate for etcd has expired/],
    [
      'past',
      at(1),
      /^error A certificate for etcd has expired --etcd-cafile \/ca is valid until 2026-01-01T/,
    ],
  ] as const;
  for (const [name, end, expected] of cases)
    it(name, () => {
      const found = findingOf('--etcd-cafile /ca', end, NOW);
      if (expected === undefined) assert.equal(found, undefined);
      else assert.match(`${found?.severity} ${found?.title} ${found?.evidence.join('')}`, expected);
    });
});
