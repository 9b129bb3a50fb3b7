// The data of the registry cache: entries as read, what they decode to, and the config text. It
// makes a full list or a batch of events the set of keys that differ. Each entry is decoded once;
// an invalid one concerns its key alone. No clock, no I/O.
import { eachInSlices } from '../../lib/slices.ts';
import type { DecodedEntry } from './lease-entry.ts';
import type { InvalidEntry, Lease } from '../lease.ts';
import { NO_REVISION } from './registry.ts';
import type {
  ConfigEntry,
  RegistryChanges,
  RegistryEntry,
  RegistryEvent,
  RegistrySnapshot,
  Revision,
} from './registry.ts';

/** What changed in one step. The store shows the new state already when listeners are notified. */
export interface RegistryChange {
  readonly put: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
  readonly isConfigChanged: boolean;
}

export type DecodeEntry = (entry: RegistryEntry) => DecodedEntry;

/** How a full list differs from the store. */
export class Comparison {
  /** Entries that are new, or differ in content or revision. */
  readonly changed: RegistryEntry[] = [];
  /** Their keys. */
  readonly put = new Set<string>();
  /** What those of new content decode to. */
  readonly decoded = new Map<RegistryEntry, DecodedEntry>();
  /** How many keys of the store the list has, too. */
  knownCount = 0;
}

/** A millisecond of decoding; a collection of garbage may fall in any turn, and is long enough by itself. */
const ENTRIES_PER_SLICE = 100;

export class RegistrySnapshotStore {
  readonly entries = new Map<string, RegistryEntry>();
  readonly leases = new Map<string, Lease>();
  readonly invalidEntries = new Map<string, InvalidEntry>();
  config: ConfigEntry | undefined;
  revision: Revision = NO_REVISION;
  /** Revision at which the store was last known to equal the registry. */
  checkedRevision: Revision = NO_REVISION;
  readonly #decode: DecodeEntry;

  constructor(decode: DecodeEntry) {
    this.#decode = decode;
  }

  /** Compares and decodes `entries` in slices. Changes nothing. */
  async compare(entries: readonly RegistryEntry[], signal?: AbortSignal): Promise<Comparison> {
    const comparison = new Comparison();
    await eachInSlices(entries, ENTRIES_PER_SLICE, (entry) => {
      signal?.throwIfAborted();
      this.#compareEntry(entry, comparison);
    });
    return comparison;
  }

  compareNow(entries: readonly RegistryEntry[]): Comparison {
    const comparison = new Comparison();
    for (const entry of entries) this.#compareEntry(entry, comparison);
    return comparison;
  }

  #compareEntry(entry: RegistryEntry, comparison: Comparison): void {
    const known = this.entries.get(entry.key);
    if (known !== undefined) comparison.knownCount++;
    if (isSameEntry(entry, known)) return;
    comparison.changed.push(entry);
    comparison.put.add(entry.key);
    if (!hasSameContent(entry, known)) comparison.decoded.set(entry, this.#decode(entry));
  }

  /** Makes the store equal to a full list that was compared, since when none of its entries has changed. */
  applySnapshot(snapshot: RegistrySnapshot, comparison: Comparison): RegistryChange {
    const { changed, decoded, knownCount, put } = comparison;
    const removed = knownCount < this.entries.size ? this.#missingIn(snapshot.entries) : new Set<string>();
    for (const key of removed) this.#remove(key);
    for (const entry of changed) this.#set(entry, decoded.get(entry));
    this.revision = snapshot.revision;
    this.checkedRevision = snapshot.revision;
    return { put, removed, isConfigChanged: this.#setConfig(snapshot.config) };
  }

  #missingIn(entries: readonly RegistryEntry[]): Set<string> {
    const keys = new Set(this.entries.keys());
    for (const { key } of entries) keys.delete(key);
    return keys;
  }

  /**
   * Returns whether the store has all that was written after {@link checkedRevision}, and moves
   * that forward then. Older entries were equal at that revision, and the count shows whether one
   * is gone.
   */
  confirm({ config, count, entries, revision }: RegistryChanges): boolean {
    const isSame =
      revision >= this.revision &&
      count === this.entries.size &&
      isSameConfig(config, this.config) &&
      entries.every((entry) => isSameEntry(entry, this.entries.get(entry.key)));
    if (isSame) this.revision = this.checkedRevision = revision;
    return isSame;
  }

  applyEvents(events: readonly RegistryEvent[], revision: Revision): RegistryChange {
    const put = new Set<string>();
    const removed = new Set<string>();
    let isConfigChanged = false;
    for (const event of events) {
      if (event.type === 'config') {
        isConfigChanged = this.#setConfig(event.config) || isConfigChanged;
      } else if (event.type === 'delete') {
        put.delete(event.key);
        if (this.#remove(event.key)) removed.add(event.key);
      } else if (this.#put(event.entry)) {
        removed.delete(event.entry.key);
        put.add(event.entry.key);
      }
    }
    this.revision = revision;
    return { put, removed, isConfigChanged };
  }

  applyConfig(config: ConfigEntry | undefined): RegistryChange {
    return { put: new Set(), removed: new Set(), isConfigChanged: this.#setConfig(config) };
  }

  /** Compares the content too: after a restore the same revision may stand for another value. */
  #put(entry: RegistryEntry): boolean {
    const known = this.entries.get(entry.key);
    if (isSameEntry(entry, known)) return false;
    this.#set(entry, hasSameContent(entry, known) ? undefined : this.#decode(entry));
    return true;
  }

  /** `decoded` is unset if the content is as before. */
  #set(entry: RegistryEntry, decoded: DecodedEntry | undefined): void {
    this.entries.set(entry.key, entry);
    if (decoded === undefined) return;
    this.leases.delete(entry.key);
    this.invalidEntries.delete(entry.key);
    if (decoded.ok) this.leases.set(entry.key, decoded.lease);
    else this.invalidEntries.set(entry.key, decoded.invalid);
  }

  #remove(key: string): boolean {
    this.leases.delete(key);
    this.invalidEntries.delete(key);
    return this.entries.delete(key);
  }

  #setConfig(config: ConfigEntry | undefined): boolean {
    // The same text at another revision counts: it may be confirmed now, and a rollout waits for
    // the revision.
    const isChanged = !isSameConfig(config, this.config);
    this.config = config;
    return isChanged;
  }
}

function hasSameContent(entry: RegistryEntry, known: RegistryEntry | undefined): boolean {
  return known?.value === entry.value && known.leaseId === entry.leaseId;
}

function isSameEntry(entry: RegistryEntry, known: RegistryEntry | undefined): boolean {
  if (entry === known) return true;
  return known?.modRevision === entry.modRevision && hasSameContent(entry, known);
}

function isSameConfig(a: ConfigEntry | undefined, b: ConfigEntry | undefined): boolean {
  return a?.text === b?.text && a?.modRevision === b?.modRevision;
}
