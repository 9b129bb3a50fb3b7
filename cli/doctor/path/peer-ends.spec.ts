import assert from 'node:assert/strict';
import { cidr } from '../../../backends/fixture.ts';
import { addressOf, addToAddress, contains, familyOf } from '../../../lib/address.ts';
import { halvesOf } from './peer-ends.ts';

describe('an address of each half of a subnet', () => {
  for (const [text, expected] of [
    ['10.5.2.0/24', '10.5.2.2 10.5.2.130'],
    ['10.5.0.0/20', '10.5.0.2 10.5.8.2'],
    ['10.5.2.64/26', '10.5.2.66 10.5.2.98'],
    ['10.5.2.8/29', '10.5.2.10 10.5.2.14'],
    ['10.5.2.4/30', '10.5.2.6 10.5.2.6'],
    ['fd00:5::/64', 'fd00:5::1'],
  ] as const)
    it(text, () => {
      const subnet = cidr(text);
      const address = addToAddress(addressOf(subnet), 2n);
      const halves = halvesOf({ key: 'a', family: familyOf(subnet), subnet, address });
      assert.equal(halves.join(' '), expected);
      assert.ok(halves.every((each) => contains(subnet, each)));
    });
});
