// The packet path as one more table of the kernel: its devices are links, its routes are tunnels. One for the real kernel
// and its model; what is done to the TUN device itself (MTU, up, removal) is the door's own. Every call is synchronous.
import type { TunLink, PathRouteObject } from '../../backends/kernel-state.ts';
import type { PacketPath, PathDescriptor, PathDevice, PathRoute } from '../../native/packet-path.ts';
import { encodeRecord } from '../handover/device-checkpoint.ts';
import type { ActualState, Step } from './kernel.ts';
import { toTunnel } from './message-objects.ts';
import type { LinkMessage } from './netlink/link.ts';
import { DONE, type Outcome, refusal } from './netlink/outcome.ts';

/** Where open descriptors of TUN devices outlive this process. Knows wanted devices only. */
export interface DescriptorStore {
  /** Whether there are descriptors of an earlier process for `device` that nobody took. */
  has(device: string): boolean;
  /** Hands those over, to be used or closed. */
  take(device: string): readonly PathDescriptor[];
  /** Keeps copies for a successor, instead of all that were kept for `device`. */
  keep(device: string, descriptors: readonly PathDescriptor[]): void;
  /** Keeps nothing for `device` any more. */
  forget(device: string): void;
  /** Keeps a text about `device` for a successor, instead of the one before. */
  record(device: string, text: string): void;
}

export interface PathTableOptions {
  /** Unset: without the addon there is none. */
  readonly packetPath?: PacketPath | undefined;
  readonly descriptorStore?: DescriptorStore | undefined;
}

/** Routes of the underlay often change together; the MTUs to all peers are looked up once for all of them. */
const REFRESH_DELAY_MS = 100;

/** Records may be this much older than what they tell of when a process is killed; one that is asked to end brings them up to date. */
const RECORD_DELAY_MS = 1000;

type Settings = Parameters<PacketPath['configure']>[1];

export class PathTable {
  readonly #path: PacketPath | undefined;
  readonly #store: DescriptorStore | undefined;
  /** Interface index behind each device: a link of the same name with another one is somebody else's. */
  readonly #indexes = new Map<string, number>();
  readonly #settings = new Map<string, Settings>();
  #refreshTimer: NodeJS.Timeout | undefined;
  #recordTimer: NodeJS.Timeout | undefined;
  /** Devices whose records are out of date. */
  readonly #changed = new Set<string>();

  constructor({ packetPath, descriptorStore }: PathTableOptions) {
    this.#path = packetPath;
    this.#store = descriptorStore;
  }

  /** The device behind `link`, if that is one of ours. */
  deviceOf({ name, index }: LinkMessage): PathDevice | undefined {
    return this.#indexes.get(name) === index ? this.#find(name) : undefined;
  }

  /** Whether `link` is a device of an earlier process that {@link open} takes over. */
  isInherited({ name, kind }: LinkMessage): boolean {
    return kind === 'tun' && this.#path !== undefined && this.#store?.has(name) === true;
  }

