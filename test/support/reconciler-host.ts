// A host for specs: the reconciler over a model of the kernel that counts calls. Test code: nothing
// in the product imports it.
import type { Cidr } from '../../lib/address.ts';
import { FakeClock } from './fake-clock.ts';
import { PREVIOUS, VXLAN, context, host, network, vxlanPeer } from '../../backends/fixture.ts';
import type { Families } from '../../backends/fixture.ts';
import type { VxlanConfig } from '../../allocator/config/config.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { BackendContext, Ownership } from '../../backends/backend.ts';
import { backendFor } from '../../backends/index.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import { renderObjects } from '../../backends/render.ts';
import type { ActualState, KnownState, Step, StepResult } from '../../daemon/kernel/kernel.ts';
import { MemoryKernel } from '../../daemon/kernel/memory/memory-kernel.ts';
import { Reconciler } from '../../daemon/reconciler/reconciler.ts';
import type { SliceSizes } from '../../daemon/reconciler/reconciler-parts.ts';
import type { ReconcilerEvent, ReconcilerEventKind } from '../../daemon/reconciler/events.ts';
import type { StatusSummary } from '../../daemon/reconciler/status/status.ts';

export const DEV = 'flannel.1';
const backend = backendFor('vxlan');
const MANY = 100;
const MANY_TURNS = 2000;

/** The memory kernel with counted calls and, on demand, delayed answers. */
export class CountingKernel extends MemoryKernel {
  reads = 0;
  batches: (readonly Step[])[] = [];
  /** If set, {@link apply} does its work and then waits for this. */
  gate: Promise<void> | undefined;

  get steps(): readonly Step[] {
    return this.batches.flat();
  }

  override readState(ownership: Ownership, known?: KnownState): Promise<ActualState> {
    this.reads++;
    return super.readState(ownership, known);
  }

  override async apply(steps: readonly Step[]): Promise<readonly StepResult[]> {
    this.batches.push(steps);
    const results = await super.apply(steps);
    await this.gate;
    return results;
  }

  forgetCalls(): void {
    this.reads = 0;
    this.batches = [];
  }
}

export interface TestHostOptions {
  readonly families?: Families;
  readonly vxlan?: Partial<VxlanConfig>;
  readonly kernel?: CountingKernel;
  readonly slices?: SliceSizes;
}

/** One item a turn: as much as can change between two of them. */
export const SMALLEST_SLICES: SliceSizes = { objects: 1, steps: 1, owners: 1 };

export class TestHost {
  readonly clock = new FakeClock();
  readonly kernel: CountingKernel;
  readonly events: ReconcilerEvent[] = [];
  readonly summaries: StatusSummary[] = [];
  readonly reconciler: Reconciler;
  #context: BackendContext;

  constructor(options: TestHostOptions = {}) {
    this.kernel = options.kernel ?? newKernel();
    this.#context = contextOf(options);
    this.reconciler = new Reconciler({
      kernel: this.kernel,
      clock: this.clock,
      random: () => 0.5,
      ...(options.slices && { slices: options.slices }),
      onEvent: (event) => this.events.push(event),
      onChange: (summary) => this.summaries.push(summary),
    });
    this.kernel.subscribe(
      () => this.reconciler.ownership,
      (notification) => this.reconciler.handleNotification(notification),
    );
  }

  /** Sets the host and `peers`, marks them complete, starts and waits. */
  async start(peers: readonly Lease[] = []): Promise<this> {
    this.setHost();
    for (const peer of peers) this.setPeer(peer);
    this.reconciler.markComplete();
    this.reconciler.start();
    await this.clock.settle();
    if (peers.length > MANY) await this.settled();
    return this;
  }

  /** Waits for slices, which take more turns than {@link FakeClock.settle} has. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < MANY_TURNS && !this.reconciler.isSettled; turn++) await this.clock.settle();
  }

  /** Begins a full read, which has read everything and ends when the returned function is called. */
  async holdResync(): Promise<() => void> {
    const { kernel } = this;
    const readState = kernel.readState.bind(kernel);
    let end = (): void => undefined;
    kernel.readState = async (ownership, known) => {
      const state = await readState(ownership, known);
      await new Promise<void>((resolve) => (end = resolve));
      kernel.readState = readState;
      return state;
    };
    this.reconciler.resync();
    await this.clock.settle();
    return end;
  }

  setHost(options?: TestHostOptions): void {
    if (options !== undefined) this.#context = contextOf(options);
    const { config, host: facts } = this.#context;
    this.reconciler.setHost(backend.ownership(config, facts), backend.deriveHost(this.#context));
  }

  setPeer(lease: Lease): void {
    this.reconciler.setPeer(lease.key, backend.derivePeer(this.#context, lease));
  }

  /** Desired objects of the host and `peers`, rendered. */
  expected(peers: readonly Lease[]): readonly string[] {
    const objects = peers.flatMap((peer) => backend.derivePeer(this.#context, peer).objects);
    return renderObjects([...backend.deriveHost(this.#context), ...objects]);
  }

  /** Managed objects in the kernel, sysctls and offloads included, rendered. */
  async actual(): Promise<readonly string[]> {
    const { ownership } = this.reconciler;
    if (ownership === undefined) return [];
    const { objects } = await this.kernel.inspect(ownership);
    const all: KernelObject[] = [...objects.values()];
    for (const [path, value] of this.kernel.sysctls) all.push({ kind: 'sysctl', path, value });
    for (const each of this.kernel.featuresOff)
      all.push({ kind: 'feature', dev: each.split(' ')[0]!, name: 'tx-checksum-ip-generic', isOn: false });
    return renderObjects(all);
  }

  eventKinds(): readonly ReconcilerEventKind[] {
    return this.events.map(({ kind }) => kind);
  }
}

function contextOf({ families = '4', vxlan = {} }: TestHostOptions): BackendContext {
  return context(backend, network(families, { ...VXLAN, ...vxlan }), host(), PREVIOUS);
}

/** eth0 as the host facts of fixtures have it. */
export function newKernel(): CountingKernel {
  const kernel = new CountingKernel();
  kernel.tables.addLink({ name: 'eth0' });
  kernel.tables.setAddress('eth0', '10.9.0.1/24' as Cidr);
  kernel.tables.setAddress('eth0', '2001:db8::1/64' as Cidr);
  return kernel;
}

export { vxlanPeer };
