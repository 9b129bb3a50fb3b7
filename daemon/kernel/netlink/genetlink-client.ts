// A client of one generic netlink family, whose message type the kernel assigns. The socket opens
// with the first request: most hosts need few of the families.
import { NETLINK_GENERIC } from './constants.ts';
import { decodeFamily, encodeFamilyGet } from './genetlink.ts';
import { NetlinkClient, type NetlinkClientOptions } from './netlink-client.ts';
import { readErrorOf } from './outcome.ts';

const RECEIVE_BYTES = 256 * 1024;

export class GenetlinkClient {
  readonly #name: string;
  readonly #options: NetlinkClientOptions;
  #client: NetlinkClient | undefined;
  #family: number | undefined;

  constructor(name: string, options: NetlinkClientOptions) {
    this.#name = name;
    this.#options = options;
  }

  open(): NetlinkClient {
    return (this.#client ??= new NetlinkClient({
      ...this.#options,
      protocol: NETLINK_GENERIC,
      receiveBytes: RECEIVE_BYTES,
    }));
  }

  close(): void {
    this.#client?.close();
  }

  /**
   * Message type of the family; `undefined` while the kernel has none, which a module may change.
   * @throws KernelReadError
   */
  async family(): Promise<number | undefined> {
    if (this.#family !== undefined) return this.#family;
    const { outcome, item } = await this.open().get(
      (writer) => encodeFamilyGet(writer, this.#name),
      decodeFamily,
    );
    const isAbsent = outcome.status === 'rejected' && outcome.errno === 'ENOENT';
    if (item === undefined && !isAbsent) throw readErrorOf('the families of generic netlink', outcome);
    return (this.#family = item);
  }
}
