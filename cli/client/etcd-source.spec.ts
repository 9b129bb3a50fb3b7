import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEtcd, requireEtcd } from './etcd-source.ts';

const clientOf = (options: object | undefined): Parameters<typeof findEtcd>[0] => ({
  request: <Answer>() =>
    options === undefined
      ? Promise.reject(new Error('no daemon'))
      : Promise.resolve({ options } as unknown as Answer),
});
const DAEMON = { etcd: { endpoints: ['https://198.18.1.7:2379'], prefix: '/p', tls: { caFile: '/ca' } } };

describe('the etcd of a command', () => {
  let folder = '';
  let file = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-etcd-source-'));
    file = join(folder, 'weft');
    await writeFile(file, 'FLANNELD_ETCD_ENDPOINTS=http://198.18.1.8:2379\nFLANNELD_ETCD_PREFIX=/f\n');
  });
  after(() => rm(folder, { recursive: true }));

  const find = (options: object | undefined, flags = {}, env = {}, path = file) =>
    findEtcd(clientOf(options), flags, env, path);

  it('is that of the daemon beside it', async () => {
    const { etcd, isNamed } = await find(DAEMON);
    assert.deepEqual([etcd.endpoints, etcd.prefix, isNamed], [['https://198.18.1.7:2379'], '/p', true]);
    assert.equal(etcd.tls?.caFile, '/ca');
  });

  it('is that of flags first, without the certificates of the daemon', async () => {
    const { etcd } = await find(DAEMON, { 'etcd-endpoints': 'http://198.18.1.9:2379' });
    assert.deepEqual([etcd.endpoints, etcd.tls], [['http://198.18.1.9:2379'], undefined]);
  });

  it('is that of the file of the service without a daemon', async () => {
    const { etcd, isNamed } = await find(undefined);
    assert.deepEqual([etcd.endpoints, etcd.prefix, isNamed], [['http://198.18.1.8:2379'], '/f', true]);
  });

  it('is a guess where nothing names it', async () => {
    const { etcd, isNamed } = await find(undefined, {}, {}, '/none');
    assert.deepEqual([etcd.endpoints[0], isNamed], ['http://127.0.0.1:4001', false]);
  });

  it('is none of a host whose registry is Kubernetes', async () => {
    const found = await find({ ...DAEMON, kubernetes: { configPath: '/etc/net-conf.json' } });
    assert.throws(() => requireEtcd(found, {}, {}), /is the file \/etc\/net-conf\.json, of a ConfigMap/);
    requireEtcd(found, { 'etcd-endpoints': 'http://198.18.1.9:2379' }, {});
    requireEtcd(await find(DAEMON), {}, {});
  });
});
