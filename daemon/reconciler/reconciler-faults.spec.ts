// The reconciler when the kernel rejects steps, does not answer, or another program interferes.
import assert from 'node:assert/strict';
import { cidr, ip4 } from '../../backends/fixture.ts';
import { DEV, TestHost, newKernel, vxlanPeer } from '../../test/support/reconciler-host.ts';

const [good, bad] = [vxlanPeer(2), vxlanPeer(3)];
/** A device of another program. */
const FOREIGN = { vni: 99, port: 9999, parentIndex: 0, learning: true, gbp: false, unsupported: [] };
const BAD_FDB = 'fdb flannel.1 c6:00:00:00:04:03';

describe('a peer that the kernel rejects', () => {
  it('leaves other peers in sync, has a reason and is retried until it works', async () => {
    const host = new TestHost();
    host.kernel.injectFault(BAD_FDB, 'ENOSPC');
    await host.start([bad, good]);
    assert.ok(host.reconciler.isSettled);
    assert.equal(host.reconciler.peerStatus(good.key)?.state, 'in-sync');
    const status = host.reconciler.peerStatus(bad.key);
    assert.equal(status?.state, 'error');
    assert.match(status?.reason ?? '', /fdb flannel\.1 c6:00:00:00:04:03.*ENOSPC/);

    host.kernel.clearFault(BAD_FDB);
    await host.clock.until(() => host.reconciler.peerStatus(bad.key)?.state === 'in-sync', 2_000);
    assert.deepEqual(await host.actual(), host.expected([bad, good]));
    assert.deepEqual(
      host.eventKinds().filter((kind) => kind.startsWith('peer')),
      ['peer-failed', 'peer-recovered'],
    );
  });

  it('is retried with back-off, at least once in 72 seconds', async () => {
    const host = new TestHost();
    host.kernel.injectFault(BAD_FDB, 'ENOSPC');
    await host.start([bad, good]);
    const tries: number[] = [];
    const apply = host.kernel.apply.bind(host.kernel);
    host.kernel.apply = (steps) => {
      tries.push(host.clock.nowMs());
      return apply(steps);
    };
    await host.clock.advance(600_000);
    const gaps = tries.map((atMs, index) => atMs - (tries[index - 1] ?? 0));
    assert.ok(gaps.length >= 10 && gaps.length < 20, `${gaps.length} tries in ten minutes`);
    for (const [index, gap] of gaps.entries()) {
      assert.ok(gap <= 72_000);
      assert.ok(index === 0 || gap >= gaps[index - 1]! || gap >= 60_000);
    }
    assert.equal(host.eventKinds().filter((kind) => kind === 'peer-failed').length, 1);
  });

  for (const [name, act] of [
    ['facts about the host change', (host: TestHost) => host.setHost({})],
    [
      'the interface changes',
      (host: TestHost) => host.reconciler.handleNotification({ kind: 'interfaces', names: ['eth0'] }),
    ],
    [
      'the peer publishes other data',
      (host: TestHost) => host.setPeer(vxlanPeer(3, '4', { publicIp: ip4('10.9.0.33') })),
    ],
  ] as const)
    it(`is retried at once when ${name}`, async () => {
      const host = new TestHost();
      host.kernel.injectFault(BAD_FDB, 'ENOSPC');
      await host.start([bad, good]);
      await host.clock.advance(300);
      host.kernel.clearFault(BAD_FDB);
      act(host);
      await host.clock.settle();
      assert.equal(host.reconciler.peerStatus(bad.key)?.state, 'in-sync');
    });

  it('is retried in time though its retry is due while other peers are programmed', async () => {
    const host = new TestHost();
    let proceed = (): void => undefined;
    const apply = host.kernel.apply.bind(host.kernel);
    host.kernel.injectFault(BAD_FDB, 'ENOSPC');
    host.kernel.apply = async (steps) => {
      const results = await apply(steps);
      if (results.every(({ status }) => status === 'done')) return results;
      // Another peer joins before this run ends and takes longer than the first back-off.
      host.kernel.gate = new Promise((resolve) => (proceed = resolve));
      host.setPeer(vxlanPeer(4));
      return results;
    };
    await host.start([bad, good]);
    await host.clock.jump(1000);
    host.kernel.clearFault(BAD_FDB);
    proceed();
    await host.clock.advance(1000);
    assert.equal(host.reconciler.peerStatus(bad.key)?.state, 'in-sync');
  });

  it('leaves no objects when it is removed', async () => {
    const host = new TestHost();
    host.kernel.injectFault(BAD_FDB, 'ENOSPC');
    await host.start([bad, good]);
    host.reconciler.removePeer(bad.key);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
    assert.equal(host.reconciler.summary().errors, 0);
  });

  it('is in error and not tried if its data is invalid', async () => {
    const host = await new TestHost().start([vxlanPeer(3, '4', { backendData: 'rubbish' }), good]);
    assert.match(host.reconciler.peerStatus(bad.key)?.reason ?? '', /"rubbish"/);
    assert.equal(host.reconciler.summary().inSync, 1);
    assert.deepEqual(await host.actual(), host.expected([good]));
  });

  it('gets no objects while another peer has its MAC', async () => {
    const clone = vxlanPeer(3, '4', { backendData: good.attributes.backendData });
    const host = await new TestHost().start([clone, good]);
    assert.deepEqual(await host.actual(), host.expected([good]));
    const status = host.reconciler.peerStatus(clone.key);
    assert.equal(status?.state, 'error');
    assert.ok(status?.reason?.includes(good.key), status?.reason);
    host.reconciler.removePeer(good.key);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([clone]));
    assert.equal(host.reconciler.peerStatus(clone.key)?.state, 'in-sync');
  });
});

