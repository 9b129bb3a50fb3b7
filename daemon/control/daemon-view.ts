// What the control socket may see of the daemon: its parts as they are now. Those that the daemon waits for are unset.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { Registry } from '../../allocator/registry/registry.ts';
import type { PacketPath } from '../../native/packet-path.ts';
import type { ChangeHookView } from '../subnet-file/change-hook.ts';
import type { HostReading } from '../host/host-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { RootLogger } from '../log/log.ts';
import type { NetworkStatus, MigrationStatus } from '../overlay/overlay-status.ts';
import type { OffloadView } from '../overlay/checksum-offload-controller.ts';
import type { DaemonOptions } from '../options/options.ts';
import type { ProbeHistory } from '../probe/probe-history.ts';
import type { ReadinessParts } from '../node/readiness.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { EventHub } from './event-hub.ts';

export interface DaemonView {
  readonly options: DaemonOptions;
  readonly log: RootLogger;
  readonly events: EventHub;
  /** On the system's monotonic clock, as all times of the parts below. */
  readonly startedMs: number;
  readonly readiness: ReadinessParts;
  readonly registry: Registry | undefined;
  readonly mirror: RegistryCache | undefined;
  /** The one in force. */
  readonly config: NetworkConfig | undefined;
  /** What this host takes part in. */
  readonly network: NetworkStatus | undefined;
  readonly migration: MigrationStatus | undefined;
  /** The interface in use and the facts that kernel state is derived from. */
  readonly reading: HostReading | undefined;
  readonly keeper: LeaseManager | undefined;
  readonly reconciler: Reconciler | undefined;
  readonly kernel: Kernel | undefined;
  /** What probes found out about checksums that are left to devices. */
  readonly offload: OffloadView | undefined;
  /** The last probe of each peer. */
  readonly probes: ProbeHistory;
  /** Unset without the addon. */
  readonly packetPath: PacketPath | undefined;
  /** The command of --on-change; unset without one. */
  readonly hook: ChangeHookView | undefined;
}
