// The etcd registry on a real etcd: the compliance suite, and what only etcd shows.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { createEtcdRegistry } from '../allocator/registry/etcd/index.ts';
import { NO_LEASE, toRevision } from '../allocator/registry/registry.ts';
import type { Registry } from '../allocator/registry/registry.ts';
import { describeRegistry } from './compliance/registry.ts';
import type { RegistryFixture } from './compliance/registry.ts';
import { startEtcd } from '../lab/etcd-server.ts';
import type { EtcdServer } from '../lab/etcd-server.ts';
import { recordWatch } from './support/watch-recorder.ts';

let server: EtcdServer;
let prefixes = 0;

before(async () => {
  server = await startEtcd();
});
after(() => server.stop());

describeRegistry('etcd', openFixture);

describe('etcd registry', () => {
  let prefix: string;
  let registry: Registry;
  const calls: string[] = [];

  beforeEach(() => {
    prefix = `/weft-${prefixes++}`;
    calls.length = 0;
    registry = createEtcdRegistry({ endpoints: [server.url], prefix, onCall: (rpc) => calls.push(rpc) });
  });
  afterEach(async () => {
    registry.close();
    await server.ctl('del', '--prefix', prefix);
  });

  it('needs one RPC for each call', async () => {
    await registry.snapshot();
    const leaseId = await registry.grant(60);
    const { revision } = await registry.create({ keys: ['a', 'b', 'c', 'd'], value: 'v', leaseId });
    await registry.update({ key: 'a', value: 'w', leaseId }, revision);
    await registry.keepAlive(leaseId);
    await registry.remove('a', toRevision(1));
    await registry.revoke(leaseId);
    assert.deepEqual(calls, [
      'KV.txn',
      'Lease.leaseGrant',
      'KV.txn',
      'KV.txn',
      'Lease.leaseKeepAlive',
      'KV.txn',
      'Lease.leaseRevoke',
    ]);
  });

  it('reads and watches its own directory only', async () => {
    const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
    await watch.ready;
    for (const path of ['/subnets', '/subnets-old/a', '/subnets0', '/config/x', '/config2', '/confi'])
      await put(prefix + path, 'foreign');
    await put(`${prefix}/subnets/a`, 'mine');
    await watch.seen(1);
    assert.deepEqual(watch.events.length, 1);
    const snapshot = await registry.snapshot();
    assert.deepEqual(
      snapshot.entries.map((entry) => [entry.key, entry.value]),
      [['a', 'mine']],
    );
    assert.equal(snapshot.config, undefined);
    const create = await registry.create({ keys: ['a'], value: 'v', leaseId: NO_LEASE });
    assert.deepEqual(!create.created && create.takenKeys, ['a']);
    await watch.stop();
  });

  const layouts: readonly (readonly [string, string])[] = [
    ['/coreos.com/network', '/coreos.com/network'],
    ['/slash/', '/slash'],
    ['//two//slashes', '/two/slashes'],
    ['/dots/../here', '/here'],
    ['no-leading-slash', 'no-leading-slash'],
    ['/', ''],
  ];
  for (const [given, cleaned] of layouts)
    it(`keeps flannel's keys for the prefix ${given}`, async () => {
      const custom = createEtcdRegistry({ endpoints: [server.url], prefix: given });
      try {
        await put(`${cleaned}/config`, 'the config');
        await put(`${cleaned}/subnets/10.5.1.0-24`, 'the lease');
        const snapshot = await custom.snapshot();
        assert.equal(snapshot.config?.text, 'the config');
        assert.deepEqual(
          snapshot.entries.map((entry) => entry.key),
          ['10.5.1.0-24'],
        );
      } finally {
        custom.close();
        await server.ctl('del', `${cleaned}/config`);
        await server.ctl('del', '--prefix', `${cleaned}/subnets/`);
      }
    });

  it('sees a lease run out by itself', async () => {
    const leaseId = await registry.grant(1);
    await registry.create({ keys: ['a'], value: 'v', leaseId });
    const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
    await watch.seen(1);
    assert.deepEqual(watch.events, [{ type: 'delete', key: 'a' }]);
    await watch.stop();
  });

  it('reads more than gRPC allows by default, which is 4 MB', async () => {
    for (let index = 0; index < 6; index++)
      await registry.create({ keys: [`k${index}`], value: 'x'.repeat(1_000_000), leaseId: NO_LEASE });
    assert.equal((await registry.snapshot()).entries.length, 6);
  });

  it('refuses a value that is too large for etcd for good, naming call and endpoint', async () => {
    const create = registry.create({ keys: ['a'], value: 'x'.repeat(3_000_000), leaseId: NO_LEASE });
    await assert.rejects(create, (error: Error & { code: string }) => {
      assert.equal(error.code, 'REGISTRY_REJECTED');
      assert.match(error.message, /create at http:\/\/127\.0\.0\.1:\d+ failed: .*larger than max/);
      return true;
    });
  });
});

async function openFixture(): Promise<RegistryFixture> {
  const prefix = `/compliance-${prefixes++}`;
  const clients: Registry[] = [];
  const connect = (): Registry => {
    const client = createEtcdRegistry({ endpoints: [server.url], prefix });
    clients.push(client);
    return client;
  };
  return {
    registry: connect(),
    second: connect,
    expireLease: (id) => server.api('lease/revoke', { ID: id }),
    compact: async () => {
      const { header } = JSON.parse(await server.ctl('get', 'x', '-w', 'json')) as {
        header: { revision: number };
      };
      await server.api('kv/compaction', { revision: String(header.revision) });
    },
    rawPut: (key, value, leaseId = NO_LEASE) => put(`${prefix}/subnets/${key}`, value, leaseId),
    rawDelete: (key) => server.api('kv/deleterange', { key: base64(`${prefix}/subnets/${key}`) }),
    putConfig: (text) =>
      text === undefined
        ? server.api('kv/deleterange', { key: base64(`${prefix}/config`) })
        : put(`${prefix}/config`, text),
    close: async () => {
      for (const client of clients) client.close();
      const range = { key: base64(`${prefix}/`), range_end: base64(`${prefix}0`) };
      await server.api('kv/deleterange', range);
    },
  };
}

function put(key: string, value: string, lease: string = NO_LEASE): Promise<void> {
  return server.api('kv/put', { key: base64(key), value: base64(value), lease });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
