// A model of the kernel's tables and of what the kernel changes by itself: devices take their
// entries along, routes vanish when a device goes down. Other processes (administrators, daemons)
// change it directly, our own steps go through `memory-kernel.ts`. Only rules that were observed on
// Linux 6.18.
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import type { FdbObject, NeighbourObject } from '../../../backends/kernel-state.ts';
import type { AddressMessage } from '../netlink/address.ts';
import { AF_INET, IFA_F_PERMANENT, NUD_PERMANENT, RT_SCOPE_UNIVERSE } from '../netlink/constants.ts';
import type { FouPort } from '../netlink/fou.ts';
import type { IpTunnelAttributes } from '../netlink/ip-tunnel.ts';
import type { LinkMessage } from '../netlink/link.ts';
import type { NeighbourMessage } from '../netlink/neighbour-fdb.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import type { RouteMessage } from '../netlink/route.ts';
import { MemoryNeighbours } from './memory-neighbours.ts';
import { isIpv4, reject } from './memory-outcome.ts';
import type { WireguardDeviceMessage } from '../wireguard/wireguard-model.ts';
import { MemoryWireguard } from './memory-wireguard.ts';
import { type MemoryRoute, MemoryRoutes } from './memory-routes.ts';

/** What a listener of the kernel's multicast groups would receive. */
export type TableEvent =
  | { readonly table: 'interfaces'; readonly name: string }
  | { readonly table: 'routes'; readonly message: RouteMessage; readonly isGone: boolean }
  | { readonly table: 'neighbours'; readonly message: NeighbourMessage; readonly isGone: boolean };

/** A link to be made; defaults are those of a veth. */
export type MemoryInterface = Partial<Omit<LinkMessage, 'index'>> & { readonly name: string };