  /** `link` is, perhaps, that of a device which was resumed before anybody read the kernel: it is ours from now on. */
  adopt(link: LinkMessage): void {
    if (!this.#isResumed(link)) return;
    this.#store?.take(link.name);
    this.bind(link);
  }

  /** Tunnels of a device that {@link deviceOf} gave. */
  tunnels({ name }: PathDevice): readonly PathRouteObject[] {
    return (this.#path?.routes(name) ?? []).map((route) => toTunnel(route, name));
  }

  /** Makes a device as `link` says exist. `current` is the link that has its name. EOPNOTSUPP: only by removing it first. */
  open(link: TunLink, current: LinkMessage | undefined): Outcome {
    const path = this.#path;
    if (path === undefined) return refusal('ENOSYS', 'no packet path: the addon is missing');
    const device = current && this.deviceOf(current);
    if (device !== undefined) return checkFixed(link, device);
    if (current !== undefined && !this.isInherited(current))
      return refusal(
        'EEXIST',
        `${link.name} exists and is another's ${current.kind || 'hardware'}: rename it`,
      );
    const inherited = this.#store?.take(link.name) ?? [];
    // One whose link other hands removed leads nowhere.
    this.close(link.name);
    return attempt(() => path.open(toDevice(link), inherited));
  }

  /** `link` is the one behind the device of its name from now on. */
  bind({ name, index, mtu }: LinkMessage): void {
    if (this.#path === undefined || this.#indexes.get(name) === index) return;
    this.#indexes.set(name, index);
    this.setMtu(name, mtu);
    this.#store?.keep(name, this.#path.descriptors(name));
    this.#recordSoon(name);
  }

  close(name: string): void {
    if (this.#find(name) === undefined) return;
    this.#path?.close(name);
    this.#indexes.delete(name);
    this.#settings.delete(name);
    this.#store?.forget(name);
  }

  setMtu(name: string, mtu: number): void {
    this.#configure(name, { ...this.#settings.get(name), mtu });
  }

  /** Tells the path what it must know of the kernel: MTUs, and the addresses that its ICMP errors come from. */
  learn({ objects }: ActualState): void {
    const seen = new Map<string, { mtu: number; ipv4?: string; ipv6?: string }>();
    for (const object of objects.values())
      if (object.kind === 'link' && object.type === 'tun') seen.set(object.name, { mtu: object.mtu });
    for (const object of objects.values()) {
      const settings = object.kind === 'address' ? seen.get(object.dev) : undefined;
      if (object.kind !== 'address' || settings === undefined) continue;
      const address = object.address.slice(0, object.address.indexOf('/'));
      settings[address.includes(':') ? 'ipv6' : 'ipv4'] ??= address;
    }
    for (const [name, settings] of seen) {
      this.#configure(name, settings);
      // Everything is read when interfaces changed, the underlay's among them.
      this.#refresh(name);
    }
  }

  /** Routes of the underlay changed, and with them perhaps the MTUs to peers, which the path looks up once for many packets. */
  refreshSoon(): void {
    if (this.#refreshTimer !== undefined || (this.#path?.devices() ?? []).length === 0) return;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = undefined;
      for (const { name } of this.#path?.devices() ?? []) this.#refresh(name);
    }, REFRESH_DELAY_MS).unref();
  }

  /** Brings records up to date; nothing is recorded afterwards. */
  end(): void {
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#recordTimer);
    this.#record();
  }

  /** Applies a step on the tunnels of `link`. */
  applyPathRoute(action: Step['action'], tunnel: PathRouteObject, link: LinkMessage | undefined): Outcome {
    const device = link && this.deviceOf(link);
    const path = this.#path;
    if (path === undefined || device === undefined)
      return action === 'remove' ? DONE : refusal('ENODEV', `no device ${tunnel.dev} of the packet path`);
    this.#recordSoon(device.name);
    return attempt(() =>
      action === 'set'
        ? path.setRoute(device.name, toRoute(tunnel, device))
        : path.removeRoute(device.name, tunnel.destination),
    );
  }

  #find(name: string): PathDevice | undefined {
    return this.#path?.devices().find((device) => device.name === name);
  }

  #refresh(name: string): void {
    if (this.#path?.refresh(name) === true) this.#store?.keep(name, this.#path.descriptors(name));
  }

  #isResumed({ name, kind }: LinkMessage): boolean {
    const isWaiting = kind === 'tun' && this.#store?.has(name) === true;
    return isWaiting && !this.#indexes.has(name) && this.#find(name) !== undefined;
  }

  #recordSoon(name: string): void {
    if (this.#store === undefined) return;
    this.#changed.add(name);
    this.#recordTimer ??= setTimeout(() => this.#record(), RECORD_DELAY_MS).unref();
  }

  #record(): void {
    this.#recordTimer = undefined;
    for (const name of this.#changed) {
      const device = this.#find(name);
      const settings = this.#settings.get(name);
      if (device === undefined || settings === undefined) continue;
      const routes = this.#path?.routes(name) ?? [];
      this.#store?.record(name, encodeRecord({ device, settings, routes }));
    }
    this.#changed.clear();
  }

  #configure(name: string, settings: Settings): void {
    const before = this.#settings.get(name);
    const isSame =
      before?.mtu === settings.mtu && before.ipv4 === settings.ipv4 && before.ipv6 === settings.ipv6;
    if (isSame) return;
    this.#path?.configure(name, settings);
    this.#settings.set(name, settings);
    this.#recordSoon(name);
  }
}

/** Whether `link` is a TUN device that some process has open: to remove it is to break that process. */
export function isInUse(link: LinkMessage): boolean {
  return link.kind === 'tun' && link.hasCarrier;
}

/** Refusal to remove a TUN device that another process serves. */
export function refuseInUse(name: string): Outcome {
  return refusal('EBUSY', `${name} is a TUN device that another process has open`);
}

function toDevice({ name, encapsulation, local, port, vni, mac }: TunLink): PathDevice {
  return { name, encapsulation, local, port, ...(encapsulation === 'vxlan' && { vni, mac }) };
}

function toRoute(
  { destination, remote, port, mac }: PathRouteObject,
  { encapsulation }: PathDevice,
): PathRoute {
  return { destination, remote, port, ...(encapsulation === 'vxlan' && { mac }) };
}

function checkFixed(link: TunLink, device: PathDevice): Outcome {
  const want = toDevice(link);
  const fixed = (['encapsulation', 'local', 'port', 'vni', 'mac'] as const).filter(
    (name) => want[name] !== device[name],
  );
  if (fixed.length === 0) return DONE;
  const words = fixed.map((name) => `${name} ${device[name]} instead of ${want[name]}`).join(', ');
  return refusal('EOPNOTSUPP', `${link.name} cannot be changed in place: ${words}`);
}

function attempt(call: () => void): Outcome {
  try {
    call();
    return DONE;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return refusal(code, message);
  }
}
