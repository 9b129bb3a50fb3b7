import assert from 'node:assert/strict';
import { Secret } from '../lib/secret.ts';
import { context, host, network, plainPeer } from './fixture.ts';
import { backendFor } from './index.ts';
import { renderObjects } from './render.ts';

const backend = backendFor('tencent-vpc');
const SECRET = new Secret('topsecret');
const config = (families: '4' | '46' = '4') =>
  network(families, { type: 'tencent-vpc', accessKeyId: 'AKID', accessKeySecret: SECRET });

describe('tencent-vpc', () => {
  it("wants the route of this host's subnet, and shows no key", () => {
    const objects = backend.deriveHost(context(backend, config()));
    assert.deepEqual(renderObjects(objects), ["10.5.1.0/24 via 10.9.0.1 in the cloud's route table"]);
    assert.ok(!JSON.stringify(objects).includes('topsecret'));
  });

  it('wants nothing for peers, which the cloud routes to', () => {
    const state = backend.derivePeer(
      context(backend, config()),
      plainPeer(2, '4', { backendType: 'tencent-vpc' }),
    );
    assert.deepEqual(state, { mode: 'direct', objects: [] });
  });

  it('publishes its type and address, and is refused with IPv6', () => {
    const published = { backendType: 'tencent-vpc', publicIp: '10.9.0.1' };
    assert.deepEqual(backend.attributes(config(), host()), published);
    assert.throws(() => backend.attributes(config('46'), host()), /set EnableIPv6 to false/);
  });
});
