// The packet path as one more table of the kernel: its devices are links, its routes are objects of
// kind `tunnel`. Shared by the real kernel and its model, which change the TUN device itself (MTU,
// up, removal). Every call is synchronous.
import type { TunLink, PathRouteObject } from '../../backends/kernel-state.ts';
import type { PacketPath, PathDescriptor, PathDevice } from '../../native/packet-path.ts';
import { encodeCheckpoint } from './device-checkpoint.ts';
import type { ActualState, Step } from './kernel.ts';
import { toPathRouteObject } from './message-objects.ts';
import type { LinkMessage } from './netlink/link.ts';
import { DONE, takenName, type Outcome, rejection } from './netlink/outcome.ts';
import { attempt, checkFixed, toDevice, toPathRoute } from './path-objects.ts';

/** Where open descriptors of TUN devices outlive this process. */
export interface DescriptorStore {
  /** Whether there are descriptors of an earlier process for `device` that were not taken. */
  has(device: string): boolean;
  /** Takes them out: the caller uses or closes them. */
  take(device: string): readonly PathDescriptor[];
  /** Stores copies for the next process, instead of all that were stored for `device`. */
  store(device: string, descriptors: readonly PathDescriptor[]): void;
  /** Removes descriptors and checkpoint of `device`. */
  remove(device: string): void;
  /** Stores the checkpoint of `device` for the next process, instead of the one before. */
  storeCheckpoint(device: string, text: string): void;
}

export interface PathTableOptions {
  /** Unset without the addon. */
  readonly packetPath?: PacketPath | undefined;
  /** Unset: nothing is handed over. */
  readonly descriptorStore?: DescriptorStore | undefined;
}

/**
 * Routes of the underlay often change together: one refresh of the MTUs to all peers serves them
 * all.
 */
const REFRESH_DELAY_MS = 100;
/** A refresh reads the route to each peer: at most this part of the time. */
const REFRESH_SHARE = 1 / 20;

/**
 * How old a checkpoint may be when the process is killed. A process that stops stores a last one.
 */
const CHECKPOINT_DELAY_MS = 1000;

type Settings = Parameters<PacketPath['configure']>[1];

/** Devices and routes of the packet path. */
export class PathTable {
  readonly #path: PacketPath | undefined;
  readonly #store: DescriptorStore | undefined;
  /**
   * Interface index of each device: a link of the same name with another index belongs to another
   * process.
   */
  readonly #indexes = new Map<string, number>();
  readonly #settings = new Map<string, Settings>();
  #refreshTimer: NodeJS.Timeout | undefined;
  /** How long the last refresh took. */
  #refreshMs = 0;
  #checkpointTimer: NodeJS.Timeout | undefined;
  /** Devices whose checkpoints are out of date. */
  readonly #changed = new Set<string>();

  constructor({ packetPath, descriptorStore }: PathTableOptions) {
    this.#path = packetPath;
    this.#store = descriptorStore;
  }

  /** The device of `link`; `undefined` unless this process serves it. */
  deviceOf({ name, index }: LinkMessage): PathDevice | undefined {
    return this.#indexes.get(name) === index ? this.#find(name) : undefined;
  }

  /** Whether `link` is a device of an earlier process, which {@link open} takes over. */
  isHandedOver({ name, kind }: LinkMessage): boolean {
    return kind === 'tun' && this.#path !== undefined && this.#store?.has(name) === true;
  }

