// Devices by name, for steps on their entries. A device keeps its index until it is deleted, and its name until a step or another
// program renames it: what is known is forgotten with every step on a device, notification of one, and index that the kernel does
// not know.
import type { NetlinkClient } from './netlink/netlink-client.ts';
import { readLink } from './netlink-reader.ts';
import type { LinkMessage } from './netlink/link.ts';
import { KernelReadError, rejection, type Outcome } from './netlink/outcome.ts';
import { Turns } from '../../lib/turns.ts';

/** A device, or why steps on it cannot be done. */
export type Device = LinkMessage | Outcome;

export interface FoundDevices {
  readonly devices: ReadonlyMap<string, Device>;
  /** They were read now, and are not as they were known to be. */
  readonly areRead: boolean;
}

/** Device of a route without one, such as a blackhole. */
const NO_DEVICE = { index: 0 } as LinkMessage;

export class KnownDevices {
  readonly #hasNotifications: boolean;
  readonly #devices = new Map<string, LinkMessage>();
  readonly #turns = new Turns();
  #changes = 0;

  /** @param hasNotifications - whether {@link forget} is called at each change; else nothing is kept. */
  constructor(hasNotifications: boolean) {
    this.#hasNotifications = hasNotifications;
  }

  /** Devices by each of `names`, read unless all are known. Resolves in the order of the calls. Never rejects. */
  find(client: NetlinkClient, names: ReadonlySet<string>): Promise<FoundDevices> {
    return this.#turns.take(1, async () => {
      const areRead = ![...names].every((name) => this.#devices.has(name));
      const devices = new Map<string, Device>();
      for (const name of names)
        devices.set(name, (!areRead && this.#devices.get(name)) || (await this.#read(client, name)));
      return { devices, areRead };
    });
  }

  forget(): void {
    this.#changes++;
    this.#devices.clear();
  }

  async #read(client: NetlinkClient, name: string): Promise<Device> {
    const changes = this.#changes;
    const device = await readDevice(client, name);
    if (this.#hasNotifications && changes === this.#changes && 'index' in device)
      this.#devices.set(name, device);
    return device;
  }
}

/** Reads the device called `name`. */
export async function readDevice(client: NetlinkClient, name: string): Promise<Device> {
  if (name === '') return NO_DEVICE;
  try {
    const link = await readLink(client, { name });
    return link ?? rejection('ENODEV', `no interface ${name}`);
  } catch (error) {
    if (!(error instanceof KernelReadError)) throw error;
    return { status: 'unknown', message: error.message };
  }
}
