// Devices of the packet path that an earlier process handed over: started once they have routes,
// closed if nothing claims them.
import type { PacketPath } from '../../native/packet-path.ts';
import type { SystemdDescriptorStore } from '../handover/descriptor-store.ts';
import type { Handover } from '../handover/handover.ts';

export class AdoptedDevices {
  readonly #store: SystemdDescriptorStore;
  readonly #path: PacketPath | undefined;

  constructor({ descriptors, packetPath }: Handover) {
    this.#store = descriptors;
    this.#path = packetPath;
  }

  get isEmpty(): boolean {
    return this.#store.isEmpty;
  }

  /**
   * Starts the devices that have their routes now, and stores their descriptors for the next
   * process.
   */
  startAll(): void {
    for (const { name } of this.#path?.devices() ?? [])
      if (this.#path?.start(name) === true) this.#store.store(name, this.#path.descriptors(name));
  }

  /** Closes the devices that no part of this process has claimed. */
  closeUnclaimed(): void {
    for (const name of this.#store.unclaimed) this.#path?.close(name);
    this.#store.closeUnclaimed();
  }

  /** Stores no more descriptors. */
  stop(): void {
    this.#store.stop();
  }
}