  /**
   * Attaches `link` if its device was resumed before the first read of the kernel; else without
   * effect.
   */
  adopt(link: LinkMessage): void {
    if (!this.#isResumed(link)) return;
    this.#store?.take(link.name);
    this.attach(link);
  }

  /** Path routes of a device that {@link deviceOf} gave. */
  pathRoutes({ name }: PathDevice): readonly PathRouteObject[] {
    return (this.#path?.routes(name) ?? []).map((route) => toPathRouteObject(route, name));
  }

  /**
   * Opens the device `link`. `current` is the link that has its name, if any. Rejected: EOPNOTSUPP
   * if an open device must be removed first, EEXIST if the link belongs to another process, ENOSYS
   * without the addon, else the errno of the path.
   */
  open(link: TunLink, current: LinkMessage | undefined): Outcome {
    const path = this.#path;
    if (path === undefined) return rejection('ENOSYS', 'no packet path: the addon is missing');
    const device = current && this.deviceOf(current);
    if (device !== undefined) return checkFixed(link, device);
    if (current !== undefined && !this.isHandedOver(current))
      return takenName(link.name, `${current.kind || 'hardware'} of another process`);
    const inherited = this.#store?.take(link.name) ?? [];
    // Another process may have removed its link.
    this.close(link.name);
    return attempt(() => path.open(toDevice(link), inherited));
  }

  /** Makes `link` that of the device of its name, and stores the descriptors. */
  attach({ name, index, mtu }: LinkMessage): void {
    if (this.#path === undefined || this.#indexes.get(name) === index) return;
    this.#indexes.set(name, index);
    this.setMtu(name, mtu);
    this.#store?.store(name, this.#path.descriptors(name));
    this.#checkpointSoon(name);
  }

  /** The link of the device `from` has the name `to` now. */
  rename(from: string, to: string): void {
    const index = this.#indexes.get(from);
    const settings = this.#settings.get(from);
    if (this.#path === undefined || index === undefined) return;
    this.#path.rename(from, to);
    this.#indexes.delete(from);
    this.#indexes.set(to, index);
    this.#settings.delete(from);
    if (settings !== undefined) this.#settings.set(to, settings);
    this.#changed.delete(from);
    this.#store?.remove(from);
    this.#store?.store(to, this.#path.descriptors(to));
    this.#checkpointSoon(to);
  }

  /** Closes a device and drops what is stored of it; without effect if there is none. */
  close(name: string): void {
    if (this.#find(name) === undefined) return;
    this.#path?.close(name);
    this.#indexes.delete(name);
    this.#settings.delete(name);
    this.#store?.remove(name);
  }

  /** `mtu` of the TUN device, in bytes. */
  setMtu(name: string, mtu: number): void {
    this.#configure(name, { ...this.#settings.get(name), mtu });
  }

  /** Configures the path from kernel state: MTUs, and the source addresses of its ICMP errors. */
  configureFrom({ objects }: ActualState): void {
    if ((this.#path?.devices() ?? []).length === 0) return;
    const settingsByName = new Map<string, { mtu: number; ipv4?: string; ipv6?: string }>();
    for (const object of objects.values())
      if (object.kind === 'link' && object.type === 'tun')
        settingsByName.set(object.name, { mtu: object.mtu });
    for (const object of objects.values()) {
      const settings = object.kind === 'address' ? settingsByName.get(object.dev) : undefined;
      if (object.kind !== 'address' || settings === undefined) continue;
      const address = object.address.slice(0, object.address.indexOf('/'));
      settings[address.includes(':') ? 'ipv6' : 'ipv4'] ??= address;
    }
    for (const [name, settings] of settingsByName) {
      this.#configure(name, settings);
      // A full read follows changes of interfaces, the underlay's among them.
      this.#refresh(name);
    }
  }

  /**
   * Routes of the underlay changed: refreshes the MTUs to peers, which the path caches, after a
   * moment.
   */
  refreshSoon(): void {
    if (this.#refreshTimer !== undefined || (this.#path?.devices() ?? []).length === 0) return;
    const delayMs = Math.max(REFRESH_DELAY_MS, this.#refreshMs / REFRESH_SHARE);
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = undefined;
      const startedMs = performance.now();
      for (const { name } of this.#path?.devices() ?? []) this.#refresh(name);
      this.#refreshMs = performance.now() - startedMs;
    }, delayMs).unref();
  }

  /** Stores the last checkpoints; none is stored afterwards. */
  end(): void {
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#checkpointTimer);
    this.#storeCheckpoints();
  }

  /** Sets or removes `route` on the device of `link`. Removal without a device is success. */
  applyPathRoute(action: Step['action'], route: PathRouteObject, link: LinkMessage | undefined): Outcome {
    const device = link && this.deviceOf(link);
    const path = this.#path;
    if (path === undefined || device === undefined)
      return action === 'remove' ? DONE : rejection('ENODEV', `no device ${route.dev} of the packet path`);
    this.#checkpointSoon(device.name);
    return attempt(() =>
      action === 'set'
        ? path.setRoute(device.name, toPathRoute(route, device))
        : path.removeRoute(device.name, route.destination),
    );
  }

  #find(name: string): PathDevice | undefined {
    return this.#path?.devices().find((device) => device.name === name);
  }

  #refresh(name: string): void {
    if (this.#path?.refresh(name) === true) this.#store?.store(name, this.#path.descriptors(name));
  }

  #isResumed({ name, kind }: LinkMessage): boolean {
    const isWaiting = kind === 'tun' && this.#store?.has(name) === true;
    return isWaiting && !this.#indexes.has(name) && this.#find(name) !== undefined;
  }

  #checkpointSoon(name: string): void {
    if (this.#store === undefined) return;
    this.#changed.add(name);
    this.#checkpointTimer ??= setTimeout(() => this.#storeCheckpoints(), CHECKPOINT_DELAY_MS).unref();
  }

  #storeCheckpoints(): void {
    this.#checkpointTimer = undefined;
    for (const name of this.#changed) {
      const device = this.#find(name);
      const settings = this.#settings.get(name);
      if (device === undefined || settings === undefined) continue;
      const routes = this.#path?.routes(name) ?? [];
      this.#store?.storeCheckpoint(name, encodeCheckpoint({ device, settings, routes }));
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
    this.#checkpointSoon(name);
  }
}
