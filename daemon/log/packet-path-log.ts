// Log lines of packet path devices: the offloads of a new device, offloads that the kernel rejects
// later, and whether the BPF program forwards packets.
import type { PacketPath, PathOffloads, PathStatus } from '../../native/packet-path.ts';
import type { Logger } from './log.ts';

const NAMES = ['tso', 'uso', 'udpGso', 'udpGro'] as const satisfies readonly (keyof PathOffloads)[];

export class PacketPathLog {
  readonly #log: Logger;
  /** By device, as last logged. */
  readonly #offloads = new Map<string, PathOffloads>();
  readonly #bpfDisabledReason = new Map<string, string | undefined>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Compares all devices with the last call, and logs the changes. */
  update(path: PacketPath): void {
    const names = path.devices().map(({ name }) => name);
    for (const name of this.#offloads.keys())
      if (!names.includes(name)) {
        this.#offloads.delete(name);
        this.#bpfDisabledReason.delete(name);
      }
    for (const name of names) {
      const status = path.status(name);
      this.#logOffloads(name, status.offloads);
      this.#logFastPath(name, status);
    }
  }

  #logFastPath(device: string, { bpfDisabledReason, decapDevice, joinDevice }: PathStatus): void {
    if (this.#bpfDisabledReason.has(device) && this.#bpfDisabledReason.get(device) === bpfDisabledReason)
      return;
    this.#bpfDisabledReason.set(device, bpfDisabledReason);
    if (bpfDisabledReason === undefined)
      this.#log.info('The BPF program forwards packets in the kernel', {
        device,
        ...(decapDevice !== undefined && { decapDevice }),
        ...(joinDevice !== undefined && { joinDevice }),
      });
    else
      this.#log.info('Forwarding all packets in userspace, without the BPF program', {
        device,
        why: bpfDisabledReason,
      });
  }

  #logOffloads(device: string, offloads: PathOffloads): void {
    const before = this.#offloads.get(device);
    this.#offloads.set(device, offloads);
    if (before === undefined)
      this.#log.info('Encapsulating in userspace', {
        device,
        offloads: listOf(NAMES.filter((name) => offloads[name])),
      });
    const dropped = NAMES.filter((name) => before?.[name] === true && !offloads[name]);
    if (dropped.length > 0)
      this.#log.warn('The kernel rejected an offload at run time; going on without it, at lower throughput', {
        device,
        dropped: listOf(dropped),
      });
  }
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(' ');
}
