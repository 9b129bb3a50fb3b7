// Neighbour entries and forwarding entries of the model, by index of their device. Reports each
// change; knows no links.
import { AF_BRIDGE, AF_INET, AF_INET6, NUD_PERMANENT } from '../netlink/constants.ts';
import type { IpAddress, MacAddress } from '../../../lib/address.ts';
import type { NeighbourMessage } from '../netlink/neighbour-fdb.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import { isIpv4, reject } from './memory-outcome.ts';

type OnChange = (message: NeighbourMessage, isGone: boolean) => void;

export class MemoryNeighbours {
  readonly #onChange: OnChange;
  readonly #neighbours = new Map<string, NeighbourMessage>();
  readonly #fdb = new Map<string, NeighbourMessage>();

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  neighbours(index: number): readonly NeighbourMessage[] {
    return [...this.#neighbours.values()].filter((message) => message.index === index);
  }

  fdb(index: number): readonly NeighbourMessage[] {
    return [...this.#fdb.values()].filter((message) => message.index === index);
  }

  /** `state` is NUD_*. */
  setNeighbour(index: number, address: IpAddress, mac: MacAddress, state: number): Outcome {
    const family = isIpv4(address) ? AF_INET : AF_INET6;
    const message = { family, index, state, address, mac, unsupported: [] };
    return this.#set(this.#neighbours, `${index} ${address}`, message);
  }

  /** Creates or replaces; permanent. */
  setFdb(index: number, mac: MacAddress, address: IpAddress): Outcome {
    const state = NUD_PERMANENT;
    const message = { family: AF_BRIDGE, index, state, address, mac, unsupported: [] };
    return this.#set(this.#fdb, `${index} ${mac}`, message);
  }

  removeNeighbour(index: number | undefined, address: IpAddress): Outcome {
    return this.#remove(this.#neighbours, `${index} ${address}`);
  }

  removeFdb(index: number | undefined, mac: MacAddress): Outcome {
    return this.#remove(this.#fdb, `${index} ${mac}`);
  }

  /** Removes neighbours, each with a notification. */
  flush(isFlushed: (message: NeighbourMessage) => boolean): void {
    for (const [key, message] of this.#neighbours)
      if (isFlushed(message)) this.#remove(this.#neighbours, key);
  }

  /** Removes the forwarding entries of a device that is gone, without notifications. */
  dropFdb(index: number): void {
    for (const [key, message] of this.#fdb) if (message.index === index) this.#fdb.delete(key);
  }

  #set(table: Map<string, NeighbourMessage>, key: string, message: NeighbourMessage): Outcome {
    table.set(key, message);
    this.#onChange(message, false);
    return DONE;
  }

  #remove(table: Map<string, NeighbourMessage>, key: string): Outcome {
    const message = table.get(key);
    if (message === undefined) return reject('ENOENT');
    table.delete(key);
    this.#onChange(message, true);
    return DONE;
  }
}
