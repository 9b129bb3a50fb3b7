import assert from 'node:assert/strict';
import { nearMissesOf, nearMissRemedy } from './config-near-misses.ts';

const KEY = '/coreos.com/network/config';

describe('near misses of the key of the network config', () => {
  for (const key of [
    '/coreos.com/network',
    '/coreos.com/network/',
    '/coreos.com/network/config/',
    '/coreos.com/network//config',
    'coreos.com/network/config',
    '//coreos.com/network/config',
    '/atomic.io/network/config',
  ])
    it(`are such as ${key}`, () => assert.ok(nearMissesOf(KEY).includes(key)));

  it('are flannel’s own key where the prefix is another, and never the key itself', () => {
    const keys = nearMissesOf('/weft/config');
    assert.ok(keys.includes(KEY));
    assert.ok(!keys.includes('/weft/config'));
    assert.equal(new Set(keys).size, keys.length);
    // etcd refuses more than 128 operations in a transaction.
    assert.ok(keys.length < 128);
  });

  it('are moved, or read by another prefix', () => {
    assert.match(
      nearMissRemedy('/atomic.io/network/config', KEY),
      /^weft does not read the one at \/atomic\.io\/network\/config: move it to .*, or give --etcd-prefix \/atomic\.io\/network$/,
    );
    assert.match(nearMissRemedy('/coreos.com/network', KEY), /move it to \/coreos\.com\/network\/config$/);
  });
});