describe('an orphan that the kernel does not remove', () => {
  it('is retried and blocks nothing else', async () => {
    const kernel = newKernel();
    const earlier = await new TestHost({ kernel }).start([good, bad]);
    await earlier.reconciler.stop();
    kernel.injectFault('route 10.5.3.0/24', 'EBUSY');
    const host = await new TestHost({ kernel }).start([good]);
    assert.ok(host.reconciler.isSettled);
    assert.ok(host.eventKinds().includes('orphan-remove-failed'));
    kernel.clearFault('route 10.5.3.0/24');
    await host.clock.advance(1_000);
    assert.deepEqual(await host.actual(), host.expected([good]));
  });
});

describe('a device that cannot be set up', () => {
  const LINK = 'link flannel.1';

  it('makes peers wait, is retried with back-off and brings them in sync when it works', async () => {
    const host = new TestHost();
    host.kernel.injectFault(LINK, 'EPERM');
    await host.start([good, bad]);
    assert.ok(host.reconciler.isSettled);
    assert.equal(host.reconciler.summary().host.state, 'error');
    assert.match(host.reconciler.peerStatus(good.key)?.reason ?? '', /waits for flannel\.1: .*EPERM/);
    assert.ok(host.kernel.steps.every(({ object }) => object.kind !== 'route'));
    host.kernel.forgetCalls();
    await host.clock.advance(60_000);
    assert.ok(host.kernel.batches.length < 12, `${host.kernel.batches.length} tries in a minute`);

    host.kernel.clearFault(LINK);
    host.setHost();
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good, bad]));
    assert.equal(host.reconciler.summary().inSync, 2);
    assert.ok(host.eventKinds().includes('host-recovered'));
  });

  it('is created as soon as its missing parent appears', async () => {
    const kernel = newKernel();
    const host = await new TestHost({ kernel }).start([good]);
    kernel.injectFault('sysctl net/ipv6/conf/flannel.1/accept_ra', 'ENOENT');
    kernel.tables.removeLink('eth0');
    await host.clock.advance(10_000);
    assert.equal(host.reconciler.summary().host.state, 'error');
    assert.ok(!host.eventKinds().includes('setting-rejected'), 'the missing setting is only a consequence');
    kernel.clearFault('sysctl net/ipv6/conf/flannel.1/accept_ra');
    kernel.tables.addLink({ name: 'eth0' });
    kernel.tables.setAddress('eth0', '10.9.0.1/24' as ReturnType<typeof cidr>);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
  });

  it('is re-created with everything on it if it cannot change in place', async () => {
    const host = await new TestHost().start([good]);
    host.kernel.injectFault(LINK, 'EOPNOTSUPP', 1);
    host.setHost({ vxlan: { mtu: 1400 } });
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
    assert.ok(host.eventKinds().includes('link-replaced'));
  });

  it('keeps its peers if a change is rejected and the old one works', async () => {
    const host = await new TestHost().start([good]);
    host.kernel.injectFault(LINK, 'EINVAL');
    host.setHost({ vxlan: { mtu: 1400 } });
    host.setPeer(bad);
    await host.clock.settle();
    assert.equal(host.reconciler.summary().host.state, 'error');
    assert.equal(host.reconciler.summary().inSync, 2);
    assert.equal(host.reconciler.status().counters.steps.link.remove, 0);
  });

  it('replaces a foreign link of the same name', async () => {
    const kernel = newKernel();
    kernel.tables.addLink({ name: DEV, kind: 'dummy' });
    const host = await new TestHost({ kernel }).start([good]);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
  });

  it('replaces one that comes between the loss of its own and the step that is to make it again', async () => {
    const host = await new TestHost().start([good]);
    const { kernel } = host;
    const apply = kernel.apply.bind(kernel);
    let left = 2;
    kernel.apply = (steps) => {
      if (steps.some(({ action, object }) => action === 'set' && object.kind === 'link') && left-- > 0)
        kernel.tables.addLink({ name: DEV, kind: 'vxlan', vxlan: FOREIGN });
      return apply(steps);
    };
    kernel.tables.removeLink(DEV);
    await host.clock.advance(10_000);
    assert.deepEqual(await host.actual(), host.expected([good]));
    for (const event of host.events)
      if (event.kind === 'link-failed') assert.equal(event.errno, 'EEXIST', 'the kernel has VXLAN');
  });

  it('replaces one of another kind that comes at that moment, without a wait', async () => {
    const host = await new TestHost().start([good]);
    const { kernel } = host;
    const apply = kernel.apply.bind(kernel);
    kernel.apply = (steps) => {
      kernel.apply = apply;
      kernel.tables.addLink({ name: DEV, kind: 'bridge' });
      return apply(steps);
    };
    kernel.tables.removeLink(DEV);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
    assert.ok(!host.eventKinds().includes('link-failed'));
  });

  it('is no failure of a peer when it vanishes before the steps of the peer', async () => {
    const host = await new TestHost().start([good]);
    host.kernel.tables.removeLink(DEV);
    host.setPeer(bad);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good, bad]));
    assert.ok(!host.eventKinds().includes('peer-failed'));
  });
});

