// Turns checksum offload off where probes find that devices compute wrong checksums, while the
// network config leaves that to weft. Connects the probe loop with backend, reconciler and log.
import { familyOf, type Family } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { BackendConfig } from '../../allocator/config/config.ts';
import type { Native } from '../../native/index.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import { probeChecksums } from '../probe/checksum-probe.ts';
import type { OffloadState } from '../probe/checksum-offload-state.ts';
import { chooseTunnelPeers } from '../probe/checksum-probe-peers.ts';
import { ChecksumProbeLoop, type ChecksumStatus } from '../probe/checksum-probe-loop.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';

export interface ChecksumOffloadControllerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Weft's addon; without it no checksum can be kept from the device, and no probe runs. */
  readonly native: Native | undefined;
  /** 0: never probes. */
  readonly intervalMs: number;
  /** The one in force on this host. */
  readonly backend: () => BackendConfig;
  readonly reconciler: Reconciler;
  readonly kernel: Pick<Kernel, 'readFeature'>;
  /** A family has another status. */
  readonly onStatus: (family: Family) => void;
}

/** Read-only view. */
export interface OffloadView {
  /** By family; empty until something was found. */
  readonly statuses: ReadonlyMap<Family, ChecksumStatus>;
}

const MESSAGES: Readonly<Record<OffloadState, string>> = {
  unknown: 'Checksum offload has not been probed',
  good: 'Offloaded checksums arrive correct',
  suspect: 'Peers answer checksums of this host and no offloaded one; probing again',
  off: 'Checksum offload was turned off by an administrator or an earlier daemon; leaving it off',
  bad: 'Offloaded checksums arrive wrong: computing checksums on this host from now on',
};

/** The finding as a message. */
export function offloadMessage(state: OffloadState): string {
  return MESSAGES[state];
}

export class ChecksumOffloadController implements OffloadView {
  readonly #probeLoop: ChecksumProbeLoop;

  constructor(options: ChecksumOffloadControllerOptions) {
    const { clock, log, native, intervalMs, backend, reconciler, onStatus } = options;
    this.#probeLoop = new ChecksumProbeLoop({
      clock,
      intervalMs: native === undefined ? 0 : intervalMs,
      choosePeers: (family, count) => (isAuto(backend()) ? chooseTunnelPeers(reconciler, family, count) : []),
      isOn: (family) => isOffloading(options, family),
      probe: (address) => probeChecksums(address, { native: native!, clock }),
      onChange: (family, { state, peers }) => {
        const level = state === 'bad' ? 'warn' : state === 'suspect' ? 'info' : 'debug';
        log[level](MESSAGES[state], { family, peers });
        onStatus(family);
      },
    });
  }

  get statuses(): ReadonlyMap<Family, ChecksumStatus> {
    return this.#probeLoop.statuses;
  }

  /** Families in which devices compute wrong checksums. */
  get badFamilies(): readonly Family[] {
    return this.#probeLoop.badFamilies;
  }

  start(): void {
    this.#probeLoop.start();
  }

  stop(): void {
    this.#probeLoop.stop();
  }

  /** Drops all findings: another setting or another interface is in force. */
  forget(): void {
    this.#probeLoop.reset();
  }
}

/** `undefined`: there is no such device now, or the kernel did not answer. */
function isOffloading(
  { reconciler, kernel }: Pick<ChecksumOffloadControllerOptions, 'reconciler' | 'kernel'>,
  family: Family,
): Promise<boolean | undefined> {
  for (const link of reconciler.objectsOf(HOST).values())
    if (link.kind === 'link' && link.type === 'vxlan' && familyOf(link.local) === family)
      return kernel.readFeature(link.name, 'tx-checksum-ip-generic').catch(() => undefined);
  return Promise.resolve(undefined);
}

function isAuto(backend: BackendConfig): boolean {
  return backend.type === 'vxlan' && backend.txChecksumOffload === 'auto';
}
