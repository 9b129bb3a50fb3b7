import assert from 'node:assert/strict';
import { readBootIdentity } from './boot-identity.ts';

describe('the identity of a boot', () => {
  it('is the same for every process', async () => {
    const identity = await readBootIdentity();
    assert.match(identity, /^[0-9a-f]{16}$/);
    assert.equal(await readBootIdentity(), identity);
  });

  it('is random where the kernel names no boot', async () => {
    const identity = await readBootIdentity('/nowhere');
    assert.match(identity, /^[0-9a-f]{16}$/);
    assert.notEqual(await readBootIdentity('/nowhere'), identity);
  });
});