export class MemoryTables {
  /** Called for each change, in order. */
  onEvent: (event: TableEvent) => void = () => undefined;
  /** Ports of FOU; they outlive devices, and their changes are not notified. */
  ports: readonly FouPort[] = [];
  /** Peers and keys of WireGuard devices; their changes are not notified. */
  readonly wireguards = new MemoryWireguard();
  #links = new Map<string, LinkMessage>();
  #addresses: AddressMessage[] = [];
  #nextIndex = 1;
  readonly #neighbours = new MemoryNeighbours((message, isGone) =>
    this.onEvent({ table: 'neighbours', message, isGone }),
  );
  readonly #routes = new MemoryRoutes({
    onChange: (message, isGone) => this.onEvent({ table: 'routes', message, isGone }),
    liveAddresses: () => this.#addresses.filter(({ index }) => this.#isUp(index)),
  });

  // Reading

  links(): Promise<readonly LinkMessage[]> {
    return Promise.resolve([...this.#links.values()]);
  }

  addresses(index: number): Promise<readonly AddressMessage[]> {
    return Promise.resolve(this.#addresses.filter((message) => index === 0 || message.index === index));
  }

  neighbours(index: number): Promise<readonly NeighbourMessage[]> {
    return Promise.resolve(this.#neighbours.neighbours(index));
  }

  fdb(index: number): Promise<readonly NeighbourMessage[]> {
    return Promise.resolve(this.#neighbours.fdb(index));
  }

  fouPorts(): Promise<readonly FouPort[]> {
    return Promise.resolve(this.ports);
  }

  wireguard({ name }: Pick<LinkMessage, 'name'>): Promise<WireguardDeviceMessage | undefined> {
    return Promise.resolve(this.wireguards.read(name));
  }

  routes(family: 4 | 6, withoutProtocol?: number): Promise<readonly RouteMessage[]> {
    return Promise.resolve(
      this.#routes.all.filter(
        ({ destination, protocol }) => isIpv4(destination) === (family === 4) && protocol !== withoutProtocol,
      ),
    );
  }

  link(name: string): LinkMessage | undefined {
    return this.#links.get(name);
  }

  /** Whether an IP-in-IP device has all of `wanted`. */
  hasIpTunnel(wanted: Partial<IpTunnelAttributes>): boolean {
    const fields = Object.entries(wanted) as [keyof IpTunnelAttributes, unknown][];
    return [...this.#links.values()].some(
      ({ ipTunnel }) => ipTunnel !== undefined && fields.every(([name, value]) => ipTunnel[name] === value),
    );
  }

  nameOf(index: number): string | undefined {
    return [...this.#links.values()].find((link) => link.index === index)?.name;
  }

  // Links

  /**
   * Adds an interface, by default a veth that is up, of MTU 1500. EEXIST if there is one of that
   * name.
   */
  addLink(link: MemoryInterface): Outcome {
    if (this.#links.has(link.name)) return reject('EEXIST');
    const flags = { isUp: true, isLoopback: false, hasCarrier: true };
    const defaults = { mtu: 1500, txQueueLength: 1000, kind: 'veth', ...flags };
    this.#links.set(link.name, { ...defaults, ...link, index: this.#nextIndex++ });
    this.#emitInterface(link.name);
    return DONE;
  }

  /**
   * Adds a TUN device as a process makes it, down; the result removes it, unless that has been
   * done.
   */
  addTun(name: string): () => void {
    this.addLink({ name, kind: 'tun', isUp: false, txQueueLength: 500 });
    const { index } = this.#links.get(name)!;
    return () => {
      const present = [...this.#links.values()].find((link) => link.index === index);
      if (present !== undefined) this.removeLink(present.name);
    };
  }

  changeLink(name: string, change: Partial<Omit<LinkMessage, 'index' | 'name'>>): Outcome {
    const before = this.#links.get(name);
    if (before === undefined) return reject('ENODEV');
    const after = { ...before, ...change };
    this.#links.set(name, after);
    if (before.isUp && !after.isUp) this.#onDown(after);
    // Neighbours belong to the old address (neigh_changeaddr).
    if (before.mac !== after.mac) this.#neighbours.flush(({ index }) => index === after.index);
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
    this.#neighbours.dropFdb(link.index);
    this.wireguards.removeDevice(name);
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
    return this.#neighbours.setNeighbour(link.index, address, mac, state);
  }

  removeNeighbour({ dev, address }: Pick<NeighbourObject, 'dev' | 'address'>): Outcome {
    return this.#neighbours.removeNeighbour(this.#links.get(dev)?.index, address);
  }

  setFdb({ dev, mac, destination }: FdbObject): Outcome {
    const link = this.#links.get(dev);
    if (link?.vxlan === undefined) return reject(link ? 'EOPNOTSUPP' : 'ENODEV');
    return this.#neighbours.setFdb(link.index, mac, destination);
  }

  removeFdb({ dev, mac }: Pick<FdbObject, 'dev' | 'mac'>): Outcome {
    return this.#neighbours.removeFdb(this.#links.get(dev)?.index, mac);
  }

  // Routes

  /** Creates, or replaces what has this destination and metric. */
  setRoute(route: MemoryRoute): Outcome {
    return this.#routes.set(route, this.#links.get(route.dev));
  }

  /** Removes the first route that has all that `match` names. */
  removeRoute({ dev, ...match }: Partial<MemoryRoute> & { readonly destination: Cidr }): Outcome {
    if (dev === undefined) return this.#routes.remove(match);
    return this.#routes.remove({ ...match, index: this.#links.get(dev)?.index ?? NO_INDEX });
  }

  /**
   * IPv4 routes go without notifications, neighbours and IPv6 entries with them; permanent FDB
   * entries stay.
   */
  #onDown({ index }: LinkMessage): void {
    this.#disableIpv4(index);
    this.#addresses = this.#addresses.filter((message) => message.index !== index || isIpv4(message.address));
    this.#routes.flush(index);
    this.#neighbours.flush((message) => message.index === index);
  }

  #disableIpv4(index: number): void {
    this.#routes.dropIpv4(index);
    this.#neighbours.flush((message) => message.index === index && message.family === AF_INET);
  }

  #isUp(index: number): boolean {
    return [...this.#links.values()].some((link) => link.index === index && link.isUp);
  }

  #emitInterface(name: string): void {
    this.onEvent({ table: 'interfaces', name });
  }
}

/** No route has it. */
const NO_INDEX = -1;

function isAddress(message: AddressMessage, index: number | undefined, cidr: Cidr): boolean {
  return message.index === index && `${message.address}/${message.prefixLength}` === cidr;
}

function split(cidr: Cidr): { readonly address: IpAddress; readonly prefixLength: number } {
  const slash = cidr.indexOf('/');
  return { address: cidr.slice(0, slash) as IpAddress, prefixLength: Number(cidr.slice(slash + 1)) };
}
