// The Kernel interface over a model of the kernel, for what the real one cannot show: injected
// faults, property tests with thousands of histories. `tables` is the model; tests change it there
// as other processes would.
import { contains, type Family, type IpAddress, prefixLengthOf } from '../../../lib/address.ts';
import type { Ownership } from '../../../backends/backend.ts';
import { type CommandObject, objectKey, type ObjectKey } from '../../../backends/kernel-state.ts';
import type {
  ActualState,
  Interface,
  Kernel,
  KernelNotification,
  KnownState,
  MainRoute,
  RouteFilter,
  RouteLookup,
  Step,
  StepResult,
} from '../kernel.ts';
import type { CommandOutput } from '../commands/command-records.ts';
import { MemoryCommands } from './memory-commands.ts';
import { MemoryExternal } from './memory-external.ts';
import { MemoryFirewall } from './memory-firewall.ts';
import { type MemoryState, performStep } from './memory-steps.ts';
import { type ErrnoName, reject } from './memory-outcome.ts';
import { MemoryTables, type TableEvent } from './memory-tables.ts';
import { renderTables } from './memory-text.ts';
import { KernelReadError, type Outcome } from '../netlink/outcome.ts';
import { MemoryPacketPath } from './memory-packet-path.ts';
import { readerOf } from './memory-reader.ts';
import { type DescriptorStore, PathTable } from '../path-table.ts';
import type { WireguardDeviceMessage } from '../wireguard/wireguard-model.ts';
import { EndpointMemory } from '../wireguard/wireguard-objects.ts';
import { ReadMemory } from '../read-memory.ts';
import { readInterfaces, readRoutes, readState } from '../state-reader.ts';
import { describeNeighbourChange, RouteChanges } from '../table-notifications.ts';

interface Subscriber {
  readonly ownership: () => Ownership | undefined;
  readonly onNotification: (notification: KernelNotification) => void;
}

export interface MemoryKernelOptions {
  /** False: the addon is missing. Default true. */
  readonly hasPacketPath?: boolean;
  /** False: the kernel rejects every VXLAN device with EOPNOTSUPP. Default true. */
  readonly hasVxlan?: boolean;
  /** False: the kernel rejects every IP-in-UDP device with EOPNOTSUPP. Default true. */
  readonly hasFou?: boolean;
  /** False: neither kernel nor a program makes WireGuard devices. Default true. */
  readonly hasWireguard?: boolean;
  /** False: the kernel rejects every IP-in-IP device with EOPNOTSUPP. Default true. */
  readonly hasIpip?: boolean;
  readonly descriptorStore?: DescriptorStore;
}

/** A kernel in memory. */
export class MemoryKernel implements Kernel {
  readonly tables = new MemoryTables();
  readonly #reader = readerOf(this.tables);
  readonly #memory = new ReadMemory();
  readonly packetPath = new MemoryPacketPath({ makeTun: (name) => this.tables.addTun(name) });
  readonly sysctls = new Map<string, string>();
  /** `flannel.1 tx-checksum-ip-generic` of every offload that is off. */
  readonly featuresOff = new Set<string>();
  readonly firewall = new MemoryFirewall();
  readonly commands = new MemoryCommands();
  readonly external = new MemoryExternal();
  readonly #state: MemoryState;
  readonly #faults = new Map<ObjectKey, { readonly errno: ErrnoName; times: number }>();
  readonly #subscribers: Subscriber[] = [];
  readonly #routeChanges = new RouteChanges();
  #lostAnswers = 0;
  #failedReads = 0;
  #isDroppingNotifications = false;
  #isClosed = false;

  constructor(options: MemoryKernelOptions = {}) {
    const { hasPacketPath = true, hasVxlan = true, hasFou = true, hasIpip = true, descriptorStore } = options;
    const { hasWireguard = true } = options;
    const packetPath = hasPacketPath ? this.packetPath : undefined;
    const path = new PathTable({ packetPath, descriptorStore });
    const { tables, firewall, commands, external, sysctls, featuresOff } = this;
    const can = { hasVxlan, hasFou, hasIpip, hasWireguard };
    const endpoints = new EndpointMemory();
    const parts = { tables, firewall, commands, external, sysctls, featuresOff, path, endpoints };
    this.#state = { ...parts, ...can };
    tables.onEvent = (event) => this.#onEvent(event);
    firewall.onNotification = (notification) => this.#emit(notification);
  }

  // Faults

  /** Rejects the next `times` steps (default: all) on the object of this key. */
  injectFault(key: ObjectKey, errno: ErrnoName, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(key, { errno, times });
  }

  /** Ends {@link injectFault}. */
  clearFault(key: ObjectKey): void {
    this.#faults.delete(key);
  }

  /** Applies the next `count` steps, but their results are unknown. */
  loseAnswers(count: number): void {
    this.#lostAnswers = count;
  }

  /** Rejects the next `count` calls of {@link readState}. */
  failReads(count: number): void {
    this.#failedReads = count;
  }

  /** Drops notifications from now on, as a full receive buffer does. */
  dropNotifications(): void {
    this.#isDroppingNotifications = true;
  }

