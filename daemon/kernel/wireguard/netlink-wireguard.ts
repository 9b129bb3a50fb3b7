// WireGuard devices of the kernel by generic netlink. The kernel loads its module when a device of
// the kind `wireguard` is created, and the family exists from then on.
import { GenetlinkClient } from '../netlink/genetlink-client.ts';
import type { NetlinkClientOptions } from '../netlink/netlink-client.ts';
import { KernelReadError, type Outcome, rejection } from '../netlink/outcome.ts';
import {
  decodeWireguard,
  encodeWireguardGet,
  encodeWireguardPeerRemove,
  encodeWireguardPeerSet,
  encodeWireguardSet,
  joinWireguard,
} from '../netlink/wireguard.ts';
import type { WireguardControl, WireguardPeerStep } from './wireguard-control.ts';
import type { WireguardDeviceChange, WireguardDeviceMessage } from './wireguard-model.ts';

const NO_FAMILY = 'this kernel has no WireGuard (CONFIG_WIREGUARD, Linux 5.6)';

export class NetlinkWireguard implements WireguardControl {
  readonly #client: GenetlinkClient;

  constructor(options: NetlinkClientOptions) {
    this.#client = new GenetlinkClient('wireguard', options);
  }

  async read(name: string): Promise<WireguardDeviceMessage | undefined> {
    const family = await this.#client.family();
    if (family === undefined) return undefined;
    try {
      const messages = await this.#client
        .open()
        .dump(
          `WireGuard device ${name}`,
          (writer) => encodeWireguardGet(writer, family, name),
          decodeWireguard,
        );
      return joinWireguard(messages);
    } catch (error) {
      if (error instanceof KernelReadError && ABSENT.has(error.errno)) return undefined;
      throw error;
    }
  }

  async setDevice(name: string, change: WireguardDeviceChange): Promise<Outcome> {
    const [outcome] = await this.#send((family) => [
      (writer) => encodeWireguardSet(writer, family, name, change),
    ]);
    return outcome!;
  }

  applyPeers(name: string, steps: readonly WireguardPeerStep[]): Promise<readonly Outcome[]> {
    return this.#send((family) =>
      steps.map((step) => (writer) => {
        if (step.action === 'set') encodeWireguardPeerSet(writer, family, name, step.peer);
        else encodeWireguardPeerRemove(writer, family, name, step.publicKey);
      }),
    );
  }

  close(): void {
    this.#client.close();
  }

  async #send(
    plan: (family: number) => Parameters<ReturnType<GenetlinkClient['open']>['send']>[0],
  ): Promise<readonly Outcome[]> {
    try {
      const family = await this.#client.family();
      if (family !== undefined) return await this.#client.open().send(plan(family));
      return plan(0).map(() => rejection('EOPNOTSUPP', NO_FAMILY));
    } catch (error) {
      if (!(error instanceof KernelReadError)) throw error;
      return plan(0).map(() => ({ status: 'unknown', message: error.message }));
    }
  }
}

/** Errno names of a read of a device that is gone, or is of another kind (wg_get_device_start). */
const ABSENT: ReadonlySet<string> = new Set(['ENODEV', 'EOPNOTSUPP']);
