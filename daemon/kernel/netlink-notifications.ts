// Notifications of the kernel's multicast groups (rtnetlink(7)), translated. Reads only the names
// of interface indexes, at the start and after an overrun. A message that is not ours costs the
// decoding of one header.
import { ControlLoop } from '../../lib/control-loop.ts';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Ownership } from '../../backends/backend.ts';
import type { KernelNotification } from './kernel.ts';
import { decodeAddress, type AddressMessage } from './netlink/address.ts';
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RT_SCOPE_LINK,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
} from './netlink/constants.ts';
import { decodeLink, type LinkMessage } from './netlink/link.ts';
import { forEachMessage } from './netlink/message.ts';
import { decodeNeighbour, decodeNeighbourIndex } from './netlink/neighbour-fdb.ts';
import { decodeRoute } from './netlink/route.ts';
import type { NetlinkSocket, OpenSocket } from './netlink/datagram-socket.ts';
import { describeNeighbourChange, RouteChanges } from './table-notifications.ts';

export interface NotificationReaderOptions {
  readonly clock: Clock;
  readonly openSocket: OpenSocket;
  /** Receive buffer to request, in bytes. */
  readonly receiveBytes: number;
  /** Lists all links, for the names of indexes. May reject. */
  readonly readLinks: () => Promise<readonly LinkMessage[]>;
  /** Read at each message; `undefined`: only interfaces are reported. */
  readonly ownership: () => Ownership | undefined;
  /** Must not throw. */
  readonly onNotification: (notification: KernelNotification) => void;
}

/** Notifications are short, one a datagram, and each read allocates this much. */
const DATAGRAM_BYTES = 8 * 1024;
/** Some 400 notifications, which take some milliseconds. */
const BATCH_BYTES = 40 * 1024;
/** Retries of the list of links. */
const RETRY = { baseMs: 200, capMs: 5_000, random: Math.random };
const GROUPS = [
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
];

export class NotificationReader {
  readonly #options: NotificationReaderOptions;
  readonly #socket: NetlinkSocket;
  readonly #names = new Map<number, string>();
  readonly #routeChanges = new RouteChanges();
  readonly #nameReads: ControlLoop;
  readonly #backoff = new Backoff(RETRY);
  /** The links must be listed, not before {@link #retryAtMs}. */
  #isReadDue = true;
  #retryAtMs = 0;
  /** All links have names: those listed, and those of messages since. */
  #areNamesComplete = false;
  /** A message was dropped for want of a name. */
  #hasMissed = false;
  #isClosed = false;

  /** @throws Error with errno if no socket can be opened. */
  constructor(options: NotificationReaderOptions) {
    this.#options = options;
    this.#socket = options.openSocket(
      {
        datagramBytes: DATAGRAM_BYTES,
        batchBytes: BATCH_BYTES,
        receiveBytes: options.receiveBytes,
        groups: GROUPS,
      },
      {
        onDatagram: (datagram) =>
          forEachMessage(datagram, (type, start, end) => this.#onMessage(type, datagram, start, end)),
        onError: () => this.#onOverrun(),
      },
    );
    this.#nameReads = new ControlLoop({
      clock: options.clock,
      step: () => this.#readNamesIfDue(),
      deadlinesMs: () => (this.#isReadDue ? [this.#retryAtMs] : []),
    });
    this.#nameReads.start();
  }

  /** Resolves once all that the kernel has notified of until now is emitted. */
  async drain(): Promise<void> {
    await this.#socket.drain?.();
  }

  close(): void {
    this.#isClosed = true;
    void this.#nameReads.stop();
    this.#socket.close();
  }

  #onMessage(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        return this.#onNeighbour(type, buffer, start, end);
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        return this.#onRoute(type, buffer, start, end);
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#onLink(type, buffer, start, end);
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return this.#onAddress(buffer, start, end);
    }
  }

  /** Most messages are of other devices' neighbours, so only the index is decoded first. */
  #onNeighbour(type: number, buffer: Buffer, start: number, end: number): void {
    const ownership = this.#options.ownership();
    const dev = this.#nameOf(decodeNeighbourIndex(buffer, start, end));
    if (dev === undefined || ownership === undefined || !ownership.devices.includes(dev)) return;
    const message = decodeNeighbour(buffer, start, end);
    if (message !== undefined && message.isRequest === undefined)
      this.#emit(...describeNeighbourChange(message, dev, type === RTM_DELNEIGH));
  }

  #onRoute(type: number, buffer: Buffer, start: number, end: number): void {
    const ownership = this.#options.ownership();
    const message = ownership && decodeRoute(buffer, start, end);
    if (ownership === undefined || message === undefined) return;
    const dev = message.index === 0 ? '' : this.#nameOf(message.index);
    if (dev === undefined) return;
    this.#emit(...this.#routeChanges.describe(message, dev, ownership, type === RTM_DELROUTE));
  }

  #onLink(type: number, buffer: Buffer, start: number, end: number): void {
    const link = decodeLink(buffer, start, end);
    if (link === undefined) return;
    const before = this.#names.get(link.index);
    if (type === RTM_DELLINK) this.#names.delete(link.index);
    else this.#names.set(link.index, link.name);
    const names = before === undefined || before === link.name ? [link.name] : [before, link.name];
    this.#emit({ kind: 'interfaces', names });
  }

  #onAddress(buffer: Buffer, start: number, end: number): void {
    const message = decodeAddress(buffer, start, end);
    const name = message && this.#nameOf(message.index);
    if (name === undefined || this.#isKernels(message!, name)) return;
    this.#emit({ kind: 'interfaces', names: [name] });
  }

  /**
   * The kernel gives each device an IPv6 address of the link, and confirms it 1 to 2 s later
   * (RFC 4862 §5.4), while thousands of entries are being written. It is no object of ours.
   */
  #isKernels({ address, scope }: AddressMessage, name: string): boolean {
    if (!address.includes(':') || scope !== RT_SCOPE_LINK) return false;
    return this.#options.ownership()?.devices.includes(name) === true;
  }

  /**
   * While names are incomplete, an unknown index may be ours: what is missed then is reported as an
   * overrun.
   */
  #nameOf(index: number): string | undefined {
    const name = this.#names.get(index);
    if (name === undefined && !this.#areNamesComplete) this.#hasMissed = true;
    return name;
  }

  #onOverrun(): void {
    this.#emit({ kind: 'overrun' });
    this.#isReadDue = true;
    this.#areNamesComplete = false;
    this.#nameReads.wake();
  }

  async #readNamesIfDue(): Promise<boolean> {
    if (!this.#isReadDue || this.#options.clock.nowMs() < this.#retryAtMs) return false;
    this.#isReadDue = false;
    await this.#readNames();
    // An overrun during the read makes another one due.
    if (!this.#isReadDue) this.#onNamesComplete();
    return this.#isReadDue;
  }

  /** Links that are added and removed all the time can keep the kernel from listing them. */
  async #readNames(): Promise<void> {
    const { clock, readLinks } = this.#options;
    try {
      for (const link of await readLinks()) this.#names.set(link.index, link.name);
      this.#backoff.reset();
    } catch {
      this.#hasMissed = true;
      this.#isReadDue = true;
      this.#retryAtMs = clock.nowMs() + this.#backoff.nextMs();
    }
  }

  #onNamesComplete(): void {
    this.#areNamesComplete = true;
    if (this.#hasMissed) this.#emit({ kind: 'overrun' });
    this.#hasMissed = false;
  }

  #emit(...notifications: readonly KernelNotification[]): void {
    if (this.#isClosed) return;
    for (const notification of notifications) this.#options.onNotification(notification);
  }
}
