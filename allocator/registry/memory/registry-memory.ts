// A Registry client on a MemoryStore: the tests' fake, and the registry of simulations. What can go
// wrong between a host and its etcd can be made to go wrong here, per client.
import { delay } from '../../../lib/clock.ts';
import type { MemoryStore } from './registry-memory-store.ts';
import { MAX_CREATE_KEYS, RegistryError } from '../registry.ts';
import type {
  ConfigEntry,
  CreateRequest,
  CreateResult,
  NewEntry,
  Registry,
  RegistryChanges,
  LeaseId,
  MetaListener,
  RegistrySnapshot,
  Revision,
  WatchEnd,
  WatchOptions,
  WriteResult,
} from '../registry.ts';

export type RegistryCall =
  | 'snapshot'
  | 'changesSince'
  | 'grant'
  | 'create'
  | 'update'
  | 'move'
  | 'remove'
  | 'keepAlive'
  | 'revoke'
  | 'readMeta'
  | 'listMeta'
  | 'writeMeta'
  | 'watch';

const READS: ReadonlySet<RegistryCall> = new Set<RegistryCall>([
  'snapshot',
  'changesSince',
  'readMeta',
  'listMeta',
  'watch',
]);

/** What the next mutating call suffers. */
export type CallFault =
  /** Nothing: for the calls before the one that is meant. */
  | { readonly kind: 'none' }
  /** Done by the store, but the answer never comes. */
  | { readonly kind: 'lose-answer' }
  /** Reported as failed now, and done by the store `afterMs` later. */
  | { readonly kind: 'late'; readonly afterMs: number };

export interface MemoryRegistryOptions {
  /** Latency of a request, and again of its answer, in ms; drawn for each call. Default 0. */
  readonly delayMs?: () => number;
}

export class MemoryRegistry implements Registry {
  readonly allocation = 'claimed';
  /** Calls made so far, by kind, failed ones included. */
  readonly calls: Record<RegistryCall, number> = {
    snapshot: 0,
    changesSince: 0,
    grant: 0,
    create: 0,
    update: 0,
    move: 0,
    remove: 0,
    keepAlive: 0,
    revoke: 0,
    readMeta: 0,
    listMeta: 0,
    writeMeta: 0,
    watch: 0,
  };
  readonly #store: MemoryStore;
  readonly #delayMs: () => number;
  readonly #closed = new AbortController();
  readonly #faults: CallFault[] = [];
  readonly #breakWatches = new Set<(error: Error) => void>();
  #isUnavailable = false;

  constructor(store: MemoryStore, options: MemoryRegistryOptions = {}) {
    this.#store = store;
    this.#delayMs = options.delayMs ?? (() => 0);
  }

  /** Calls made so far except watches. */
  get unaryCalls(): number {
    return Object.values(this.calls).reduce((sum, count) => sum + count, 0) - this.calls.watch;
  }

  /** Cuts this client off from the store, or lets it reach it again. */
  setUnavailable(isUnavailable: boolean): void {
    this.#isUnavailable = isUnavailable;
    if (isUnavailable) this.breakWatches();
  }

