import assert from 'node:assert/strict';
import { etcdOptionsOf } from './etcd-options.ts';

describe('the etcd options of commands', () => {
  it('name quotes and carriage returns in a variable', () => {
    const read = (env: Record<string, string>) => () => etcdOptionsOf({}, env);
    assert.throws(
      read({ FLANNELD_ETCD_PREFIX: '/x\r' }),
      /^UsageError: FLANNELD_ETCD_PREFIX="\/x\\r": has a carriage return/,
    );
    assert.throws(
      read({ FLANNELD_ETCD_ENDPOINTS: '"http://a:1"' }),
      /FLANNELD_ETCD_ENDPOINTS=.* has quotes around it/,
    );
    assert.throws(
      () => etcdOptionsOf({ 'etcd-prefix': "'/x'" }, {}),
      /--etcd-prefix=.* has quotes around it/,
    );
  });

  it('take an empty variable for unset', () => {
    assert.equal(etcdOptionsOf({}, { FLANNELD_ETCD_PREFIX: '' }).prefix, '/coreos.com/network');
  });
});
