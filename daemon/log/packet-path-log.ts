// What the log says of devices of the packet path: the offloads of each once, each that the kernel refused later, and
// whether the kernel moves packets by itself.
import type { PacketPath, PathOffloads, PathStatus } from '../../native/packet-path.ts';
import type { Logger } from './log.ts';

const NAMES = ['tso', 'uso', 'udpGso', 'udpGro'] as const satisfies readonly (keyof PathOffloads)[];

export class PacketPathLog {
  readonly #log: Logger;
  /** As they were when last looked at, by device. */
  readonly #offloads = new Map<string, PathOffloads>();
  readonly #bpfDisabledReason = new Map<string, string | undefined>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Looks at all devices. */
  look(path: PacketPath): void {
    const names = path.devices().map(({ name }) => name);
    for (const name of this.#offloads.keys())
      if (!names.includes(name)) {
        this.#offloads.delete(name);
        this.#bpfDisabledReason.delete(name);
      }
    for (const name of names) {
      const status = path.status(name);
      this.#lookAt(name, status.offloads);
      this.#lookAtKernel(name, status);
    }
  }

  #lookAtKernel(device: string, { bpfDisabledReason }: PathStatus): void {
    if (this.#bpfDisabledReason.has(device) && this.#bpfDisabledReason.get(device) === bpfDisabledReason)
      return;
    this.#bpfDisabledReason.set(device, bpfDisabledReason);
    if (bpfDisabledReason === undefined)
      this.#log.info('A BPF program in the kernel moves packets', { device });
    else
      this.#log.info('Each packet goes through userspace, without a BPF program', {
        device,
        why: bpfDisabledReason,
      });
  }

  #lookAt(device: string, offloads: PathOffloads): void {
    const before = this.#offloads.get(device);
    this.#offloads.set(device, offloads);
    if (before === undefined)
      this.#log.info('EncapsulationOverhead in userspace', {
        device,
        offloads: listOf(NAMES.filter((name) => offloads[name])),
      });
    const dropped = NAMES.filter((name) => before?.[name] === true && !offloads[name]);
    if (dropped.length > 0)
      this.#log.warn('The kernel refused an offload at run time; going on without, slower', {
        device,
        dropped: listOf(dropped),
      });
  }
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(' ');
}
