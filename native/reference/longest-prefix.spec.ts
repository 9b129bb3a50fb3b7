import assert from 'node:assert/strict';
import { longestPrefix } from './longest-prefix.ts';

const prefix = (bits: number, ...subnet: number[]) => ({ subnet: Uint8Array.from(subnet), bits });

describe('longestPrefix', () => {
  const all = prefix(0, 0, 0, 0, 0);
  const wide = prefix(16, 10, 7, 0, 0);
  const narrow = prefix(25, 10, 7, 1, 128);
  const ipv6 = prefix(7, 0xfc, ...new Uint8Array(15));
  const routes = [narrow, all, ipv6, wide];

  for (const [address, expected] of [
    [[10, 7, 1, 129], narrow],
    [[10, 7, 1, 127], wide],
    [[10, 8, 1, 129], all],
    [[0xfd, ...new Uint8Array(15)], ipv6],
    [[0xfe, ...new Uint8Array(15)], undefined],
  ] as const)
    it(`of ${address.slice(0, 4).join('.')}`, () =>
      assert.equal(longestPrefix(routes, Uint8Array.from(address)), expected));
});
