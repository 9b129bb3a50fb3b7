// Options of the node, and the parts that are made from them alone.
import type { checkPrerequisites } from '../host/prerequisites.ts';
import type { Cidr } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LeaseEvent, OwnLease, OwnLeaseChange } from '../../allocator/lease/lease-events.ts';
import { AssignedLeaseManager } from '../../allocator/lease/assigned/assigned-lease-manager.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../allocator/lease.ts';
import { underlayAddresses } from '../../backends/underlay-addresses.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { AnyRegistry } from '../../allocator/registry/registry.ts';
import type { Native } from '../../native/index.ts';
import type { EventPublisher } from '../events/event-publisher.ts';
import { policyFor } from '../host/forwarding-setup.ts';
import type { PreparedHost } from '../host/host-preparation.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';
import type { DaemonOptions } from '../options/options.ts';
import {
  ChecksumOffloadController,
  type ChecksumOffloadControllerOptions,
} from '../overlay/checksum-offload-controller.ts';
import { OverlayController, type OverlayControllerDeps } from '../overlay/overlay-controller.ts';
import { WireguardMonitor, type WireguardMonitorOptions } from '../overlay/wireguard-monitor.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { PeerLiveness, type PeerLivenessOptions } from '../probe/liveness.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { factsOf, identityOf, type NodeState } from './node-state.ts';

/** What the node needs of subnet.env. */
export type NodeSubnetFile = Pick<SubnetFileWriter, 'write' | 'stop' | 'remove' | 'problem'> &
  Partial<Pick<SubnetFileWriter, 'isPending'>>;

export interface OverlayNodeOptions extends PreparedHost {
  readonly options: DaemonOptions;
  /** Weft's addon; unset if it is missing. */
  readonly native?: Native | undefined;
  readonly clock: Clock;
  /** Default: of this process and machine. */
  readonly checkPrerequisites?: typeof checkPrerequisites;
  /** Stops with the node. */
  readonly subnetFile: NodeSubnetFile;
  /** Whether the packet path can replace a kernel without VXLAN. */
  readonly canUseUserspace: boolean;
  readonly registry: AnyRegistry;
  /** Started, and read at least once. */
  readonly registryCache: RegistryCache;
  /** Subnets of an earlier run. */
  readonly previousSubnets?: LeaseSubnets;
  /** Networks of an earlier run. */
  readonly formerNetworks?: readonly Cidr[];
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly events: Pick<EventPublisher, 'lease' | 'reconciler' | 'offload' | 'liveness'>;
  /** Something that readiness or status depend on changed. */
  readonly onChange: () => void;
  /** A run of the reconciler ended. */
  readonly onReconciled: () => void;
  /** This host's own objects are in the kernel for the first time. */
  readonly onFirstSync: () => void;
  /**
   * The kernel cannot carry the backend. `message` has the remedy. Called at most once, before the
   * first sync.
   */
  readonly onFatal: (message: string) => void;
}

export function createOffloadController(
  { clock, kernel, log, native, options }: OverlayNodeOptions,
  parts: Pick<ChecksumOffloadControllerOptions, 'reconciler' | 'backend' | 'onStatus'>,
): ChecksumOffloadController {
  const intervalMs = options.probeIntervalSec * 1000;
  return new ChecksumOffloadController({ ...parts, clock, kernel, log, native, intervalMs });
}

export function createLiveness(
  { clock, log, native, options, registry }: OverlayNodeOptions,
  parts: Pick<PeerLivenessOptions, 'reconciler' | 'backend' | 'peers' | 'onChange'>,
): PeerLiveness {
  const intervalMs = options.livenessIntervalSec * 1000;
  const shared = registry.allocation === 'claimed' ? registry : undefined;
  return new PeerLiveness({ ...parts, clock, log, native, intervalMs, registry: shared });
}

export function createOverlay(
  { clock, formerNetworks, log, options, registryCache, router }: OverlayNodeOptions,
  state: NodeState,
  parts: Pick<OverlayControllerDeps, 'reconciler' | 'subnetFile' | 'publish' | 'handshakes' | 'onMigration'>,
): OverlayController {
  return new OverlayController({
    ...parts,
    host: state.host,
    facts: factsOf(state),
    ...(formerNetworks && { formerNetworks }),
    policyFor: (config) => policyFor(router, config),
    isBlackholing: options.ipBlackholeRoute,
    isComplete: () => registryCache.lastKnownAt === undefined,
    migrationTimeoutMs: options.migrationTimeoutSec * 1000,
    clock,
    log,
  });
}

export function createWireguardMonitor(
  { clock, kernel, onChange }: OverlayNodeOptions,
  parts: Pick<WireguardMonitorOptions, 'isHurried' | 'onHandshake'> & { readonly reconciler: Reconciler },
): WireguardMonitor {
  const { reconciler, ...rest } = parts;
  const devices = (): readonly string[] =>
    [...reconciler.objectsOf(HOST).values()].flatMap((object) =>
      object.kind === 'link' && object.type === 'wireguard' ? [object.name] : [],
    );
  return new WireguardMonitor({ ...rest, clock, kernel, devices, onChange });
}

/** Names of devices that an earlier daemon of this host may have made. */
export async function readWireguardNames(kernel: Pick<Kernel, 'readInterfaces'>): Promise<readonly string[]> {
  const interfaces = await kernel.readInterfaces().catch(() => []);
  return interfaces.map(({ name }) => name).filter((name) => name.startsWith('flannel-wg'));
}

export interface LeaseManagerParts {
  /** Takes the own lease and the peers, and says what to publish. */
  readonly overlay: OverlayController;
  readonly onEvent: (event: LeaseEvent) => void;
}

export function createLeaseManager(
  { clock, registryCache, onChange, options, previousSubnets, registry }: OverlayNodeOptions,
  { host, snapshot }: NodeState,
  { overlay, onEvent }: LeaseManagerParts,
): LeaseKeeper {
  const common = {
    cache: registryCache,
    clock,
    random: Math.random,
    ...identityOf(snapshot),
    config: host.config,
    underlay: underlayAddresses(snapshot.facts).map(({ address }) => address),
    ...(previousSubnets && { previousSubnets }),
    attributes: (published?: LeaseAttributes) => overlay.attributes(published),
    listener: {
      onOwnLease: (own: OwnLease, change: OwnLeaseChange) => overlay.setOwnLease(own, change),
      onPeers: (changedKeys: ReadonlySet<string>) => overlay.setPeers(changedKeys, manager.peers),
      onState: onChange,
      onEvent,
    },
  };
  const manager: LeaseKeeper =
    registry.allocation === 'assigned'
      ? new AssignedLeaseManager({ ...common, registry })
      : new LeaseManager({
          ...common,
          registry,
          ttlSec: options.subnetLeaseTtlSec,
          renewMarginSec: renewMarginSec(options),
        });
  return manager;
}

/** At most half of the lease's life: a longer margin would renew a short lease without pause. */
function renewMarginSec({ subnetLeaseRenewMarginMin, subnetLeaseTtlSec }: DaemonOptions): number {
  return Math.min(subnetLeaseRenewMarginMin * 60, Math.floor(subnetLeaseTtlSec / 2));
}
