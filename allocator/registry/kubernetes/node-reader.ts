// The nodes of a cluster as a RegistryReader: an entry for each node that takes part in the overlay,
// and for this host's own node. Heartbeats change a Node twelve times an hour; they reach no reader,
// as an entry's revision is that of its last change of content.
import type { Random } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { NO_REVISION, toRevision } from '../registry.ts';
import type {
  RegistryChanges,
  RegistryEntry,
  RegistryEvent,
  RegistryReader,
  RegistrySnapshot,
  Revision,
  WatchEnd,
  WatchOptions,
} from '../registry.ts';
import type { AnnotationNames } from './annotations.ts';
import type { ApiClient } from './api-client.ts';
import type { ConfigFile } from './config-file.ts';
import { isExpired, isFutureRevision } from './errors.ts';
import { listNodes, type Consistency } from './node-list.ts';
import { isManaged, readOwnEntry, toEntry } from './node-lease.ts';
import { projectNode, type NodeObject, type NodeRecord } from './node-record.ts';
import { watchNodes, type NodeEvent } from './node-watch.ts';

export interface NodeReaderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly names: AnnotationNames;
  /** Name of this host's Node. */
  readonly ownName: string;
  readonly config: ConfigFile;
}

/** Lists after this time read whole objects again: spec.podCIDRs is the control plane's word. */
const FULL_LIST_MS = 3_600_000;

export class NodeReader implements RegistryReader {
  readonly #options: NodeReaderOptions;
  /** By name; as reported last. */
  #entries = new Map<string, RegistryEntry>();
  /** Pod CIDRs by UID, as read from specs. They never change for a UID. */
  #podCidrs = new Map<string, readonly string[]>();
  /** Nodes that are being read, each with the read that counts: a later event makes it void. */
  readonly #pending = new Map<string, symbol>();
  #revision: Revision = NO_REVISION;
  #fullListMs = -Infinity;

  constructor(options: NodeReaderOptions) {
    this.#options = options;
  }

  async snapshot(signal?: AbortSignal): Promise<RegistrySnapshot> {
    await this.#options.config.read();
    const { entries, revision } = await this.#list(this.#consistency(), signal);
    return { revision, ...this.#config, entries: [...entries.values()] };
  }

  /** As it is when a list ends: it may have changed meanwhile. */
  get #config(): Pick<RegistrySnapshot, 'config'> {
    const { entry: config } = this.#options.config;
    return config === undefined ? {} : { config };
  }

  /** UID of this host's Node; unset while it is unknown. */
  get ownUid(): string | undefined {
    const entry = this.#entries.get(this.#options.ownName);
    return entry && readOwnEntry(entry).uid;
  }

