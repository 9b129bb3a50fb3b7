import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { withEtcdAddresses } from './etcd-addresses.ts';

describe('addresses of etcd', () => {
  const options = { names: [], patterns: [], etcdAddresses: ['10.0.0.7' as IpAddress] };
  const resolve = (name: string): Promise<readonly string[]> =>
    name === 'etcd.example'
      ? Promise.resolve(['10.0.0.8', '2001:db8::8'])
      : Promise.reject(new Error('ENOTFOUND'));

  it('are those that its endpoints are, and no name is resolved', async () => {
    const endpoints = ['http://10.0.0.7:2379', 'http://[2001:db8::7]:2379'];
    assert.equal(await withEtcdAddresses(options, endpoints, () => assert.fail()), options);
  });

  it('are those of the names of its endpoints, as far as they resolve', async () => {
    const endpoints = ['http://10.0.0.7:2379', 'https://etcd.example:2379', 'https://other.example:2379'];
    const { etcdAddresses } = await withEtcdAddresses(options, endpoints, resolve);
    assert.deepEqual(etcdAddresses, ['10.0.0.7', '10.0.0.8', '2001:db8::8']);
  });

  it('are none on this host itself', async () => {
    const { etcdAddresses } = await withEtcdAddresses({ names: [], patterns: [] }, ['http://localhost:2379']);
    assert.deepEqual(etcdAddresses, []);
  });
});