  /** Ends this client's watches as if their streams broke. */
  breakWatches(): void {
    for (const end of this.#breakWatches) end(unavailable('watch'));
  }

  /** Makes the next mutating calls fail, one for each fault. */
  injectFault(...faults: readonly CallFault[]): void {
    this.#faults.push(...faults);
  }

  snapshot(signal?: AbortSignal): Promise<RegistrySnapshot> {
    return this.#call('snapshot', signal, () => this.#store.snapshot());
  }

  changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges> {
    return this.#call('changesSince', signal, () => this.#store.changesSince(since));
  }

  grant(ttlSec: number, signal?: AbortSignal): Promise<LeaseId> {
    return this.#call('grant', signal, () => this.#store.grant(ttlSec));
  }

  create(request: CreateRequest, signal?: AbortSignal): Promise<CreateResult> {
    const count = request.keys.length;
    if (count < 1 || count > MAX_CREATE_KEYS)
      return Promise.reject(
        new RangeError(`Cannot create one of ${count} keys: 1..${MAX_CREATE_KEYS} allowed`),
      );
    return this.#call('create', signal, () => this.#store.create(request));
  }

  update(entry: NewEntry, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult> {
    return this.#call('update', signal, () => this.#store.update(entry, expectedModRevision));
  }

  move(
    from: string,
    expectedModRevision: Revision,
    entry: NewEntry,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    return this.#call('move', signal, () => this.#store.move(from, expectedModRevision, entry));
  }

  remove(key: string, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult> {
    return this.#call('remove', signal, () => this.#store.remove(key, expectedModRevision));
  }

  keepAlive(leaseId: LeaseId, signal?: AbortSignal): Promise<number> {
    return this.#call('keepAlive', signal, () => this.#store.keepAlive(leaseId));
  }

  revoke(leaseId: LeaseId, signal?: AbortSignal): Promise<void> {
    return this.#call('revoke', signal, () => this.#store.revoke(leaseId));
  }

  readMeta(key: string, signal?: AbortSignal): Promise<ConfigEntry | undefined> {
    return this.#call('readMeta', signal, () => this.#store.readMeta(key));
  }

  listMeta(folder: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return this.#call('listMeta', signal, () => this.#store.listMeta(folder));
  }

  writeMeta(entry: NewEntry, signal?: AbortSignal): Promise<Revision> {
    return this.#call('writeMeta', signal, () => this.#store.writeMeta(entry));
  }

  followMeta(folder: string, onChange: MetaListener, signal: AbortSignal): Promise<never> {
    const either = AbortSignal.any([signal, this.#closed.signal]);
    return new Promise((_resolve, reject) => {
      const end = (error: Error): void => {
        unfollow();
        this.#breakWatches.delete(end);
        reject(error);
      };
      const unfollow = this.#store.followMeta(folder, onChange);
      this.#breakWatches.add(end);
      if (this.#isUnavailable) end(unavailable('watch'));
      if (either.aborted) end(either.reason as Error);
      either.addEventListener('abort', () => end(either.reason as Error), { once: true });
    });
  }

  /** This store has one place for the config. */
  configNearMisses(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async watch(options: WatchOptions): Promise<WatchEnd> {
    const { signal } = options;
    if (signal.aborted || this.#closed.signal.aborted) return { reason: 'aborted' };
    this.calls.watch++;
    await Promise.resolve();
    if (this.#isUnavailable) return { reason: 'lost', error: unavailable('watch') };
    if (signal.aborted || this.#closed.signal.aborted) return { reason: 'aborted' };
    return this.#follow(options);
  }

  reconnect(): void {
    this.breakWatches();
  }

  close(): void {
    this.#closed.abort(new RegistryError('REGISTRY_REJECTED', 'In-memory registry: this client was closed'));
  }

  #follow({ fromRevision, onReady, onEvents, signal }: WatchOptions): Promise<WatchEnd> {
    return new Promise((resolve) => {
      const end = (how: WatchEnd): void => {
        unwatch();
        this.#breakWatches.delete(breakOff);
        for (const source of [signal, this.#closed.signal]) source.removeEventListener('abort', onAbort);
        resolve(how);
      };
      const onAbort = (): void => end({ reason: 'aborted' });
      const breakOff = (error: Error): void => end({ reason: 'lost', error });
      const unwatch = this.#store.watch(fromRevision, {
        onEvents: (events, revision) => {
          try {
            onEvents(events, revision);
          } catch (error) {
            breakOff(error as Error);
          }
        },
        onCompacted: () => end({ reason: 'compacted' }),
        onLost: () => breakOff(unavailable('watch')),
      });
      this.#breakWatches.add(breakOff);
      for (const source of [signal, this.#closed.signal]) source.addEventListener('abort', onAbort);
      onReady?.();
    });
  }

  async #call<Answer>(
    name: RegistryCall,
    signal: AbortSignal | undefined,
    apply: () => Answer,
  ): Promise<Answer> {
    const either =
      signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    either.throwIfAborted();
    this.calls[name]++;
    await this.#travel(either);
    if (this.#isUnavailable) throw unavailable(name);
    const fault = READS.has(name) ? undefined : this.#faults.shift();
    if (fault?.kind === 'late') {
      this.#store.clock.setTimer(fault.afterMs, () => ignoreRefusal(apply));
      throw unavailable(name);
    }
    const answer = apply();
    if (fault?.kind === 'lose-answer') throw unavailable(name);
    await this.#travel(either);
    return answer;
  }

  async #travel(signal: AbortSignal): Promise<void> {
    const delayMs = this.#delayMs();
    if (delayMs > 0) await delay(this.#store.clock, delayMs, signal);
    else await Promise.resolve();
    signal.throwIfAborted();
  }
}

/** The answer to a late request has no reader, so its error is dropped. */
function ignoreRefusal(apply: () => unknown): void {
  try {
    apply();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
}

function unavailable(name: RegistryCall): RegistryError {
  return new RegistryError(
    'REGISTRY_UNAVAILABLE',
    `In-memory registry: ${name}: made unavailable by the test`,
  );
}
