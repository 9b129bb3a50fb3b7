// Notifications: what changed in the kernel, from its multicast groups. Listens and translates; asks the kernel only for the
// names of interface indexes, at the start and after an overrun. What is not ours costs a look at one header.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ownership } from '../../backends/backend.ts';
import type { KernelNotification } from './kernel.ts';
import { decodeAddress } from './netlink/address.ts';
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
} from './netlink/constants.ts';
import { decodeLink, type LinkMessage } from './netlink/link.ts';
import { forEachMessage } from './netlink/message.ts';
import { decodeNeighbour, decodeNeighbourIndex } from './netlink/neighbour.ts';
import { decodeRoute } from './netlink/route.ts';
import type { NetlinkSocket, OpenSocket } from './netlink/socket.ts';
import { describeNeighbourChange, RouteChanges } from './table-notifications.ts';

export interface NotificationReaderOptions {
  readonly openSocket: OpenSocket;
  /** Receive buffer to ask for, in bytes. */
  readonly receiveBytes: number;
  /** Lists all links, to know the names of indexes. */
  readonly readLinks: () => Promise<readonly LinkMessage[]>;
  readonly ownership: () => Ownership | undefined;
  readonly onNotification: (notification: KernelNotification) => void;
}

/** Notifications are short, one a datagram, and each read allocates this much. */
const DATAGRAM_BYTES = 8 * 1024;
/** After the links could not be listed. */
const RETRY_MS = 200;
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
  #isNaming = false;
  #isNamingDue = false;
  #hasMissed = false;
  #isClosed = false;

  /** @throws Error with errno if no socket can be opened. */
  constructor(options: NotificationReaderOptions) {
    this.#options = options;
    this.#socket = options.openSocket(
      { datagramBytes: DATAGRAM_BYTES, receiveBytes: options.receiveBytes, groups: GROUPS },
      {
        onDatagram: (datagram) =>
          forEachMessage(datagram, (type, start, end) => this.#onMessage(type, datagram, start, end)),
        onError: () => this.#onOverrun(),
      },
    );
    void this.#learnNames();
  }

  close(): void {
    this.#isClosed = true;
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

  /** Other devices' neighbours come and go all the time. */
  #onNeighbour(type: number, buffer: Buffer, start: number, end: number): void {
    const ownership = this.#options.ownership();
    const dev = this.#nameOf(decodeNeighbourIndex(buffer, start, end));
    if (dev === undefined || ownership === undefined || !ownership.devices.includes(dev)) return;
    const message = decodeNeighbour(buffer, start, end);
    if (message !== undefined) this.#emit(...describeNeighbourChange(message, dev, type === RTM_DELNEIGH));
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
    if (name !== undefined) this.#emit({ kind: 'interfaces', names: [name] });
  }

  /** While names are still being read, an unknown index may be ours: what was missed is told as an overrun. */
  #nameOf(index: number): string | undefined {
    const name = this.#names.get(index);
    if (name === undefined && this.#isNaming) this.#hasMissed = true;
    return name;
  }

  #onOverrun(): void {
    this.#emit({ kind: 'overrun' });
    void this.#learnNames();
  }

  /** Until all names are known nothing can be told of links without one but that something may have changed. */
  async #learnNames(): Promise<void> {
    this.#isNamingDue = true;
    if (this.#isNaming) return;
    this.#isNaming = true;
    while (this.#isNamingDue && !this.#isClosed) {
      this.#isNamingDue = false;
      await this.#learnOnce();
    }
    this.#isNaming = false;
    if (this.#hasMissed) this.#emit({ kind: 'overrun' });
    this.#hasMissed = false;
  }

  /** Links that come and go all the time can keep the kernel from listing them. */
  async #learnOnce(): Promise<void> {
    try {
      for (const link of await this.#options.readLinks()) this.#names.set(link.index, link.name);
    } catch {
      this.#hasMissed = true;
      this.#isNamingDue = true;
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }

  #emit(...notifications: readonly KernelNotification[]): void {
    if (this.#isClosed) return;
    for (const notification of notifications) this.#options.onNotification(notification);
  }
}
