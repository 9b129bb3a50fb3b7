// Keys of the registry's layout as etcd wants them, and etcd's key-value pairs as registry entries.
// Pure.
import type { EtcdSettings } from './options.ts';
import { toLeaseId, toRevision } from '../registry.ts';
import type { KeyValue } from './wire/messages.ts';
import type { ConfigEntry, KnownEntries, RegistryEntry, RegistryEvent } from '../registry.ts';

export class EtcdKeys {
  readonly configKey: Buffer;
  /** First key of the subnets directory, and the first after it. */
  readonly subnetsStart: Buffer;
  readonly subnetsEnd: Buffer;
  /** What the registry touches, for messages. */
  readonly scope: string;
  readonly subnetsPrefix: string;

  constructor({ configKey, subnetsPrefix }: Pick<EtcdSettings, 'configKey' | 'subnetsPrefix'>) {
    this.configKey = Buffer.from(configKey);
    this.subnetsPrefix = subnetsPrefix;
    const { key, range_end } = folderRange(subnetsPrefix);
    this.subnetsStart = key;
    this.subnetsEnd = range_end;
    this.scope = `${configKey} and ${subnetsPrefix}`;
  }

  encode(key: string): Buffer {
    return Buffer.from(this.subnetsPrefix + key);
  }

  decode(key: Buffer): string {
    return key.toString('utf8', this.subnetsStart.length);
  }

  /** The one of `known` if that is the same, else one that shares its texts as far as they are. */
  decodeEntry({ key, value, lease, mod_revision }: KeyValue, known?: KnownEntries): RegistryEntry {
    const entry = {
      key: this.decode(key),
      value: value.toString(),
      leaseId: toLeaseId(lease),
      modRevision: toRevision(mod_revision),
    };
    const before = known?.get(entry.key);
    if (before?.value !== entry.value || before.leaseId !== entry.leaseId) return entry;
    return before.modRevision === entry.modRevision ? before : { ...before, modRevision: entry.modRevision };
  }

  decodeEvent(type: 'Put' | 'Delete', pair: KeyValue): RegistryEvent {
    if (pair.key.equals(this.configKey))
      return type === 'Put' ? { type: 'config', config: decodeConfig(pair) } : { type: 'config' };
    return type === 'Put'
      ? { type: 'put', entry: this.decodeEntry(pair) }
      : { type: 'delete', key: this.decode(pair.key) };
  }
}

/** All keys below a path that ends with a slash. */
export function folderRange(path: string): { readonly key: Buffer; readonly range_end: Buffer } {
  // '0' is the byte after '/'.
  return { key: Buffer.from(path), range_end: Buffer.from(`${path.slice(0, -1)}0`) };
}

export function decodeConfig({ value, mod_revision }: KeyValue): ConfigEntry {
  return { text: value.toString(), modRevision: toRevision(mod_revision) };
}
