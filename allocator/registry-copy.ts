// The data of a copy of the registry: entries as read, what they decode to, and the config text. It turns a full read
// or a batch of events into the set of keys that differ. Each entry is decoded once, and a bad one concerns its key
// alone. No clock, no I/O.
import type { DecodedEntry } from './lease-entry.ts';
import type { BadEntry, Lease } from './lease.ts';
import type { ConfigEntry, RegistryEntry, RegistryEvent, RegistrySnapshot, Revision } from './registry.ts';

/** What became different in one step. The copy shows the new state already when somebody hears of it. */
export interface RegistryChange {
  readonly put: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
  readonly isConfigChanged: boolean;
}

export type DecodeEntry = (entry: RegistryEntry) => DecodedEntry;

export class RegistryCopy {
  readonly entries = new Map<string, RegistryEntry>();
  readonly leases = new Map<string, Lease>();
  readonly badEntries = new Map<string, BadEntry>();
  config: ConfigEntry | undefined;
  revision: Revision = 0;
  readonly #decode: DecodeEntry;

  constructor(decode: DecodeEntry) {
    this.#decode = decode;
  }

  applySnapshot(snapshot: RegistrySnapshot): RegistryChange {
    const put = new Set<string>();
    const removed = new Set(this.entries.keys());
    for (const entry of snapshot.entries) {
      removed.delete(entry.key);
      if (this.#put(entry)) put.add(entry.key);
    }
    for (const key of removed) this.#remove(key);
    this.revision = snapshot.revision;
    return { put, removed, isConfigChanged: this.#setConfig(snapshot.config) };
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

  /** Compares the content too: after a restore the same revision may stand for another value. */
  #put(entry: RegistryEntry): boolean {
    const known = this.entries.get(entry.key);
    this.entries.set(entry.key, entry);
    if (known !== undefined && known.value === entry.value && known.leaseId === entry.leaseId)
      return known.modRevision !== entry.modRevision;
    this.leases.delete(entry.key);
    this.badEntries.delete(entry.key);
    const decoded = this.#decode(entry);
    if (decoded.ok) this.leases.set(entry.key, decoded.lease);
    else this.badEntries.set(entry.key, decoded.bad);
    return true;
  }

  #remove(key: string): boolean {
    this.leases.delete(key);
    this.badEntries.delete(key);
    return this.entries.delete(key);
  }

  #setConfig(config: ConfigEntry | undefined): boolean {
    // The same text written again may have been confirmed meanwhile, and who waits for hosts waits for the revision.
    const isChanged = config?.modRevision !== this.config?.modRevision || config?.text !== this.config?.text;
    this.config = config;
    return isChanged;
  }
}
