import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import { AssignedLeaseManager } from '../../allocator/lease/assigned/assigned-lease-manager.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import type { AssigningRegistry } from '../../allocator/registry/registry.ts';
import type { DrainStateV1 } from '../../api/index.ts';
import type { IpAddress } from '../../lib/address.ts';
import { waitFor } from '../../lab/wait.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LeaseHost, NETWORK_IPV4 } from '../../test/support/lease-host.ts';
import { createLogger } from '../log/log.ts';
import { Drain } from './drain.ts';
import { SubnetFileWriter } from './subnet-file-writer.ts';

/** Short: simulated time costs real time. */
const TTL_SEC = 30;

describe('a drained host', () => {
  let folder = '';
  let applied: DrainStateV1[] = [];
  let failure: Error | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-drain-'));
    [applied, failure] = [[], undefined];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const create = (): Drain =>
    new Drain({
      subnetFile: join(folder, 'subnet.env'),
      log: createLogger({ write: () => undefined }),
      file: { withdraw: () => void applied.push('drained'), restore: () => void applied.push('none') },
      leaseManager: () => ({
        release: () => (failure === undefined ? Promise.resolve() : Promise.reject(failure)),
      }),
      onChange: () => undefined,
      onReleased: () => undefined,
    });

  it('is so until that is undone, over restarts', async () => {
    await create().set('drained');
    const next = create();
    await next.start();
    assert.equal(next.state, 'drained');
    await next.untilAdmitted();
    await next.set('none');
    assert.deepEqual(
      [applied, existsSync(join(folder, '.subnet.env.drained'))],
      [['drained', 'drained', 'none'], false],
    );
  });

  it('leases nothing while it is released', async () => {
    await create().set('released');
    const next = create();
    await next.start();
    let isAdmitted = false;
    const admitted = next.untilAdmitted().then(() => (isAdmitted = true));
    await new Promise(setImmediate);
    assert.equal(isAdmitted, false);
    await next.set('none');
    await admitted;
  });

  it('stays as it was if the change fails', async () => {
    const drain = create();
    failure = new Error('no etcd');
    await assert.rejects(drain.set('released'), /no etcd/);
    assert.deepEqual([drain.state, existsSync(join(folder, '.subnet.env.drained'))], ['none', false]);
    assert.deepEqual(applied, [], 'subnet.env stays');
  });

  it('is put into service by every request for that', async () => {
    const drain = create();
    await drain.set('none');
    assert.deepEqual(applied, ['none']);
  });

  it('changes by one request at a time', async () => {
    const drain = create();
    const released = drain.set('released');
    await drain.set('none');
    await released;
    assert.deepEqual([drain.state, applied.at(-1)], ['none', 'none']);
  });
});

describe('weft drain with the parts of a daemon', () => {
  let folder = '';
  let path = '';
  let clock: FakeClock;
  let manager: LeaseKeeper | undefined;
  let writer: SubnetFileWriter;
  let drain: Drain;
  let stops: (() => void)[] = [];
  let hasEnded = false;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-drain-'));
    path = join(folder, 'subnet.env');
    clock = new FakeClock();
    [manager, stops, hasEnded] = [undefined, [], false];
    const log = createLogger({ write: () => undefined });
    writer = new SubnetFileWriter({ path, clock, log, onChange: () => undefined });
    drain = new Drain({
      subnetFile: path,
      file: writer,
      leaseManager: () => manager,
      log,
      onChange: () => undefined,
      onReleased: () => (hasEnded = true),
    });
  });
  afterEach(async () => {
    for (const stop of stops) stop();
    await writer.stop();
    rmSync(folder, { recursive: true });
  });

  const written = async (): Promise<void> => {
    writer.write('FLANNEL_SUBNET=10.5.1.1/24\n');
    await waitFor('subnet.env to be as wanted', () => writer.problem === undefined);
  };

  it('keeps subnet.env of a host whose subnet Kubernetes assigns', async () => {
    const host = await leaseHost();
    manager = new AssignedLeaseManager({
      registry: { ownKey: 'node1' } as AssigningRegistry,
      cache: host.cache,
      clock,
      random: () => 0.5,
      nodeId: '192.0.2.1' as IpAddress,
      config: NETWORK_IPV4,
      attributes: () => ({ backendType: 'vxlan' }),
      listener: { onOwnLease: none, onPeers: none, onState: none, onEvent: none },
    });
    await written();
    await assert.rejects(drain.set('released'), { reason: 'conflict', message: /Kubernetes assigns/ });
    await new Promise(setImmediate);
    assert.deepEqual([drain.state, existsSync(path), hasEnded], ['none', true, false]);
  });

  it('keeps subnet.env and the lease while the registry is away', async () => {
    const host = await leaseHost();
    await written();
    const remove = host.registry.remove.bind(host.registry);
    host.registry.remove = () => Promise.reject(new Error('no etcd'));
    await assert.rejects(drain.set('released'), /no etcd/);
    assert.deepEqual([drain.state, existsSync(path), hasEnded], ['none', true, false]);
    await clock.advance(3000 * TTL_SEC);
    assert.ok(host.manager.isHeld, 'renewed');
    host.registry.remove = remove;
    await drain.set('released');
    await waitFor('subnet.env to be gone', () => !existsSync(path));
    assert.deepEqual([drain.state, hasEnded], ['released', true]);
  });

  it('releases nothing before there is a lease, and says so', async () => {
    await assert.rejects(drain.set('released'), { reason: 'not-ready' });
    assert.deepEqual(
      [drain.state, hasEnded, existsSync(join(folder, '.subnet.env.drained'))],
      ['none', false, false],
    );
  });

  it('removes subnet.env of an earlier daemon while this one waits', async () => {
    writeFileSync(path, 'FLANNEL_SUBNET=10.5.1.1/24\n');
    await drain.set('drained');
    await waitFor('subnet.env to be gone', () => !existsSync(path));
  });

  it('reports a subnet.env that stays, and tries again', async () => {
    mkdirSync(path);
    await drain.set('drained');
    await waitFor('a problem', () => writer.problem !== undefined);
    assert.match(writer.problem ?? '', /Cannot remove \S+: it is a directory/);
    rmSync(path, { recursive: true });
    writeFileSync(path, 'FLANNEL_SUBNET=10.5.1.1/24\n');
    await clock.advance(5000);
    await waitFor('subnet.env to be gone', () => !existsSync(path));
    await waitFor('subnet.env to be as wanted', () => writer.problem === undefined);
  });

  async function leaseHost(): Promise<LeaseHost> {
    const store = new MemoryStore({ clock });
    const options = { clock, store, identity: '192.0.2.1', ttlSec: TTL_SEC, renewMarginSec: 10 };
    const host = await new LeaseHost(options).start();
    stops.push(() => host.stop());
    manager = host.manager;
    return host;
  }
});

const none = (): void => undefined;
