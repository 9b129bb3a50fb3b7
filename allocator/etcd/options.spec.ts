import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { RegistryError } from '../registry.ts';
import { resolveEtcdOptions } from './options.ts';
import type { EtcdOptions } from './options.ts';

const endpointsOf = (options: EtcdOptions): string[] =>
  resolveEtcdOptions(options).endpoints.map((endpoint) => endpoint.url);

describe('resolveEtcdOptions', () => {
  it("completes flannel's defaults", () => {
    const settings = resolveEtcdOptions({});
    assert.deepEqual(
      settings.endpoints.map((endpoint) => endpoint.url),
      ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
    );
    assert.equal(settings.configKey, '/coreos.com/network/config');
    assert.equal(settings.subnetsPrefix, '/coreos.com/network/subnets/');
    assert.equal(settings.requestTimeoutMs, 5000);
    assert.equal(settings.auth, undefined);
  });

  const endpoints: readonly (readonly [string, string])[] = [
    ['http://10.0.0.1:2379', 'http://10.0.0.1:2379'],
    ['http://10.0.0.1:2379/', 'http://10.0.0.1:2379'],
    [' etcd-1:4001 ', 'http://etcd-1:4001'],
    ['etcd-1', 'http://etcd-1:2379'],
    ['http://etcd-1:80', 'http://etcd-1:80'],
    ['https://etcd-1:443', 'https://etcd-1:443'],
    ['https://etcd-1', 'https://etcd-1:2379'],
    ['HTTP://Etcd-1:2379', 'http://etcd-1:2379'],
    ['[fd00::1]:2379', 'http://[fd00::1]:2379'],
    ['https://[fd00::1]', 'https://[fd00::1]:2379'],
  ];
  for (const [given, url] of endpoints)
    it(`reads endpoint ${JSON.stringify(given)}`, () =>
      assert.deepEqual(endpointsOf({ endpoints: [given] }), [url]));

  it('gives an endpoint without scheme the scheme of the others', () => {
    assert.deepEqual(endpointsOf({ endpoints: ['https://a:1', 'b:2'] }), ['https://a:1', 'https://b:2']);
  });

  it('takes an IPv6 literal without brackets to connect to', () => {
    const [endpoint] = resolveEtcdOptions({ endpoints: ['http://[fd00::1]:2379'] }).endpoints;
    assert.deepEqual([endpoint?.host, endpoint?.port], ['fd00::1', 2379]);
  });

  it('counts empty texts as not given', () => {
    const settings = resolveEtcdOptions({
      endpoints: ['a:1', ''],
      prefix: '',
      keyFile: '',
      certFile: '',
      caFile: '',
      username: '',
      password: '',
    });
    assert.equal(settings.endpoints.length, 1);
    assert.equal(settings.configKey, '/coreos.com/network/config');
    assert.equal(settings.auth, undefined);
  });

  const refused: readonly (readonly [string, EtcdOptions, RegExp])[] = [
    ['no endpoint', { endpoints: [' ', ''] }, /--etcd-endpoints is empty/],
    ['a mixture', { endpoints: ['http://a:1', 'https://b:2'] }, /mixes http:\/\/a:1 and https:\/\/b:2/],
    ['certificates for http', { endpoints: ['http://a:1'], caFile: '/ca.pem' }, /write https:\/\/ or drop/],
    ['another scheme', { endpoints: ['unix:///run/etcd'] }, /want http:\/\/host:port/],
    ['a path', { endpoints: ['http://a:1/v3'] }, /a:1 in a wrong form/],
    ['a bad port', { endpoints: ['http://a:99999'] }, /wrong form/],
    [
      'a certificate alone',
      { endpoints: ['a:1'], certFile: '/c' },
      /--etcd-certfile .*without --etcd-keyfile/,
    ],
    ['a key alone', { endpoints: ['a:1'], keyFile: '/k' }, /--etcd-keyfile .*without --etcd-certfile/],
    ['a user alone', { username: 'weft' }, /--etcd-username weft .*--etcd-password/],
    ['a password alone', { password: 'secret' }, /--etcd-password .*--etcd-username/],
  ];
  for (const [what, options, message] of refused)
    it(`refuses ${what}, naming the flag`, () => {
      assert.throws(
        () => resolveEtcdOptions(options),
        (error: unknown) => {
          assert.ok(error instanceof RegistryError);
          assert.equal(error.code, 'REGISTRY_REJECTED');
          assert.match(error.message, message);
          assert.ok(!error.message.includes('secret'));
          return true;
        },
      );
    });

  it('repeats no password that was written into an endpoint', () => {
    assert.throws(
      () => resolveEtcdOptions({ endpoints: ['http://root:secret@a:1'] }),
      (error: Error) => /wrong form/.test(error.message) && !error.message.includes('secret'),
    );
  });
});
