import assert from 'node:assert/strict';
import type { OptionsV1 } from '../../api/index.ts';
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

  const ofDaemon = {
    options: {
      etcd: {
        endpoints: ['http://198.18.1.7:2379', 'http://198.18.1.8:2379'],
        prefix: '/daemon',
      },
    },
  } as unknown as OptionsV1;
  const ofSecureDaemon = {
    options: {
      etcd: {
        endpoints: ['https://198.18.1.7:2379'],
        tls: { caFile: '/ca', client: { certFile: '/cert', keyFile: '/key' } },
      },
    },
  } as unknown as OptionsV1;
  const cases: readonly (readonly [
    what: string,
    flags: Parameters<typeof etcdOptionsOf>[0],
    env: Readonly<Record<string, string>>,
    daemon: OptionsV1 | undefined,
    prefix: string,
    endpoints: readonly string[],
  ])[] = [
    [
      'defaults',
      {},
      {},
      undefined,
      '/coreos.com/network',
      ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
    ],
    ['the running daemon', {}, {}, ofDaemon, '/daemon', ['http://198.18.1.7:2379', 'http://198.18.1.8:2379']],
    [
      'the environment before the daemon',
      {},
      { FLANNELD_ETCD_PREFIX: '/env', FLANNELD_ETCD_ENDPOINTS: 'http://198.18.1.9:1' },
      ofDaemon,
      '/env',
      ['http://198.18.1.9:1'],
    ],
    [
      'flags before the environment',
      { 'etcd-prefix': '/flag' },
      { FLANNELD_ETCD_PREFIX: '/env', FLANNELD_ETCD_ENDPOINTS: 'http://198.18.1.9:1' },
      ofDaemon,
      '/flag',
      ['http://198.18.1.9:1'],
    ],
    [
      'a daemon of which nothing is known',
      {},
      {},
      { options: {} } as unknown as OptionsV1,
      '/coreos.com/network',
      ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
    ],
  ];
  for (const [what, flags, env, daemon, prefix, endpoints] of cases)
    it(`come from ${what}`, () => {
      const options = etcdOptionsOf(flags, env, daemon);
      assert.deepEqual([options.prefix, options.endpoints], [prefix, endpoints]);
    });

  it('have the certificates of the running daemon', () => {
    const { tls } = etcdOptionsOf({}, {}, ofSecureDaemon);
    assert.deepEqual(tls, { caFile: '/ca', client: { certFile: '/cert', keyFile: '/key' } });
    const { tls: other } = etcdOptionsOf({ 'etcd-cafile': '/other' }, {}, ofSecureDaemon);
    assert.equal(other?.caFile, '/other');
  });

  it('have user and password of flags or variables, never of a daemon', () => {
    const env = { FLANNELD_ETCD_USERNAME: 'u', FLANNELD_ETCD_PASSWORD: ' "p' };
    assert.deepEqual(etcdOptionsOf({}, env, ofDaemon).auth, { username: 'u', password: ' "p' });
    assert.equal(etcdOptionsOf({}, {}, ofDaemon).auth, undefined);
  });

  it('take an empty variable for unset', () => {
    assert.equal(etcdOptionsOf({}, { FLANNELD_ETCD_PREFIX: '' }).prefix, '/coreos.com/network');
  });
});
