import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { VXLAN, network, vxlanPeer } from '../../backends/fixture.ts';
import type { Cidr, IpAddress } from '../../lib/address.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { waitFor } from '../../lab/wait.ts';
import { chooseDatapath, INITIAL_DATAPATHS, withMode } from '../host/datapath-mode.ts';
import { readHost } from '../host/host-facts.ts';
import { MemoryKernel, type MemoryKernelOptions } from '../kernel/memory/memory-kernel.ts';
import { EventHub } from '../events/event-hub.ts';
import { EventPublisher } from '../events/event-publisher.ts';
import { createLogger } from '../log/log.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { NO_TOOLS } from '../kernel/firewall/tools.ts';
import { forwardingWith } from '../host/forwarding-setup.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { OverlayNode } from './overlay-node.ts';
import { parseCommandLine } from '../options/options.ts';
import { toRevision } from '../../allocator/registry/registry.ts';

const PEER = vxlanPeer(2);

describe('a node whose kernel', () => {
  let folder: string;
  let lines: string[];
  let fatalMessage: string | undefined;
  let working: number;
  let kernel: MemoryKernel;
  let registry: MemoryRegistry;
  let registryCache: RegistryCache;
  let node: OverlayNode;

  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'weft-node-'))));
  afterEach(async () => {
    await node.stop();
    registryCache.stop();
    registry.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(options: MemoryKernelOptions, backend: BackendConfig = VXLAN): Promise<void> {
    [lines, fatalMessage, working] = [[], undefined, 0];
    kernel = new MemoryKernel(options);
    kernel.tables.addLink({ name: 'eth0' });
    kernel.tables.setAddress('eth0', '10.9.0.1/24' as Cidr);
    // No lease ends meanwhile, and none keeps this process alive.
    const store = new MemoryStore({ clock: new FakeClock() });
    store.put(PEER.key, encodeLeaseValue(PEER.attributes));
    registry = new MemoryRegistry(store);
    registryCache = new RegistryCache({ registry, clock: systemClock, random: Math.random });
    registryCache.start();
    await registryCache.ready;
    const commandLine = parseCommandLine(
      ['--iface=eth0', '--probe-interval=0', `--subnet-file=${folder}/subnet.env`],
      {},
    );
    assert.ok(commandLine.kind === 'run');
    const log = createLogger({ level: 'debug', write: (line) => lines.push(line) });
    const snapshot = await readHost(kernel, commandLine.options.interface, { ipv4: true, ipv6: false });
    assert.ok(snapshot.ok);
    node = new OverlayNode({
      clock: systemClock,
      options: commandLine.options,
      // The kernel is a model: it needs no capability of this process.
      checkPrerequisites: () => Promise.resolve(undefined),
      config: network('4', backend),
      datapaths: withMode(INITIAL_DATAPATHS, backend.type, chooseDatapath(backend, false)),
      canUseUserspace: options.hasPacketPath !== false,
      router: forwardingWith(commandLine.options, NO_TOOLS),
      registry,
      registryCache,
      kernel,
      subnetFile: new SubnetFileWriter({
        path: commandLine.options.subnetFile,
        clock: systemClock,
        log,
        onChange: () => undefined,
      }),
      snapshot: snapshot.snapshot,
      log,
      limit: createLogRateLimit(),
      events: new EventPublisher(new EventHub()),
      onChange: () => undefined,
      onReconciled: () => undefined,
      onFirstSync: () => working++,
      onFatal: (message) => (fatalMessage = message),
    });
    node.start();
  }

  const warnings = (): readonly string[] => lines.filter((line) => /WARN|ERROR/.test(line));
  const isInSync = (): boolean => {
    const { host, inSync } = node.reconciler.summary();
    return host.state === 'in-sync' && inSync === 1;
  };

  it('has VXLAN uses it', async () => {
    await start({});
    await waitFor('all is in sync', isInSync);
    assert.equal(kernel.tables.link('flannel.1')?.kind, 'vxlan');
    assert.deepEqual([warnings(), working], [[], 1]);
  });

  it('has no VXLAN encapsulates in userspace, says so once, and publishes the same', async () => {
    await start({ hasVxlan: false });
    await waitFor('all is in sync', isInSync);
    assert.match(await kernel.render(), /^path flannel\.1 vxlan local 10\.9\.0\.1 port 8472$/m);
    assert.match(
      await kernel.render(),
      /^tunnel 10\.5\.2\.0\/24 dev flannel\.1 remote 10\.9\.0\.2 port 8472$/m,
    );
    assert.equal(warnings().length, 1);
    assert.match(warnings()[0]!, /WARN {2}This kernel has no VXLAN: encapsulating in userspace instead/);
    assert.equal(node.leaseManager.own?.attributes.backendType, 'vxlan');
    assert.deepEqual([fatalMessage, working], [undefined, 1]);
  });

  it('has no VXLAN stays in userspace when facts about the host change', async () => {
    await start({ hasVxlan: false });
    await waitFor('all is in sync', isInSync);
    kernel.tables.changeLink('eth0', { mtu: 1400 });
    await waitFor('the MTU follows', () => kernel.tables.link('flannel.1')?.mtu === 1350);
    await waitFor('all is in sync', isInSync);
    assert.equal(kernel.tables.link('flannel.1')?.kind, 'tun');
  });

  it('gets another gateway leases no subnet that holds it', async () => {
    await start({});
    await waitFor('all is in sync', isInSync);
    const { leaseManager } = node;
    const underlays: (readonly IpAddress[])[] = [];
    const setUnderlay = leaseManager.setUnderlay.bind(leaseManager);
    leaseManager.setUnderlay = (addresses) => (underlays.push(addresses), setUnderlay(addresses));
    for (const last of [253, 254]) {
      const gateway = `10.9.0.${last}` as IpAddress;
      kernel.tables.setRoute({ destination: '0.0.0.0/0' as Cidr, dev: 'eth0', gateway });
      await waitFor(`it avoids ${gateway}`, () => underlays.at(-1)?.includes(gateway) === true);
      assert.deepEqual(underlays.at(-1), ['10.9.0.1', gateway]);
    }
  });

  it('lacks what another config needs logs that, as at a start', async () => {
    await start({});
    await waitFor('all is in sync', isInSync);
    const config = { ...network('4', VXLAN), enableNftables: true };
    assert.equal(await node.applyConfig(config, toRevision(1)), undefined);
    await waitFor('it is logged', () => warnings().length > 0);
    assert.match(
      warnings().join('\n'),
      /^\S+ WARN {2}No forward rules: .*"EnableNFTables": true .*install it/,
    );
  });

  for (const [what, options, backend] of [
    ['and there is no addon', { hasVxlan: false, hasPacketPath: false }, VXLAN],
    ['and userspace is forbidden', { hasVxlan: false }, { ...VXLAN, userspace: false }],
  ] as const)
    it(`has no VXLAN ${what} gives up, with all remedies`, async () => {
      await start(options, backend);
      await waitFor('it gives up', () => fatalMessage !== undefined);
      assert.match(
        fatalMessage ?? '',
        /^Cannot make flannel\.1: EOPNOTSUPP.*modprobe vxlan.*--userspace=true.*make.*host-gw/,
      );
      assert.equal(working, 0);
    });

  it('has no VXLAN gives up if userspace does not work either', async () => {
    await start({ hasVxlan: false });
    kernel.packetPath.injectFault('open', 'EADDRINUSE');
    await waitFor('it gives up', () => fatalMessage !== undefined);
    assert.match(fatalMessage ?? '', /^Cannot make flannel\.1: EADDRINUSE.*UDP port 8472/);
  });

  it('has a TUN device of another process gives up and leaves it', async () => {
    await start({}, { ...VXLAN, userspace: true });
    kernel.tables.addTun('flannel.1');
    await waitFor('it gives up', () => fatalMessage !== undefined);
    assert.match(fatalMessage ?? '', /^Cannot make flannel\.1: EBUSY.*stop it$/);
    assert.ok(kernel.tables.link('flannel.1'));
  });
});