describe('a kernel that does not answer', () => {
  it('is read again and missing objects are set', async () => {
    const host = await new TestHost().start();
    host.kernel.loseAnswers(3);
    host.setPeer(good);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good]));
    assert.equal(host.reconciler.peerStatus(good.key)?.state, 'in-sync');
    assert.equal(host.reconciler.status().counters.resyncs.unknown, 1);
  });

  it('is tried with back-off if it stays silent', async () => {
    const host = await new TestHost().start();
    host.kernel.apply = (steps) => {
      host.kernel.batches.push(steps);
      return Promise.reject(new Error('ENOBUFS'));
    };
    host.kernel.forgetCalls();
    host.setPeer(good);
    await host.clock.advance(10_000);
    assert.ok(
      host.kernel.batches.length > 2 && host.kernel.batches.length < 10,
      `${host.kernel.batches.length}`,
    );
    assert.equal(host.reconciler.peerStatus(good.key)?.state, 'pending');
  });

  it('is read again with back-off while known peers are still programmed', async () => {
    const host = await new TestHost().start([good]);
    host.kernel.failReads(3);
    host.reconciler.resync();
    await host.clock.settle();
    assert.match(host.reconciler.summary().readError ?? '', /kept changing/);
    host.setPeer(bad);
    await host.clock.settle();
    assert.deepEqual(await host.actual(), host.expected([good, bad]));
    await host.clock.advance(10_000);
    assert.equal(host.reconciler.summary().readError, undefined);
    assert.ok(host.reconciler.isSettled);
  });
});

