import assert from 'node:assert/strict';
import { EtcdKeys } from './keys.ts';
import type { KeyValue } from './wire/messages.ts';

const PREFIX = '/coreos.com/network/subnets/';
const keys = new EtcdKeys({ configKey: '/coreos.com/network/config', subnetsPrefix: PREFIX });
const pair = (change: Partial<KeyValue> = {}): KeyValue => ({
  key: Buffer.from(`${PREFIX}10.5.2.0-24`),
  value: Buffer.from('{}'),
  lease: '7',
  mod_revision: 5,
  ...change,
});

describe('an entry of etcd that its reader knows', () => {
  const before = keys.decodeEntry(pair());
  const known = new Map([[before.key, before]]);

  it('is the known one while nothing of it changed', () => {
    assert.equal(keys.decodeEntry(pair(), known), before);
  });

  it('is another one with another value under the same revision, revision or lease', () => {
    const value = Buffer.from('[]');
    assert.deepEqual(keys.decodeEntry(pair({ value }), known), { ...before, value: '[]' });
    assert.deepEqual(keys.decodeEntry(pair({ lease: '8' }), known), { ...before, leaseId: '8' });
    assert.deepEqual(keys.decodeEntry(pair({ mod_revision: 6 }), known), { ...before, modRevision: 6 });
    assert.deepEqual(keys.decodeEntry(pair({ key: Buffer.from(`${PREFIX}10.5.3.0-24`) }), known), {
      ...before,
      key: '10.5.3.0-24',
    });
  });
});
