// The model's tables as they are read: message by message, with digests of their text.
import type { KernelTables, TableEntries, TableEntry } from '../kernel-tables.ts';
import { MessageDigest, type DigestFormat } from '../netlink/message-digest.ts';
import type { MemoryTables } from './memory-tables.ts';

/** Nothing but a header, with what every message begins with in place of that of netlink. */
const TEXT: DigestFormat = { headerBytes: Infinity, volatile: 0 };

export function readerOf(tables: MemoryTables): KernelTables {
  return {
    links: () => tables.links(),
    addresses: (index) => tables.addresses(index),
    neighbours: async (index) => entriesOf(await tables.neighbours(index)),
    fdb: async (index) => entriesOf(await tables.fdb(index)),
    fouPorts: () => tables.fouPorts(),
    wireguard: (link) => tables.wireguard(link),
    routes: async (family, withoutProtocol) => entriesOf(await tables.routes(family, withoutProtocol)),
  };
}

function* entriesOf<Message>(messages: readonly Message[]): TableEntries<Message> {
  const digest = new MessageDigest();
  for (const message of messages) {
    const u32s = Int32Array.from(JSON.stringify(message), (letter) => letter.charCodeAt(0));
    digest.compute(u32s, 0, u32s.length, TEXT);
    const { high, low } = digest;
    const entry: TableEntry<Message> = { high, low, decode: () => message };
    yield entry;
  }
}
