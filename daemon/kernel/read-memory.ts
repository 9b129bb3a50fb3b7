// What the last full reading found in each table, for the next one, which takes objects of unchanged messages from the state
// that its caller kept. A reading that fails changes nothing. What a message becomes depends on the message, on what is owned
// and on names of devices; where one of these differs, all of the table is decoded. Without a known state it keeps nothing.
import { eachInSlices } from '../../lib/slices.ts';
import type { Ownership } from '../../backends/backend.ts';
import type { ObjectKey } from '../../backends/kernel-state.ts';
import { sameObject, type ActualObject } from './actual-state.ts';
import type { KnownState } from './kernel.ts';
import type { TableEntries, TableEntry } from './kernel-tables.ts';
import { KnownEntries, type EntryKey } from './known-entries.ts';
import type { NameOf } from './message-objects.ts';

/** Some milliseconds of making objects of them. */
const ENTRIES_PER_SLICE = 1000;

type Objects = Map<ObjectKey, ActualObject>;
type Names = Map<number, string | undefined>;

interface Table {
  readonly entries: KnownEntries;
  /** Of devices that its messages name. */
  readonly names: Names;
}

/** The object of a message under the key that a reading gives it; unset: it is none of ours. */
export type ToObject<Message> = (
  message: Message,
  nameOf: NameOf,
) => { readonly key: ObjectKey; readonly object: ActualObject } | undefined;

export class ReadMemory {
  #tables: ReadonlyMap<string, Table> = new Map();
  #objects: KnownState['objects'] | undefined;
  #ownership: Ownership | undefined;

  /** Begins a reading of what `ownership` covers. */
  begin(ownership: Ownership, known: KnownState | undefined, nameOf: NameOf): Reading {
    const isSame = known?.objects === this.#objects && ownership === this.#ownership;
    return new Reading({ known, nameOf, before: isSame ? this.#tables : new Map() });
  }

  /** The reading succeeded: its caller keeps `objects`. */
  end(reading: Reading, ownership: Ownership, objects: Objects): void {
    if (!reading.isKept) return;
    this.#tables = reading.tables;
    this.#objects = objects;
    this.#ownership = ownership;
  }
}

export interface ReadingOptions {
  readonly known: KnownState | undefined;
  readonly before: ReadonlyMap<string, Table>;
  readonly nameOf: NameOf;
}

export class Reading {
  readonly tables = new Map<string, Table>();
  readonly #options: ReadingOptions;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  get isKept(): boolean {
    return this.#options.known !== undefined;
  }

  /** Adds the objects of a table, in slices. Of two messages with one key, `addAgain` takes the second. */
  async add<Message>(
    name: string,
    entries: TableEntries<Message>,
    objects: Objects,
    toObject: ToObject<Message>,
    addAgain: (object: ActualObject, key: ObjectKey) => void,
  ): Promise<void> {
    const before = this.#before(name);
    const table = { entries: new KnownEntries(), names: new Map(before?.names) };
    let expected = 0;
    await eachInSlices(entries, ENTRIES_PER_SLICE, (entry) => {
      const at = before?.entries.find(entry, expected) ?? -1;
      if (at >= 0) {
        expected = at + 1;
        const key = before!.entries.keyAt(at);
        if (key === undefined || this.#take(key, objects)) return this.#keep(table, entry, key);
      }
      const found = this.#decode(entry, table.names, toObject);
      if (found !== undefined && objects.has(found.key)) return addAgain(found.object, found.key);
      if (found !== undefined) objects.set(found.key, this.#knownOr(found.key, found.object));
      this.#keep(table, entry, found?.key);
    });
    table.entries.end();
    if (this.isKept) this.tables.set(name, table);
  }

  #before(name: string): Table | undefined {
    const table = this.#options.before.get(name);
    if (table === undefined) return undefined;
    for (const [index, device] of table.names) if (this.#options.nameOf(index) !== device) return undefined;
    return table;
  }

  /** Takes the known object of an unchanged message. It may have been changed since, by a step or a notification. */
  #take(key: ObjectKey, objects: Objects): boolean {
    const known = this.#options.known!;
    const object = known.isAsRead(key) ? known.objects.get(key) : undefined;
    if (object === undefined || objects.has(key)) return false;
    objects.set(key, object as ActualObject);
    return true;
  }

  /** The known object if it is the same: what was decoded is then garbage at once, which costs less than later. */
  #knownOr(key: ObjectKey, object: ActualObject): ActualObject {
    const known = this.#options.known?.objects.get(key);
    return known !== undefined && sameObject(known, object) ? (known as ActualObject) : object;
  }

  #keep(table: Table, entry: TableEntry<unknown>, key: EntryKey): void {
    if (this.isKept) table.entries.add(entry, key);
  }

  #decode<Message>(entry: TableEntry<Message>, names: Names, toObject: ToObject<Message>) {
    const message = entry.decode();
    if (message === undefined) return undefined;
    return toObject(message, (index) => {
      const name = this.#options.nameOf(index);
      names.set(index, name);
      return name;
    });
  }
}
