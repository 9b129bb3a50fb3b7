// Offloads of devices (`ethtool -k`): read and set by name. Most hosts never need one, so the
// socket opens with the first request.
import { NETLINK_GENERIC } from './netlink/constants.ts';
import { decodeFeatures, encodeFeatureSet, encodeFeaturesGet } from './netlink/ethtool.ts';
import { decodeFamily, encodeFamilyGet } from './netlink/genetlink.ts';
import { KernelReadError, type Outcome, rejection } from './netlink/outcome.ts';
import { type NetlinkClientOptions, NetlinkClient } from './netlink/netlink-client.ts';

/** Answers list some dozens of names. */
const RECEIVE_BYTES = 256 * 1024;
const NO_FAMILY =
  'this kernel cannot set offloads over netlink (CONFIG_ETHTOOL_NETLINK, Linux 5.7): use ethtool -K';

/** Offloads by device and name. */
export class Features {
  readonly #options: NetlinkClientOptions;
  #client: NetlinkClient | undefined;
  /**
   * Message type that the kernel assigned to the generic netlink family `ethtool`; 0 if it has
   * none.
   */
  #family: number | undefined;

  constructor(options: NetlinkClientOptions) {
    this.#options = options;
  }

  /**
   * Whether the feature `name` (of NETDEV feature strings, as `ethtool -k` prints them) is on;
   * `undefined` without such a device, or without the ethtool family.
   * @throws KernelReadError
   */
  async read(dev: string, name: string): Promise<boolean | undefined> {
    const client = this.#open();
    const family = await this.#familyOf(client);
    if (family === 0) return undefined;
    const { outcome, item } = await client.get(
      (writer) => encodeFeaturesGet(writer, family, dev),
      decodeFeatures,
    );
    if (item !== undefined) return item.has(name);
    if (outcome.status === 'rejected' && outcome.errno === 'ENODEV') return undefined;
    throw readError(`features of ${dev}`, outcome);
  }

  /** Turns a feature on or off. EOPNOTSUPP: the kernel or the device cannot. Never rejects. */
  async set(dev: string, name: string, isOn: boolean): Promise<Outcome> {
    try {
      const client = this.#open();
      const family = await this.#familyOf(client);
      if (family === 0) return rejection('EOPNOTSUPP', NO_FAMILY);
      const [outcome] = await client.send([
        (writer) => encodeFeatureSet(writer, family, { dev, name, isOn }),
      ]);
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
    this.#client?.close();
  }

  #open(): NetlinkClient {
    return (this.#client ??= new NetlinkClient({
      ...this.#options,
      protocol: NETLINK_GENERIC,
      receiveBytes: RECEIVE_BYTES,
    }));
  }

  async #familyOf(client: NetlinkClient): Promise<number> {
    if (this.#family !== undefined) return this.#family;
    const { outcome, item } = await client.get((writer) => encodeFamilyGet(writer, 'ethtool'), decodeFamily);
    const isAbsent = outcome.status === 'rejected' && outcome.errno === 'ENOENT';
    if (item === undefined && !isAbsent) throw readError('the families of generic netlink', outcome);
    return (this.#family = item ?? 0);
  }
}

function readError(what: string, outcome: Outcome): KernelReadError {
  if (outcome.status === 'rejected') return new KernelReadError(what, outcome.errno, outcome.message);
  const message = outcome.status === 'unknown' ? outcome.message : 'the answer is empty';
  return new KernelReadError(what, 'ETIMEDOUT', message);
}