  /** Entries of an earlier process: those that are still so keep their revisions. */
  assume(entries: readonly RegistryEntry[]): void {
    if (this.#revision !== NO_REVISION) return;
    this.#entries = new Map(entries.map((entry) => [entry.key, entry]));
  }

  /** Asks for the latest state, so that a restored API server is noticed. */
  async changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges> {
    await this.#options.config.read();
    const { entries, revision } = await this.#list({ kind: 'latest' }, signal);
    const changed = [...entries.values()].filter(({ modRevision }) => modRevision > since);
    return { revision, ...this.#config, entries: changed, count: entries.size };
  }

  async watch({ fromRevision, onEvents, onReady, signal }: WatchOptions): Promise<WatchEnd> {
    const { client, random } = this.#options;
    try {
      return await watchNodes(client, {
        random,
        after: toRevision(fromRevision - 1),
        onReady: () => onReady?.(),
        onEvents: (events) => this.#onEvents(events, onEvents, signal),
        signal,
      });
    } catch (error) {
      if (signal.aborted) return { reason: 'aborted' };
      return isExpired(error) ? { reason: 'compacted' } : { reason: 'lost', error: error as Error };
    } finally {
      this.#pending.clear();
    }
  }

  #consistency(): Consistency {
    return this.#revision === NO_REVISION ? { kind: 'any' } : { kind: 'not-older', revision: this.#revision };
  }

  async #list(
    consistency: Consistency,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly entries: Map<string, RegistryEntry>; readonly revision: Revision }> {
    const { clock } = this.#options;
    const isMetadataOnly = clock.nowMs() - this.#fullListMs < FULL_LIST_MS;
    try {
      const records: NodeRecord[] = [];
      const onNode = (node: NodeObject): void => void records.push(...this.#project(node));
      const { client } = this.#options;
      const revision = await listNodes(client, { isMetadataOnly, consistency, onNode, signal });
      if (!isMetadataOnly) this.#fullListMs = clock.nowMs();
      await this.#apply(records, revision, signal);
      return { entries: this.#entries, revision };
    } catch (error) {
      // The API server was restored from a backup, or another one lags behind for good.
      if (consistency.kind !== 'latest' && isFutureRevision(error))
        return this.#list({ kind: 'latest' }, signal);
      throw error;
    }
  }

  async #apply(
    records: readonly NodeRecord[],
    revision: Revision,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const entries = new Map<string, RegistryEntry>();
    const podCidrs = new Map<string, readonly string[]>();
    for (const record of records) {
      const complete = await this.#complete(record, signal);
      if (complete === undefined) continue;
      const { name, uid, podCidrs: cidrs = [] } = complete;
      if (cidrs.length > 0 && this.#podCidrs.has(uid)) podCidrs.set(uid, cidrs);
      entries.set(name, this.#entryOf(complete, revision));
    }
    this.#entries = entries;
    this.#podCidrs = podCidrs;
    this.#revision = revision;
  }

  /** Nodes that matter here: none, or one. */
  #project(node: NodeObject): readonly NodeRecord[] {
    const record = projectNode(node, this.#options.names, (uid) => this.#podCidrs.get(uid));
    if (record === undefined || !(isManaged(record) || record.name === this.#options.ownName)) return [];
    if (node.spec !== undefined && record.podCidrs!.length > 0)
      this.#podCidrs.set(record.uid, record.podCidrs!);
    return [record];
  }

  /** Reads the pod CIDRs of a node that does not publish them itself; `undefined` if it is gone. */
  async #complete(record: NodeRecord, signal: AbortSignal | undefined): Promise<NodeRecord | undefined> {
    if (record.podCidrs !== undefined) return record;
    const { client } = this.#options;
    const path = `/api/v1/nodes/${encodeURIComponent(record.name)}`;
    const node = await client.json<NodeObject>({ path, signal }).catch((error: unknown) => {
      if (error instanceof Error && 'status' in error && error.status === 404) return undefined;
      throw error;
    });
    return node === undefined ? undefined : this.#project(node)[0];
  }

  /** The entry known already if its content is the same. */
  #entryOf(record: NodeRecord, revision: Revision): RegistryEntry {
    const entry = toEntry(record, revision, record.name === this.#options.ownName);
    const known = this.#entries.get(record.name);
    return known?.value === entry.value ? known : entry;
  }

  /** Reports what changed; nodes whose pod CIDRs are unknown follow once they are read. */
  #onEvents(events: readonly NodeEvent[], report: WatchOptions['onEvents'], signal: AbortSignal): void {
    const changes: RegistryEvent[] = [];
    let isBookmark = false;
    for (const event of events) {
      this.#revision = event.revision;
      if (event.type === 'bookmark') isBookmark = true;
      else changes.push(...this.#changesOf(event, report, signal));
    }
    if (changes.length > 0 || isBookmark) report(changes, this.#revision);
  }

  #changesOf(
    { node, revision, type }: Exclude<NodeEvent, { type: 'bookmark' }>,
    report: WatchOptions['onEvents'],
    signal: AbortSignal,
  ): readonly RegistryEvent[] {
    const record = this.#project(node)[0];
    const name = node.metadata?.name ?? '';
    this.#pending.delete(name);
    if (type === 'delete' || record === undefined)
      return this.#entries.delete(name) ? [{ type: 'delete', key: name }] : [];
    if (record.podCidrs === undefined || (record.podCidrs.length === 0 && node.spec === undefined)) {
      void this.#readLater(record, report, signal);
      return [];
    }
    return this.#put(record, revision);
  }

  #put(record: NodeRecord, revision: Revision): readonly RegistryEvent[] {
    const entry = this.#entryOf(record, revision);
    if (this.#entries.get(record.name) === entry) return [];
    this.#entries.set(record.name, entry);
    return [{ type: 'put', entry }];
  }

  /** flannel's nodes and new ones: all peers would ask at once, so they ask at random times. */
  async #readLater(record: NodeRecord, report: WatchOptions['onEvents'], signal: AbortSignal): Promise<void> {
    const { clock, ownName, random } = this.#options;
    const read = Symbol(record.name);
    this.#pending.set(record.name, read);
    const delayMs = record.name === ownName ? 0 : random() * READ_SPREAD_MS;
    await new Promise<void>((resolve) => void clock.setTimer(delayMs, resolve));
    if (signal.aborted) return;
    // After a failure the next event of the node, or the next list, asks again.
    const complete = await this.#complete(record, signal).catch(() => undefined);
    if (this.#pending.get(record.name) !== read) return;
    this.#pending.delete(record.name);
    if (signal.aborted || complete === undefined) return;
    const changes = this.#put(complete, this.#revision);
    if (changes.length > 0) report(changes, this.#revision);
  }
}

const READ_SPREAD_MS = 2000;
