// The parts of the daemon as they start, which is also the view that control socket and metrics
// have of it. Only the daemon sets a part.
import { hostname } from 'node:os';
import type { DoctorReportV1 } from '../../api/index.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { AnyRegistry } from '../../allocator/registry/registry.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LoadedNative } from '../../native/index.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import type { ConflistKeeper } from '../cni/conflist-keeper.ts';
import type { ControlledNode } from '../control/endpoint.ts';
import { EventHub } from '../events/event-hub.ts';
import type { HostSnapshot } from '../host/host-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { RootLogger } from '../log/log.ts';
import type { DaemonOptions } from '../options/options.ts';
import type { WireguardMonitor } from '../overlay/wireguard-monitor.ts';
import type { OffloadView } from '../overlay/checksum-offload-controller.ts';
import type { MigrationStatus, NetworkStatus } from '../overlay/overlay-status.ts';
import type { LivenessView } from '../probe/liveness.ts';
import { ProbeHistory } from '../probe/probe-history.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { ChangeHook } from '../subnet-file/change-hook.ts';
import { silentHandshakes } from '../view/wireguard-view.ts';
import type { ConfigWatcher } from './config-watcher.ts';
import type { Drain } from '../subnet-file/drain.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import type { OverlayNode } from './overlay-node.ts';
import { HostNames } from './publish/host-names.ts';
import { isAtRest, type ReadinessParts } from './readiness.ts';

export interface InitialComponents {
  readonly options: DaemonOptions;
  readonly log: RootLogger;
  readonly clock: Clock;
  readonly addon: LoadedNative;
  readonly startedMs: number;
  /** Unset without the addon. */
  readonly packetPath: PacketPath | undefined;
  /** Unset without --on-change. */
  readonly hook: ChangeHook | undefined;
}

export class Components implements ControlledNode {
  readonly options: DaemonOptions;
  readonly log: RootLogger;
  readonly clock: Clock;
  readonly addon: LoadedNative;
  readonly events = new EventHub();
  readonly probes = new ProbeHistory();
  readonly startedMs: number;
  readonly packetPath: PacketPath | undefined;
  readonly hook: ChangeHook | undefined;
  /** What the daemon waits for while parts are missing. */
  phase = 'starting';
  /** Whether this host has carried traffic since the daemon started. */
  hasBeenReady = false;
  /** When a change was first seen at work; unset at rest. */
  #unsettledSinceMs: number | undefined;
  /** The public IP that another host publishes, too, as this host has or had it. */
  contestedPublicIp: string | undefined;
  /** Names of all hosts; unset until the registry is opened. */
  hostNames: HostNames | undefined;
  #registry: AnyRegistry | undefined;
  registryCache: RegistryCache | undefined;
  drain: Drain | undefined;
  subnetFile: SubnetFileWriter | undefined;
  kernel: Kernel | undefined;
  node: OverlayNode | undefined;
  configWatcher: ConfigWatcher | undefined;
  /** Unset without --cni-config-path. */
  conflist: ConflistKeeper | undefined;
  doctorReport: DoctorReportV1 | undefined;

  constructor({ options, log, clock, addon, startedMs, packetPath, hook }: InitialComponents) {
    this.options = options;
    this.log = log;
    this.clock = clock;
    this.addon = addon;
    this.startedMs = startedMs;
    this.packetPath = packetPath;
    this.hook = hook;
  }

  /** What operators call this host. */
  get hostName(): string {
    return this.options.hostName ?? nodeNameOf(this.options) ?? hostname();
  }

  get registry(): AnyRegistry | undefined {
    return this.#registry;
  }

  set registry(registry: AnyRegistry | undefined) {
    this.#registry = registry;
    this.hostNames = registry && new HostNames(registry, this.clock);
  }

  get config(): NetworkConfig | undefined {
    return this.node?.config;
  }

  get network(): NetworkStatus | undefined {
    return this.node?.network;
  }

  get migration(): MigrationStatus | undefined {
    return this.node?.migration;
  }

  get snapshot(): HostSnapshot | undefined {
    return this.node?.snapshot;
  }

  get leaseManager(): LeaseKeeper | undefined {
    return this.node?.leaseManager;
  }

  get reconciler(): Reconciler | undefined {
    return this.node?.reconciler;
  }

  get offload(): OffloadView | undefined {
    return this.node?.offload;
  }

  get wireguard(): WireguardMonitor | undefined {
    return this.node?.wireguard;
  }

  get liveness(): LivenessView | undefined {
    return this.node?.liveness;
  }

  /** Of a peer; as names were when last read. */
  #nameOf(key: string): string | undefined {
    const lease = this.leaseManager?.peers.get(key);
    return lease && this.hostNames?.of(lease);
  }

  get readiness(): ReadinessParts {
    const parts = this.#readinessParts;
    if (!this.hasBeenReady) return parts;
    const nowMs = this.clock.nowMs();
    this.#unsettledSinceMs = isAtRest(parts) ? undefined : (this.#unsettledSinceMs ?? nowMs);
    return { ...parts, unsettledMs: nowMs - (this.#unsettledSinceMs ?? nowMs) };
  }

  get #readinessParts(): ReadinessParts {
    const { leaseManager, liveness, reconciler, subnetClash, error, missingIpv6, wireguard } =
      this.node ?? {};
    const { subnetFile } = this;
    return {
      phase: this.phase,
      error,
      missingIpv6,
      subnetClash,
      drainState: this.drain?.state ?? 'none',
      conflistProblem: this.conflist?.status.problem,
      hasPublicIpConflict: leaseManager !== undefined && leaseManager.nodeId === this.contestedPublicIp,
      silentPeers: wireguard === undefined || wireguard.silent === 0 ? 0 : silentHandshakes(this),
      livenessProblems: liveness?.problems((key) => this.#nameOf(key)) ?? [],
      peerError: () => peerErrorOf(reconciler),
      ...(leaseManager && { leaseManager }),
      ...(reconciler && { reconciler }),
      ...(subnetFile && { subnetFile }),
      ...(this.registryCache && { registryCache: this.registryCache }),
      ...(this.configWatcher && { config: this.configWatcher.status }),
    };
  }
}

function nodeNameOf({ kubernetes }: DaemonOptions): string | undefined {
  const node = kubernetes?.node;
  return node !== undefined && 'name' in node ? node.name : undefined;
}

function peerErrorOf(reconciler: Reconciler | undefined): string | undefined {
  for (const [key, { state, reason }] of reconciler?.status().peerStatus ?? [])
    if (state === 'error') return `${key}: ${reason}`;
  return undefined;
}
