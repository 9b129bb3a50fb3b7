// A model of the packet path: devices and routes without packets, injected faults.
import { constants } from 'node:os';
import type {
  PacketPath,
  PathDescriptor,
  PathDevice,
  PathOffloads,
  PathRoute,
  PathRouteCounters,
  PathStatus,
} from '../../../native/packet-path.ts';

export interface MemoryPacketPathOptions {
  /** Makes the TUN device of a name and returns what removes it; default none is made. */
  readonly makeTun?: (name: string) => () => void;
}

type Call = 'open' | 'setRoute' | 'removeRoute';

interface Entry {
  readonly device: PathDevice;
  readonly routes: Map<string, PathRoute>;
  readonly inherited: readonly PathDescriptor[];
  readonly removeTun: () => void;
  settings: Parameters<PacketPath['configure']>[1] | undefined;
  isStarted: boolean;
}

const TUNING = { workers: 1, isSourceChecked: true, sourcePorts: 0, inheritsDscp: false, useBpf: true };

export class MemoryPacketPath implements PacketPath {
  /** Offloads of all devices; tests may change them. */
  offloads: PathOffloads = { tso: true, uso: true, udpGso: true, udpGro: true };
  /** Why no device has a BPF program; tests may set it. */
  bpfDisabledReason: string | undefined;
  /** Of all devices; tests may set it. */
  decapDevice: string | undefined;
  joinDevice: string | undefined;
  readonly #makeTun: (name: string) => () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #faults = new Map<Call, keyof typeof constants.errno>();

  constructor(options: MemoryPacketPathOptions = {}) {
    this.#makeTun = options.makeTun ?? (() => () => undefined);
  }

  /** Fails `call` with `errno` until {@link clearFault}. */
  injectFault(call: Call, errno: keyof typeof constants.errno): void {
    this.#faults.set(call, errno);
  }

  clearFault(call: Call): void {
    this.#faults.delete(call);
  }

  /** The last argument of {@link configure}. */
  settings(name: string): Entry['settings'] {
    return this.#entries.get(name)?.settings;
  }

  isStarted(name: string): boolean {
    return this.#entry(name).isStarted;
  }

  /** The descriptors that {@link open} adopted. */
  inherited(name: string): readonly PathDescriptor[] {
    return this.#entries.get(name)?.inherited ?? [];
  }

  open(device: PathDevice, inherited: readonly PathDescriptor[] = []): void {
    this.#check('open');
    if (this.#entries.has(device.name)) throw systemError('open', 'EEXIST');
    const removeTun = inherited.length > 0 ? () => undefined : this.#makeTun(device.name);
    const isStarted = inherited.length === 0;
    const routes = new Map<string, PathRoute>();
    this.#entries.set(device.name, { device, routes, inherited, removeTun, settings: undefined, isStarted });
  }

  start(name: string): boolean {
    this.#entry(name).isStarted = true;
    return false;
  }

  close(name: string): void {
    this.#entries.get(name)?.removeTun();
    this.#entries.delete(name);
  }

  rename(name: string, to: string): void {
    const entry = this.#entry(name);
    this.#entries.delete(name);
    this.#entries.set(to, { ...entry, device: { ...entry.device, name: to } });
  }

  devices(): readonly PathDevice[] {
    return [...this.#entries.values()].map(({ device }) => device);
  }

  configure(name: string, settings: Parameters<PacketPath['configure']>[1]): void {
    this.#entry(name).settings = settings;
  }

  /** Never re-attaches: there are no BPF programs. */
  refresh(): boolean {
    return false;
  }

  setRoute(name: string, route: PathRoute): void {
    this.#check('setRoute');
    this.#entry(name).routes.set(route.destination, route);
  }

  removeRoute(name: string, destination: string): void {
    this.#check('removeRoute');
    this.#entries.get(name)?.routes.delete(destination);
  }

  routes(name: string): readonly PathRoute[] {
    return [...this.#entry(name).routes.values()];
  }

  routeCounters(name: string): readonly PathRouteCounters[] {
    const none = { txPackets: 0n, txBytes: 0n, rxPackets: 0n, rxBytes: 0n };
    return this.routes(name).map((route) => ({ ...route, ...none }));
  }

  status(name: string): PathStatus {
    const { device, routes } = this.#entry(name);
    const { offloads, bpfDisabledReason, decapDevice, joinDevice } = this;
    return {
      device,
      tuning: TUNING,
      offloads,
      counters: {},
      routes: routes.size,
      ...(bpfDisabledReason !== undefined && { bpfDisabledReason }),
      ...(decapDevice !== undefined && { decapDevice }),
      ...(joinDevice !== undefined && { joinDevice }),
    };
  }

  descriptors(name: string): readonly PathDescriptor[] {
    return this.#entry(name).inherited;
  }

  closeAll(): void {
    for (const name of this.#entries.keys()) this.close(name);
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw systemError('find', 'ENODEV');
    return entry;
  }

  #check(call: Call): void {
    const errno = this.#faults.get(call);
    if (errno !== undefined) throw systemError(call, errno);
  }
}

function systemError(syscall: string, code: keyof typeof constants.errno): Error {
  return Object.assign(new Error(`${syscall}: ${code}`), { syscall, code, errno: -constants.errno[code] });
}