  /** Reports the overrun; delivers notifications from now on. */
  reportOverrun(): void {
    this.#isDroppingNotifications = false;
    for (const { onNotification } of this.#subscribers) onNotification({ kind: 'overrun' });
  }

  /** What {@link readState} reads, without its faults. */
  inspect(ownership: Ownership, known?: KnownState): Promise<ActualState> {
    const { ike, cloudRoutes } = this.external;
    const [tables, memory] = [this.#reader, this.#memory];
    return readState({ ...this.#state, tables, memory, ike, cloudRoutes }, ownership, known);
  }

  // Kernel

  async readState(ownership: Ownership, known?: KnownState): Promise<ActualState> {
    if (this.#failedReads > 0) {
      this.#failedReads--;
      throw new KernelReadError('routes', 'EINTR', 'the table kept changing while it was read');
    }
    return this.inspect(ownership, known);
  }

  readInterfaces(): Promise<readonly Interface[]> {
    return readInterfaces(this.#reader);
  }

  readRoutes(filter?: RouteFilter): Promise<readonly MainRoute[]> {
    return readRoutes(this.#reader, filter);
  }

  /** Longest prefix, then lowest metric, over routes without policy. */
  async lookupRoute(address: IpAddress): Promise<RouteLookup | undefined> {
    const routes = (await this.readRoutes()).filter(({ destination }) => contains(destination, address));
    const [best] = routes.sort(
      (a, b) => prefixLengthOf(b.destination) - prefixLengthOf(a.destination) || a.metric - b.metric,
    );
    if (best === undefined || best.discards !== undefined) return undefined;
    return { dev: best.dev, ...(best.gateway && { gateway: best.gateway }) };
  }

  readForwardDrops(): Promise<readonly Family[]> {
    return Promise.resolve(this.firewall.dropFamilies);
  }

  readSysctl(path: string): Promise<string | undefined> {
    return Promise.resolve(this.sysctls.get(path));
  }

  readFeature(dev: string, name: string): Promise<boolean | undefined> {
    return Promise.resolve(this.tables.link(dev) && !this.featuresOff.has(`${dev} ${name}`));
  }

  readWireguard(name: string): Promise<WireguardDeviceMessage | undefined> {
    return Promise.resolve(this.tables.wireguards.read(name));
  }

  apply(steps: readonly Step[]): Promise<readonly StepResult[]> {
    return Promise.resolve(steps.map((step) => this.#applyOne(step)));
  }

  runStartup(command: CommandObject): Promise<CommandOutput> {
    return this.commands.runStartup(command);
  }

  subscribe(ownership: Subscriber['ownership'], onNotification: Subscriber['onNotification']): void {
    this.#subscribers.push({ ownership, onNotification });
  }

  close(): void {
    this.#isClosed = true;
  }

  /** The whole state as sorted lines in the form of `ip` and `bridge`: the golden text of tests. */
  render(): Promise<string> {
    return renderTables(this.tables, this, this.packetPath);
  }

  #applyOne(step: Step): StepResult {
    const outcome = this.#isClosed ? CLOSED : (this.#rejection(step) ?? performStep(this.#state, step));
    if (this.#lostAnswers > 0) {
      this.#lostAnswers--;
      return { step, status: 'unknown', message: 'no answer within 5000 ms' };
    }
    return { step, ...outcome };
  }

  #rejection(step: Step): Outcome | undefined {
    const key = objectKey(step.object);
    const fault = this.#faults.get(key);
    if (fault === undefined) return undefined;
    fault.times--;
    if (fault.times <= 0) this.#faults.delete(key);
    return reject(fault.errno, 'injected');
  }

  #onEvent(event: TableEvent): void {
    if (event.table === 'interfaces') this.#forgetSettings(event.name);
    if (this.#isDroppingNotifications || this.#isClosed) return;
    for (const { ownership, onNotification } of this.#subscribers) {
      const owned = ownership();
      if (event.table === 'interfaces') onNotification({ kind: 'interfaces', names: [event.name] });
      else if (owned !== undefined)
        for (const notification of this.#describe(event, owned)) onNotification(notification);
    }
  }

  #emit(notification: KernelNotification): void {
    if (this.#isDroppingNotifications || this.#isClosed) return;
    for (const { onNotification } of this.#subscribers) onNotification(notification);
  }

  /** A device's sysctls and offloads go with it. */
  #forgetSettings(name: string): void {
    if (this.tables.link(name) !== undefined) return;
    for (const path of this.sysctls.keys()) if (path.split('/').includes(name)) this.sysctls.delete(path);
    for (const feature of this.featuresOff)
      if (feature.startsWith(`${name} `)) this.featuresOff.delete(feature);
  }

  #describe(
    event: Exclude<TableEvent, { table: 'interfaces' }>,
    owned: Ownership,
  ): readonly KernelNotification[] {
    const dev = this.tables.nameOf(event.message.index) ?? '';
    if (event.table === 'routes') return this.#routeChanges.describe(event.message, dev, owned, event.isGone);
    return owned.devices.includes(dev) ? describeNeighbourChange(event.message, dev, event.isGone) : [];
  }
}

const CLOSED: Outcome = { status: 'unknown', message: 'the kernel interface is closed' };