describe('another program that keeps changing managed objects', () => {
  const destination = cidr('10.5.2.0/24');

  it('is countered at once, then at a limited rate, and reported', async () => {
    const host = await new TestHost().start([good]);
    let repairs = 0;
    host.kernel.tables.onEvent = ((emit) => (event) => {
      emit(event);
      // Each time the route is set, it is deleted at once.
      if (event.table !== 'routes' || event.isGone) return;
      repairs++;
      queueMicrotask(() => host.kernel.tables.removeRoute({ destination }));
    })(host.kernel.tables.onEvent);
    host.kernel.tables.removeRoute({ destination });
    await host.clock.settle();
    assert.ok(repairs >= 3, `${repairs} repairs at once`);
    await host.clock.advance(60_000);
    assert.ok(
      repairs >= 300 && repairs < 450,
      `${repairs} repairs in a minute, of which each may wait 150 ms`,
    );
    assert.deepEqual(host.reconciler.summary().contested, ['route 10.5.2.0/24']);
    assert.equal(host.eventKinds().filter((kind) => kind === 'object-contested').length, 1);
    assert.equal(host.reconciler.peerStatus(bad.key), undefined);
  });

  it('does not prevail once it stops', async () => {
    const host = await new TestHost().start([good]);
    for (let index = 0; index < 10; index++) {
      host.kernel.tables.removeRoute({ destination });
      await host.clock.advance(100);
    }
    await host.clock.advance(1_100);
    assert.deepEqual(await host.actual(), host.expected([good]));
    await host.clock.advance(6_000);
    assert.deepEqual(host.reconciler.summary().contested, []);
  });

  it('also limits the rate of repairs of the device', async () => {
    const host = await new TestHost().start([good]);
    const rewrite = (): void => void host.kernel.tables.changeLink(DEV, { mtu: 1000 });
    host.kernel.forgetCalls();
    for (let index = 0; index < 100; index++) {
      rewrite();
      await host.clock.advance(100);
    }
    assert.ok(host.kernel.steps.length < 40, `${host.kernel.steps.length} steps in 10 s`);
    await host.clock.advance(2_000);
    assert.deepEqual(await host.actual(), host.expected([good]));
  });
});

describe('a sysctl that cannot be written', () => {
  it('is reported once as a warning', async () => {
    const host = new TestHost();
    host.kernel.injectFault('sysctl net/ipv6/conf/flannel.1/accept_ra', 'ENOENT');
    await host.start([good]);
    await host.clock.advance(300_000);
    assert.equal(host.reconciler.summary().host.state, 'in-sync');
    assert.equal(host.eventKinds().filter((kind) => kind === 'setting-rejected').length, 1);
  });

  const PATH = 'net/ipv6/conf/flannel.1/accept_ra';
  for (const errno of ['EROFS', 'EACCES', 'EPERM'] as const)
    it(`is neither retried nor called changed by another program after ${errno}`, async () => {
      const host = new TestHost();
      host.kernel.injectFault(`sysctl ${PATH}`, errno);
      host.kernel.sysctls.set(PATH, '1');
      await host.start([good]);
      host.kernel.forgetCalls();
      await host.clock.advance(3_600_000);
      const { host: summary } = host.reconciler.summary();
      assert.deepEqual([summary.state, host.reconciler.status().counters.drift.sysctl], ['in-sync', 0]);
      assert.deepEqual([host.kernel.steps.length, host.eventKinds().includes('drift-detected')], [0, false]);
    });

  it('is set once its file exists, without a report of another program', async () => {
    const host = new TestHost();
    host.kernel.injectFault(`sysctl ${PATH}`, 'ENOENT');
    await host.start([good]);
    host.kernel.clearFault(`sysctl ${PATH}`);
    host.kernel.sysctls.set(PATH, '1');
    await host.clock.advance(3_600_000);
    assert.equal(host.kernel.sysctls.get(PATH), '0');
    assert.equal(host.reconciler.status().counters.drift.sysctl, 0);
    host.kernel.sysctls.set(PATH, '1');
    await host.clock.advance(3_600_000);
    assert.equal(host.reconciler.status().counters.drift.sysctl, 1);
  });
});
