// The read-only view of the node for the control socket and for metrics: its parts as they are now,
// plain data and queries alone. Parts that the daemon still waits for are unset.
// daemon/node/daemon.ts implements it.
import type { DoctorReportV1 } from '../../api/index.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LoadedNative } from '../../native/index.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import type { ConflistKeeper } from '../cni/conflist-keeper.ts';
import type { EventHub } from '../events/event-hub.ts';
import type { HostSnapshot } from '../host/host-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { HostNamesView } from '../node/publish/host-names.ts';
import type { ReadinessParts } from '../node/readiness.ts';
import type { DaemonOptions } from '../options/options.ts';
import type { OffloadView } from '../overlay/checksum-offload-controller.ts';
import type { WireguardMonitor, WireguardPeerView } from '../overlay/wireguard-monitor.ts';
import type { NetworkStatus, MigrationStatus } from '../overlay/overlay-status.ts';
import type { ProbeHistory } from '../probe/probe-history.ts';
import type { LivenessView } from '../probe/liveness.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { ChangeHookView } from '../subnet-file/change-hook.ts';

export interface NodeView {
  readonly options: DaemonOptions;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The addon, or why it is not loaded. */
  readonly addon: LoadedNative;
  readonly events: Pick<EventHub, 'recent' | 'counts' | 'watch'>;
  /** On {@link clock}, as are all times of the parts below. */
  readonly startedMs: number;
  readonly readiness: ReadinessParts;
  readonly registryCache: RegistryView | undefined;
  /** The network config in force. */
  readonly config: NetworkConfig | undefined;
  /** The network that this host is part of. */
  readonly network: NetworkStatus | undefined;
  readonly migration: MigrationStatus | undefined;
  /** The interface in use, and the facts that kernel state is derived from. */
  readonly snapshot: HostSnapshot | undefined;
  readonly leaseManager: LeaseView | undefined;
  readonly reconciler: ReconcilerView | undefined;
  readonly kernel: KernelReader | undefined;
  /** Results of the checksum probes. */
  readonly offload: OffloadView | undefined;
  /** What WireGuard knows of peers; empty without a device of it. */
  readonly wireguard?: WireguardMonitorView | undefined;
  /** Whether peers answer; unset without probes. */
  readonly liveness: LivenessView | undefined;
  /** What operators call this host. */
  readonly hostName?: string;
  /** Names of peers; unset until the registry is opened. */
  readonly hostNames?: HostNamesView | undefined;
  /** The last probe of each peer by `weft ping`. */
  readonly probes: Pick<ProbeHistory, 'get' | 'summary'>;
  /** What `weft doctor` found last; unset before. */
  readonly doctorReport?: DoctorReportV1 | undefined;
  /** Unset without the addon. */
  readonly packetPath: PacketPathView | undefined;
  /** The conflist of container runtimes; unset without --cni-config-path. */
  readonly conflist?: Pick<ConflistKeeper, 'status'> | undefined;
  /** The command of --on-change; unset without one. */
  readonly hook: ChangeHookView | undefined;
}

export type { WireguardPeerView };
export type WireguardMonitorView = Pick<WireguardMonitor, 'peerOf' | 'peers' | 'silent'>;

export type RegistryView = Pick<
  RegistryCache,
  | 'isConnected'
  | 'revision'
  | 'lastContactMs'
  | 'lastError'
  | 'lastKnownAt'
  | 'resyncs'
  | 'entries'
  | 'leases'
  | 'invalidEntries'
>;

export type LeaseView = Pick<LeaseKeeper, 'own' | 'peers' | 'state' | 'lastError'> &
  Partial<Pick<LeaseKeeper, 'overlapping'>>;

export type ReconcilerView = Pick<
  Reconciler,
  'summary' | 'status' | 'peerStatus' | 'ownership' | 'known' | 'desired' | 'objectsOf' | 'ownerOf'
>;

export type KernelReader = Pick<
  Kernel,
  'readState' | 'readInterfaces' | 'readSysctl' | 'readFeature' | 'lookupRoute'
>;

export type PacketPathView = Pick<PacketPath, 'devices' | 'status' | 'routeCounters' | 'descriptors'>;
