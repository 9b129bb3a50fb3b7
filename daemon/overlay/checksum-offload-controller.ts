// Keeps an eye on checksums of the tunnel that are left to network devices, while the network config leaves that to weft:
// joins the watch with backend, reconciler and log.
import { familyOf, type Family } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { loadNative } from '../../native/index.ts';
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
  /** 0: never looks. */
  readonly intervalMs: number;
  /** The one in force on this host. */
  readonly backend: () => BackendConfig;
  readonly reconciler: Reconciler;
  readonly kernel: Pick<Kernel, 'readFeature'>;
  /** A family has another verdict. */
  readonly onVerdict: (family: Family) => void;
}

/** What others may see of it. */
export interface OffloadView {
  /** By family; empty until something was found. */
  readonly verdicts: ReadonlyMap<Family, ChecksumStatus>;
}

const MESSAGES: Readonly<Record<OffloadState, string>> = {
  unknown: 'Nothing is known about checksums that are left to network devices',
  good: 'Checksums that are left to network devices arrive right',
  suspect: 'Peers answer checksums of this host and none that is left to a network device; looking again',
  off: 'Checksums are not left to network devices, as somebody or an earlier daemon wanted: it stays so',
  bad: 'Checksums that are left to network devices arrive wrong: this host computes them itself from now on',
};

/** What was found, in words. */
export function offloadMessage(state: OffloadState): string {
  return MESSAGES[state];
}

export class ChecksumOffloadController implements OffloadView {
  readonly #watch: ChecksumProbeLoop;

  constructor(options: ChecksumOffloadControllerOptions) {
    const { clock, log, intervalMs, backend, reconciler, onVerdict } = options;
    const { native } = loadNative();
    this.#watch = new ChecksumProbeLoop({
      clock,
      // Without the addon a checksum cannot be kept from the device.
      intervalMs: native === undefined ? 0 : intervalMs,
      choosePeers: (family, count) => (isAuto(backend()) ? chooseTunnelPeers(reconciler, family, count) : []),
      isOn: (family) => isOffloading(options, family),
      probe: (address) => probeChecksums(address, { native: native!, clock }),
      onChange: (family, { state, peers }) => {
        const level = state === 'bad' ? 'warn' : state === 'suspect' ? 'info' : 'debug';
        log[level](MESSAGES[state], { family, peers });
        onVerdict(family);
      },
    });
  }

  get verdicts(): ReadonlyMap<Family, ChecksumStatus> {
    return this.#watch.statuses;
  }

  /** Families whose checksums devices get wrong. */
  get badFamilies(): readonly Family[] {
    return this.#watch.badFamilies;
  }

  start(): void {
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }

  /** Begins from nothing: another setting or another interface is in force. */
  forget(): void {
    this.#watch.reset();
  }
}

/** `undefined`: there is no such device now, or the kernel would not tell. */
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
