import assert from 'node:assert/strict';
import { fileChanges } from './file-changes.ts';

describe('the changes of subnet.env', () => {
  const before = 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\n';

  it('are the variables that differ', () => {
    assert.deepEqual(fileChanges(before, before.replace('1450', '1350')), ['FLANNEL_MTU: 1450 -> 1350']);
    assert.deepEqual(fileChanges('', 'A=1\n'), ['A: unset -> 1']);
    assert.deepEqual(fileChanges(before, before), []);
  });

  it('are none of a document', () => {
    assert.deepEqual(fileChanges('{"mtu": 1450}', '{"mtu": 1350}'), []);
  });
});
