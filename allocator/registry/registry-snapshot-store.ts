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

/** Results of {@link RegistrySnapshotStore.decodeAhead}. */
export type DecodedEntries = ReadonlyMap<RegistryEntry, DecodedEntry>;

/** Some milliseconds of decoding. */
const ENTRIES_PER_SLICE = 250;
const NONE: DecodedEntries = new Map();

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

  /**
   * Decodes those of `entries` that the store does not have yet, in slices. Changes nothing: what an entry decodes to depends
   * on the entry alone, so the store may change meanwhile, and {@link applySnapshot} decodes what is missing then.
   */
  async decodeAhead(entries: readonly RegistryEntry[], signal?: AbortSignal): Promise<DecodedEntries> {
    const decoded = new Map<RegistryEntry, DecodedEntry>();
    const isNew = (entry: RegistryEntry): boolean => !hasSameContent(entry, this.entries.get(entry.key));
    await eachInSlices(entries.filter(isNew), ENTRIES_PER_SLICE, (entry) => {
      signal?.throwIfAborted();
      decoded.set(entry, this.#decode(entry));
    });
    return decoded;
  }

  applySnapshot(snapshot: RegistrySnapshot, decoded: DecodedEntries = NONE): RegistryChange {
    const put = new Set<string>();
    const removed = new Set(this.entries.keys());
    for (const entry of snapshot.entries) {
      removed.delete(entry.key);
      if (this.#put(entry, decoded.get(entry))) put.add(entry.key);
    }
    for (const key of removed) this.#remove(key);
    this.revision = snapshot.revision;
    this.checkedRevision = snapshot.revision;
    return { put, removed, isConfigChanged: this.#setConfig(snapshot.config) };
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
  #put(entry: RegistryEntry, ahead?: DecodedEntry): boolean {
    const known = this.entries.get(entry.key);
    if (known === entry) return false;
    this.entries.set(entry.key, entry);
    if (hasSameContent(entry, known)) return known?.modRevision !== entry.modRevision;
    this.leases.delete(entry.key);
    this.invalidEntries.delete(entry.key);
    const decoded = ahead ?? this.#decode(entry);
    if (decoded.ok) this.leases.set(entry.key, decoded.lease);
    else this.invalidEntries.set(entry.key, decoded.invalid);
    return true;
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
  return known === entry || (known?.value === entry.value && known.leaseId === entry.leaseId);
}

function isSameEntry(entry: RegistryEntry, known: RegistryEntry | undefined): boolean {
  return known?.modRevision === entry.modRevision && hasSameContent(entry, known);
}

function isSameConfig(a: ConfigEntry | undefined, b: ConfigEntry | undefined): boolean {
  return a?.text === b?.text && a?.modRevision === b?.modRevision;
}
