// A model of the kernel's tables and of what happens in them without being asked: devices take their entries along,
// routes vanish when a device goes down. Others (administrators, other daemons) act on it directly, our own steps go
// through `memory-kernel.ts`. Only rules that were seen on Linux 6.18.
import { constants } from 'node:os';
import { type Cidr, contains, type IpAddress, networkOf } from '../../../lib/address.ts';
import type { FdbObject, NeighbourObject } from '../../../backends/kernel-state.ts';
import type { KernelTables } from '../kernel-tables.ts';
import type { AddressMessage } from '../netlink/address.ts';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  IFA_F_PERMANENT,
  NUD_PERMANENT,
  RT_SCOPE_UNIVERSE,
  RTN_UNICAST,
  RTPROT_BOOT,
  RTPROT_KERNEL,
} from '../netlink/constants.ts';
import type { LinkMessage } from '../netlink/link.ts';
import type { NeighbourMessage } from '../netlink/neighbour.ts';
import { DONE, type Outcome, rejectionOf } from '../netlink/outcome.ts';
import type { RouteMessage } from '../netlink/route.ts';
import { defaultMetric } from '../route-ownership.ts';

/** What an observer of the kernel's multicast groups would see. */
export type TableEvent =
  | { readonly table: 'interfaces'; readonly name: string }
  | { readonly table: 'routes'; readonly message: RouteMessage; readonly isGone: boolean }
  | { readonly table: 'neighbours'; readonly message: NeighbourMessage; readonly isGone: boolean };

/** A route to be made; what is left out is as `ip route add` has it. */
export interface MemoryRoute {
  readonly destination: Cidr;
  readonly dev: string;
  readonly gateway?: IpAddress;
  readonly isOnLink?: boolean;
  readonly protocol?: number;
  readonly metric?: number;
  readonly type?: number;
}

export type MemoryInterface = Partial<Omit<LinkMessage, 'index'>> & { readonly name: string };

export class MemoryTables implements KernelTables {
  /** Called for each change, in order. */
  onEvent: (event: TableEvent) => void = () => undefined;
  #links = new Map<string, LinkMessage>();
  #addresses: AddressMessage[] = [];
  #neighbours = new Map<string, NeighbourMessage>();
  #fdb = new Map<string, NeighbourMessage>();
  #routes = new Map<string, RouteMessage>();
  #nextIndex = 1;

  // Reading

