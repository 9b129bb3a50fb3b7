import assert from 'node:assert/strict';
import { resolveEtcdOptions } from './options.ts';

describe('resolveEtcdOptions', () => {
  const endpoints: readonly (readonly [string, { isSecure: boolean; host: string; port: number }])[] = [
    ['http://10.0.0.1:2379', { isSecure: false, host: '10.0.0.1', port: 2379 }],
    ['https://etcd-1:443', { isSecure: true, host: 'etcd-1', port: 443 }],
    ['http://etcd-1:80', { isSecure: false, host: 'etcd-1', port: 80 }],
    ['https://[fd00::1]:2379', { isSecure: true, host: 'fd00::1', port: 2379 }],
  ];
  for (const [url, expected] of endpoints)
    it(`takes ${url} apart`, () => {
      const settings = resolveEtcdOptions({ endpoints: [url], prefix: '/net' });
      assert.deepEqual(settings.endpoints, [{ url, ...expected }]);
    });

  for (const url of [
    'etcd-1',
    'http://etcd-1',
    'unix:///run/etcd:1',
    'http://root:secret@a:1',
    'http://a:1/v3',
  ])
    it(`takes ${url} for a mistake of the program, and repeats no secret`, () => {
      assert.throws(
        () => resolveEtcdOptions({ endpoints: [url], prefix: '/net' }),
        (error: unknown) => error instanceof TypeError && !error.message.includes('secret'),
      );
    });

  it('completes the rest', () => {
    const settings = resolveEtcdOptions({ endpoints: ['http://a:1'], prefix: '/net' });
    assert.equal(settings.configKey, '/net/config');
    assert.equal(settings.subnetsPrefix, '/net/subnets/');
    assert.equal(settings.requestTimeoutMs, 5000);
    assert.equal(settings.auth, undefined);
  });
});
