// From every backend to every other in a model of the kernel, with one peer that publishes what this
// host does: at each moment something leads to the peer, and in the end nothing of the former
// backend is left.
import assert from 'node:assert/strict';
import type { BackendConfig, ExtensionConfig } from '../../allocator/config/config.ts';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { IPIP, UDP, VXLAN, host, ip4, network, subnets } from '../../backends/fixture.ts';
import { renderObjects } from '../../backends/render.ts';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import { Secret } from '../../lib/secret.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel } from '../../test/support/reconciler-host.ts';
import { FORWARDING_DISABLED } from '../host/forwarding-setup.ts';
import { createLogger } from '../log/log.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { OverlayController } from './overlay-controller.ts';

const EXTENSION: ExtensionConfig = {
  type: 'extension',
  preStartupCommand: '',
  postStartupCommand: 'up',
  shutdownCommand: 'down',
  subnetAddCommand: 'add',
  subnetRemoveCommand: 'remove',
  isShell: false,
};
const SECRET = new Secret('topsecret');
const BACKENDS: readonly BackendConfig[] = [
  VXLAN,
  { type: 'host-gw' },
  { ...UDP, userspace: false },
  IPIP,
  EXTENSION,
  { type: 'ipsec', psk: SECRET, isUdpEncap: false, espProposal: 'aes' },
  { type: 'tencent-vpc', accessKeyId: 'AKID', accessKeySecret: SECRET },
];
const PEER = '10.5.2.0-24';
const FACTS = host({ isUdpInKernel: true });

/** A host with `backend`, and its peer. */
class Cluster {
  readonly clock = new FakeClock();
  readonly kernel = newKernel();
  readonly reconciler = new Reconciler({
    kernel: this.kernel,
    clock: this.clock,
    random: () => 0.5,
    onSettled: () => this.net.wake(),
  });
  readonly net: OverlayController;
  #isPublished = true;

  constructor(backend: BackendConfig) {
    const config = network('4', backend);
    this.net = new OverlayController({
      host: { clusterConfig: config, config },
      facts: FACTS,
      reconciler: this.reconciler,
      subnetFile: { write: () => undefined },
      policyFor: () => FORWARDING_DISABLED,
      isBlackholing: false,
      migrationTimeoutMs: 0,
      publish: () => (this.#isPublished = false),
      onMigration: () => undefined,
      clock: this.clock,
      log: createLogger({ write: () => undefined }),
    });
  }

  async start(): Promise<void> {
    this.#follow();
    this.net.setOwnLease(this.#own(), 'acquired');
    await this.clock.settle();
  }

  /** Calls `check` after each step, until the migration is over. */
  async migrate(backend: BackendConfig, check: () => Promise<void>): Promise<void> {
    const config = network('4', backend);
    this.net.setConfig({ clusterConfig: config, config }, FACTS);
    for (let step = 0; step < 20; step++) {
      await this.clock.advance(600);
      await check();
      if (!this.#isPublished) {
        this.#isPublished = true;
        this.net.setOwnLease(this.#own(), 'updated');
        this.#follow();
      } else if (this.net.migration === undefined) return;
    }
    assert.fail(`the migration stays: ${JSON.stringify(this.net.migration)}`);
  }

  async inKernel(): Promise<readonly string[]> {
    const { objects } = await this.kernel.inspect({
      ...this.net.ownership(),
      hasCommands: true,
      hasIpsec: true,
    });
    return renderObjects(objects.values()).filter((line) => !line.startsWith('net/'));
  }

  async stop(): Promise<void> {
    this.net.stop();
    await this.reconciler.stop();
  }

  #own(): OwnLease {
    return {
      key: '10.5.1.0-24',
      subnets: subnets('10.5.1.0/24'),
      attributes: this.net.attributes(),
      leaseId: toLeaseId('1'),
      modRevision: toRevision(1),
      isReservation: false,
      expiresAtMs: Infinity,
    };
  }

  /** The peer publishes what this host does, with an address and a MAC of its own. */
  #follow(): void {
    const own = JSON.stringify(this.net.attributes()).replaceAll(
      /"VtepMAC":"[^"]+"/g,
      '"VtepMAC":"c6:00:00:00:04:02"',
    );
    const attributes = { ...(JSON.parse(own) as LeaseAttributes), publicIp: ip4('10.9.0.2') };
    const peer: Lease = { key: PEER, subnets: subnets('10.5.2.0/24'), attributes, isReservation: false };
    this.net.setPeers(new Set([PEER]), new Map([[PEER, peer]]));
  }
}

/** What packets to the peer take. */
const LEADS = /^10\.5\.2\.0\/24 via|^command 10\.5\.2\.0|dst 10\.5\.2\.0\/24 dir out/;

describe('a migration', () => {
  for (const from of BACKENDS)
    for (const to of BACKENDS)
      if (from !== to)
        it(`from ${from.type} to ${to.type} leads to the peer all the time, and leaves nothing`, async () => {
          const [cluster, fresh] = [new Cluster(from), new Cluster(to)];
          const isRoutedElsewhere = [from, to].some(({ type }) => type === 'tencent-vpc');
          await cluster.start();
          await cluster.migrate(to, async () => {
            const lines = await cluster.inKernel();
            assert.ok(isRoutedElsewhere || lines.some((line) => LEADS.test(line)), lines.join('\n'));
          });
          await fresh.start();
          assert.deepEqual(await cluster.inKernel(), await fresh.inKernel());
          await Promise.all([cluster.stop(), fresh.stop()]);
        });
});
