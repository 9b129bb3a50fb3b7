// IPsec policies of the kernel as a table: those of ESP tunnels with the request id of flannel's.
// Others are not touched. And which SAs there are, which charon makes. The socket opens with the first
// request.
import type { PolicyObject } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../actual-state.ts';
import { NetlinkClient, type NetlinkClientOptions } from '../netlink/netlink-client.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import type { NetlinkSocket } from '../netlink/datagram-socket.ts';
import {
  decodePolicy,
  decodeSa,
  encodePolicyDelete,
  encodePolicyDump,
  encodePolicyUpdate,
  encodeSaDump,
  kindOfChange,
  NETLINK_XFRM,
  XFRMNLGRP_EXPIRE,
  XFRMNLGRP_POLICY,
  XFRMNLGRP_SA,
  type XfrmPolicy,
} from '../netlink/xfrm.ts';

/** flannel's, of all policies and SAs. */
const REQUEST_ID = 11;
const DATAGRAM_BYTES = 16 * 1024;
/** A notification that is lost follows one that was read, which is enough. */
const RECEIVE_BYTES = 256 * 1024;

export class XfrmPolicies {
  readonly #options: NetlinkClientOptions;
  #client: NetlinkClient | undefined;
  #notifications: NetlinkSocket | undefined;
  #onSaEnded: () => void = () => undefined;
  #onChange: (() => void) | undefined;

  constructor(options: NetlinkClientOptions) {
    this.#options = options;
  }

  /**
   * Calls `onChange` when any policy changed, from the first {@link apply} on, or the first
   * {@link list} that finds policies: without its policy a packet leaves in the clear. So when all SAs
   * were removed. Calls `onSaEnded` when one was.
   */
  subscribe(onChange: () => void, onSaEnded: () => void): void {
    this.#onChange = onChange;
    this.#onSaEnded = onSaEnded;
  }

  /** @throws KernelReadError */
  async list(): Promise<readonly ActualObject[]> {
    const found = await this.#dump();
    // A process before this one made them. What changes before it listens is in another dump.
    return found.length > 0 && this.#listen() ? this.#dump() : found;
  }

  async #dump(): Promise<readonly ActualObject[]> {
    const policies = await this.#open().dump('IPsec policies', encodePolicyDump, decodePolicy);
    return policies.filter(({ requestId }) => requestId === REQUEST_ID).map(toObject);
  }

  /** `SOURCE>DESTINATION` of each SA. @throws KernelReadError */
  async listSas(): Promise<ReadonlySet<string>> {
    const sas = await this.#open().dump('IPsec SAs', encodeSaDump, decodeSa);
    const ours = sas.filter(({ requestId }) => requestId === REQUEST_ID);
    return new Set(ours.map(({ source, destination }) => `${source}>${destination}`));
  }

  async apply(action: 'set' | 'remove', object: PolicyObject): Promise<Outcome> {
    this.#listen();
    const [outcome] = await this.#open().send([
      (writer) =>
        action === 'set'
          ? encodePolicyUpdate(writer, { ...object, requestId: REQUEST_ID })
          : encodePolicyDelete(writer, object),
    ]);
    const isGone = action === 'remove' && outcome?.status === 'rejected' && outcome.errno === 'ENOENT';
    return isGone ? DONE : outcome!;
  }

  close(): void {
    this.#client?.close();
    this.#notifications?.close();
  }

  /** Whether it begins to listen now. */
  #listen(): boolean {
    const onChange = this.#onChange;
    if (onChange === undefined || this.#notifications !== undefined) return false;
    this.#notifications = this.#options.openSocket(
      {
        protocol: NETLINK_XFRM,
        datagramBytes: DATAGRAM_BYTES,
        receiveBytes: RECEIVE_BYTES,
        groups: [XFRMNLGRP_EXPIRE, XFRMNLGRP_SA, XFRMNLGRP_POLICY],
      },
      {
        onDatagram: (datagram) => {
          const kind = kindOfChange(datagram);
          if (kind === 'sa-ended') this.#onSaEnded();
          if (kind === 'other') onChange();
        },
        onError: onChange,
      },
    );
    return true;
  }

  #open(): NetlinkClient {
    return (this.#client ??= new NetlinkClient({ ...this.#options, protocol: NETLINK_XFRM }));
  }
}

function toObject({ requestId: _id, unsupported, ...policy }: XfrmPolicy): ActualObject {
  const mismatch = unsupported.length === 0 ? {} : { mismatch: unsupported.join(', ') };
  return { kind: 'policy', ...policy, ...mismatch };
}