  links(): Promise<readonly LinkMessage[]> {
    return Promise.resolve([...this.#links.values()]);
  }

  addresses(index: number): Promise<readonly AddressMessage[]> {
    return Promise.resolve(this.#addresses.filter((message) => index === 0 || message.index === index));
  }

  neighbours(index: number): Promise<readonly NeighbourMessage[]> {
    return Promise.resolve([...this.#neighbours.values()].filter((message) => message.index === index));
  }

  fdb(index: number): Promise<readonly NeighbourMessage[]> {
    return Promise.resolve([...this.#fdb.values()].filter((message) => message.index === index));
  }

  routes(family: 4 | 6): Promise<readonly RouteMessage[]> {
    const all = [...this.#routes.values(), ...this.#connected()];
    return Promise.resolve(all.filter(({ destination }) => destination.includes(':') === (family === 6)));
  }

  link(name: string): LinkMessage | undefined {
    return this.#links.get(name);
  }

  nameOf(index: number): string | undefined {
    return [...this.#links.values()].find((link) => link.index === index)?.name;
  }

  // Links

  /** Adds an interface: an up veth of MTU 1500 unless said otherwise. Replaces nothing. */
  addLink(link: MemoryInterface): Outcome {
    if (this.#links.has(link.name)) return reject('EEXIST');
    const flags = { isUp: true, isLoopback: false, hasCarrier: true };
    const defaults = { mtu: 1500, txQueueLength: 1000, kind: 'veth', ...flags };
    this.#links.set(link.name, { ...defaults, ...link, index: this.#nextIndex++ });
    this.#emitInterface(link.name);
    return DONE;
  }

  /** Adds a TUN device as a process makes it, down; the result removes it, unless that has been done. */
  addTun(name: string): () => void {
    this.addLink({ name, kind: 'tun', isUp: false, txQueueLength: 500 });
    const { index } = this.#links.get(name)!;
    return () => void (this.#links.get(name)?.index === index && this.removeLink(name));
  }

  changeLink(name: string, change: Partial<Omit<LinkMessage, 'index' | 'name'>>): Outcome {
    const before = this.#links.get(name);
    if (before === undefined) return reject('ENODEV');
    const after = { ...before, ...change };
    this.#links.set(name, after);
    if (before.isUp && !after.isUp) this.#onDown(after);
    // Neighbours belong to the old address (neigh_changeaddr).
    if (before.mac !== after.mac) this.#flushNeighbours(({ index }) => index === after.index);
    this.#emitInterface(name);
    return DONE;
  }

  /** All that is on the device stays on it. */
  renameLink(from: string, to: string): Outcome {
    const link = this.#links.get(from);
    if (link === undefined) return reject('ENODEV');
    if (this.#links.has(to)) return reject('EEXIST');
    this.#links.delete(from);
    this.#links.set(to, { ...link, name: to });
    this.#emitInterface(to);
    return DONE;
  }

  /** Takes along all entries of the device, and the VXLAN devices that send through it. */
  removeLink(name: string): Outcome {
    const link = this.#links.get(name);
    if (link === undefined) return reject('ENODEV');
    for (const other of this.#links.values())
      if (other.vxlan?.parentIndex === link.index) this.removeLink(other.name);
    this.#onDown(link);
    this.#addresses = this.#addresses.filter(({ index }) => index !== link.index);
    for (const [key, { index }] of this.#fdb) if (index === link.index) this.#fdb.delete(key);
    this.#links.delete(name);
    this.#emitInterface(name);
    return DONE;
  }

  // Addresses

  setAddress(dev: string, cidr: Cidr): Outcome {
    const link = this.#links.get(dev);
    if (link === undefined) return reject('ENODEV');
    const { address, prefixLength } = split(cidr);
    this.#addresses = this.#addresses.filter((message) => !isAddress(message, link.index, cidr));
    const flags = IFA_F_PERMANENT;
    this.#addresses.push({ index: link.index, address, prefixLength, scope: RT_SCOPE_UNIVERSE, flags });
    this.#emitInterface(dev);
    return DONE;
  }

  /** The last IPv4 address takes the device's IPv4 routes and neighbours along (fib_disable_ip). */
  removeAddress(dev: string, cidr: Cidr): Outcome {
    const index = this.#links.get(dev)?.index;
    if (!this.#addresses.some((message) => isAddress(message, index, cidr))) return reject('EADDRNOTAVAIL');
    this.#addresses = this.#addresses.filter((message) => !isAddress(message, index, cidr));
    const hasIpv4 = this.#addresses.some((message) => message.index === index && isIpv4(message.address));
    if (isIpv4(cidr) && !hasIpv4) this.#disableIpv4(index!);
    this.#emitInterface(dev);
    return DONE;
  }

  // Neighbours and forwarding entries

  setNeighbour({ dev, address, mac }: NeighbourObject, state = NUD_PERMANENT): Outcome {
    const link = this.#links.get(dev);
    if (link === undefined) return reject('ENODEV');
    const family = isIpv4(address) ? AF_INET : AF_INET6;
    const message = { family, index: link.index, state, address, mac, unsupported: [] };
    this.#neighbours.set(`${link.index} ${address}`, message);
    this.onEvent({ table: 'neighbours', message, isGone: false });
    return DONE;
  }

  removeNeighbour({ dev, address }: Pick<NeighbourObject, 'dev' | 'address'>): Outcome {
    const key = `${this.#links.get(dev)?.index} ${address}`;
    const message = this.#neighbours.get(key);
    if (message === undefined) return reject('ENOENT');
    this.#neighbours.delete(key);
    this.onEvent({ table: 'neighbours', message, isGone: true });
    return DONE;
  }

  setFdb(entry: FdbObject): Outcome {
    const link = this.#links.get(entry.dev);
    if (link?.vxlan === undefined) return reject(link ? 'EOPNOTSUPP' : 'ENODEV');
    const { mac, destination: address } = entry;
    const message = {
      family: AF_BRIDGE,
      index: link.index,
      state: NUD_PERMANENT,
      address,
      mac,
      unsupported: [],
    };
    this.#fdb.set(`${link.index} ${mac}`, message);
    this.onEvent({ table: 'neighbours', message, isGone: false });
    return DONE;
  }

  removeFdb({ dev, mac }: Pick<FdbObject, 'dev' | 'mac'>): Outcome {
    const key = `${this.#links.get(dev)?.index} ${mac}`;
    const message = this.#fdb.get(key);
    if (message === undefined) return reject('ENOENT');
    this.#fdb.delete(key);
    this.onEvent({ table: 'neighbours', message, isGone: true });
    return DONE;
  }

  // Routes

  /** Creates, or replaces what has this destination and metric. */
  setRoute(route: MemoryRoute): Outcome {
    const link = this.#links.get(route.dev);
    const type = route.type ?? RTN_UNICAST;
    const problem = type === RTN_UNICAST ? this.#checkNextHop(route, link) : undefined;
    if (problem) return problem;
    const message: RouteMessage = {
      destination: route.destination,
      protocol: route.protocol ?? RTPROT_BOOT,
      type,
      metric: route.metric ?? defaultMetric(route.destination),
      index: link?.index ?? 0,
      ...(route.gateway && { gateway: route.gateway }),
      isOnLink: route.isOnLink ?? false,
      hops: 1,
      hasTos: false,
      isNexthopObject: false,
    };
    this.#routes.set(`${message.destination} ${message.metric}`, message);
    this.onEvent({ table: 'routes', message, isGone: false });
    return DONE;
  }

  /** Removes the first route that has all that `match` says. */
  removeRoute(match: Partial<MemoryRoute> & { readonly destination: Cidr }): Outcome {
    for (const [key, message] of this.#routes) {
      if (!this.#matches(message, match)) continue;
      this.#routes.delete(key);
      this.onEvent({ table: 'routes', message, isGone: true });
      return DONE;
    }
    return reject('ESRCH');
  }

  #matches(message: RouteMessage, match: Partial<MemoryRoute>): boolean {
    return (
      message.destination === match.destination &&
      (match.protocol ?? message.protocol) === message.protocol &&
      (match.metric ?? message.metric) === message.metric &&
      (match.gateway ?? message.gateway) === message.gateway &&
      (match.dev === undefined || this.#links.get(match.dev)?.index === message.index)
    );
  }

  #checkNextHop({ gateway, isOnLink }: MemoryRoute, link: LinkMessage | undefined): Outcome | undefined {
    if (link === undefined) return reject('ENODEV');
    if (!link.isUp) return reject('ENETDOWN', 'Nexthop device is not up');
    if (gateway === undefined || isOnLink) return undefined;
    const isReachable = this.#connected().some(
      ({ index, destination }) => index === link.index && contains(destination, gateway),
    );
    return isReachable ? undefined : reject('ENETUNREACH', 'Nexthop has invalid gateway');
  }

  /** Routes that the kernel itself makes for addresses of devices that are up. */
  #connected(): readonly RouteMessage[] {
    return this.#addresses.flatMap(({ index, address, prefixLength }) => {
      const isUp = [...this.#links.values()].some((link) => link.index === index && link.isUp);
      const isHost = prefixLength === (isIpv4(address) ? 32 : 128);
      return isUp && !isHost ? [connectedRoute(index, address, prefixLength)] : [];
    });
  }

  /** IPv4 routes go without a word (fib_sync_down_dev), neighbours and IPv6 entries with one; permanent FDB entries stay. */
  #onDown({ index }: LinkMessage): void {
    this.#disableIpv4(index);
    this.#addresses = this.#addresses.filter((message) => message.index !== index || isIpv4(message.address));
    for (const [key, message] of this.#routes) {
      if (message.index !== index) continue;
      this.#routes.delete(key);
      this.onEvent({ table: 'routes', message, isGone: true });
    }
    this.#flushNeighbours((message) => message.index === index);
  }

  #disableIpv4(index: number): void {
    for (const [key, message] of this.#routes)
      if (message.index === index && isIpv4(message.destination)) this.#routes.delete(key);
    this.#flushNeighbours((message) => message.index === index && message.family === AF_INET);
  }

  #flushNeighbours(isFlushed: (message: NeighbourMessage) => boolean): void {
    for (const [key, message] of this.#neighbours) {
      if (!isFlushed(message)) continue;
      this.#neighbours.delete(key);
      this.onEvent({ table: 'neighbours', message, isGone: true });
    }
  }

  #emitInterface(name: string): void {
    this.onEvent({ table: 'interfaces', name });
  }
}

function connectedRoute(index: number, address: IpAddress, prefixLength: number): RouteMessage {
  const destination = networkOf(address, prefixLength);
  const metric = isIpv4(address) ? 0 : 256;
  const fixed = { type: RTN_UNICAST, isOnLink: false, hops: 1, hasTos: false, isNexthopObject: false };
  return { destination, protocol: RTPROT_KERNEL, metric, index, ...fixed };
}

function isAddress(message: AddressMessage, index: number | undefined, cidr: Cidr): boolean {
  return message.index === index && `${message.address}/${message.prefixLength}` === cidr;
}

function isIpv4(text: string): boolean {
  return !text.includes(':');
}

function split(cidr: Cidr): { readonly address: IpAddress; readonly prefixLength: number } {
  const slash = cidr.indexOf('/');
  return { address: cidr.slice(0, slash) as IpAddress, prefixLength: Number(cidr.slice(slash + 1)) };
}

/** A refusal as the real kernel words it. */
export function reject(errno: keyof typeof constants.errno, text = ''): Outcome {
  return rejectionOf(-constants.errno[errno], text);
}
