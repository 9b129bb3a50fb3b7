// Offloads of devices (`ethtool -k`): read and set by name.
import { decodeFeatures, encodeFeatureSet, encodeFeaturesGet } from './netlink/ethtool.ts';
import { GenetlinkClient } from './netlink/genetlink-client.ts';
import { KernelReadError, type Outcome, readErrorOf, rejection } from './netlink/outcome.ts';
import type { NetlinkClientOptions } from './netlink/netlink-client.ts';

const NO_FAMILY =
  'this kernel cannot set offloads over netlink (CONFIG_ETHTOOL_NETLINK, Linux 5.7): use ethtool -K';

/** Offloads by device and name. */
export class Features {
  readonly #ethtool: GenetlinkClient;

  constructor(options: NetlinkClientOptions) {
    this.#ethtool = new GenetlinkClient('ethtool', options);
  }

  /**
   * Whether the feature `name` (of NETDEV feature strings, as `ethtool -k` prints them) is on;
   * `undefined` without such a device, or without the ethtool family.
   * @throws KernelReadError
   */
  async read(dev: string, name: string): Promise<boolean | undefined> {
    const family = await this.#ethtool.family();
    if (family === undefined) return undefined;
    const { outcome, item } = await this.#ethtool
      .open()
      .get((writer) => encodeFeaturesGet(writer, family, dev), decodeFeatures);
    if (item !== undefined) return item.has(name);
    if (outcome.status === 'rejected' && outcome.errno === 'ENODEV') return undefined;
    throw readErrorOf(`features of ${dev}`, outcome);
  }

  /** Turns a feature on or off. EOPNOTSUPP: the kernel or the device cannot. Never rejects. */
  async set(dev: string, name: string, isOn: boolean): Promise<Outcome> {
    try {
      const family = await this.#ethtool.family();
      if (family === undefined) return rejection('EOPNOTSUPP', NO_FAMILY);
      const [outcome] = await this.#ethtool
        .open()
        .send([(writer) => encodeFeatureSet(writer, family, { dev, name, isOn })]);
      if (outcome?.status !== 'done') return outcome!;
      // The kernel reports success for a feature that the device has fixed ([fixed] in `ethtool
      // -k`).
      if ((await this.read(dev, name)) === isOn) return outcome;
      return rejection('EOPNOTSUPP', `${dev} keeps ${name} ${isOn ? 'off' : 'on'}`);
    } catch (error) {
      if (!(error instanceof KernelReadError)) throw error;
      return { status: 'unknown', message: error.message };
    }
  }

  close(): void {
    this.#ethtool.close();
  }
}
