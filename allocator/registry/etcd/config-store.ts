// ConfigStore on etcd. A version's note is written in the transaction that writes the document, so
// both have one revision. Versions that other programs wrote are read from etcd's history, as far
// as that is not compacted, and then recorded.
import { HOSTS_FOLDER } from '../node-status.ts';
import type {
  ConfigChange,
  ConfigNote,
  ConfigStore,
  ConfigVersion,
  ConfigSnapshot,
  ConfigWriteResult,
} from '../config-store.ts';
import {
  NO_LEASE,
  RENUMBER_KEY,
  RegistryError,
  type ConfigEntry,
  type Revision,
  toRevision,
} from '../registry.ts';
import { EtcdClient, type EtcdCall } from './client.ts';
import { EtcdKeys, decodeConfig, folderRange } from './keys.ts';
import { readNearMisses } from './near-misses.ts';
import { resolveEtcdOptions, type EtcdOptions } from './options.ts';
import type { KeyValue, RequestOp } from './wire/messages.ts';

const HISTORY_FOLDER = 'history/';
/** Versions kept; revisions of etcd's own history that are searched for external ones. */
const MAX_VERSIONS = 100;
const MAX_EXTERNAL_VERSIONS = 20;

/**
 * A config store on etcd 3.3 or later. Connects on the first call. @throws RegistryError if a PEM
 * file cannot be used.
 */
export function createEtcdConfigStore(options: EtcdOptions): ConfigStore {
  return new EtcdConfigStore(options);
}

class EtcdConfigStore implements ConfigStore {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #prefix: string;

  constructor(options: EtcdOptions) {
    const settings = resolveEtcdOptions(options);
    this.#client = new EtcdClient(settings);
    this.#keys = new EtcdKeys(settings);
    this.#prefix = settings.weftPrefix;
  }

  async read(): Promise<ConfigSnapshot> {
    const { configKey, subnetsEnd, subnetsStart } = this.#keys;
    const hosts = this.#folder(HOSTS_FOLDER);
    const needed: RequestOp[] = [
      { request_range: { key: configKey } },
      { request_range: { key: subnetsStart, range_end: subnetsEnd } },
    ];
    const read = (success: RequestOp[]) =>
      this.#client.unary(this.#call('read', true), undefined, (rpc) => rpc.txn({ success }));
    const answer = await read([...needed, { request_range: hosts }]).catch((error: unknown) => {
      // A user with flannel's usual rights reads config and subnets alone.
      if (error instanceof RegistryError && error.code === 'REGISTRY_DENIED') return read(needed);
      throw error;
    });
    const [configs = [], leases = [], reports = []] = answer.responses.map((one) => one.response_range.kvs);
    const [config] = configs;
    return {
      revision: toRevision(answer.header.revision),
      ...(config && { config: decodeConfig(config) }),
      leases: leases.map((pair) => this.#keys.decodeEntry(pair)),
      reports: new Map(reports.map((pair) => [this.#below(hosts.key, pair), pair.value.toString()])),
    };
  }

  async history(): Promise<readonly ConfigVersion[]> {
    const range = { ...this.#folder(HISTORY_FOLDER), sort_order: 'Ascend', sort_target: 'Key' } as const;
    const { kvs } = await this.#client.unary(this.#call('history', true), undefined, (rpc) =>
      rpc.range(range),
    );
    const versions = new Map(kvs.flatMap((pair) => decodeVersion(pair)).map((one) => [one.modRevision, one]));
    let revision: Revision | undefined;
    for (let depth = 0; depth < MAX_EXTERNAL_VERSIONS; depth++) {
      const found = await this.#at(revision);
      if (found === undefined) break;
      const note = { timeMs: Date.now(), isExternal: true };
      if (!versions.has(found.modRevision)) versions.set(found.modRevision, { ...found, note });
      revision = toRevision(found.modRevision - 1);
    }
    return [...versions.values()].sort((a, b) => b.modRevision - a.modRevision);
  }

  async write({ text, expected, note, isRenumberingConfirmed }: ConfigChange): Promise<ConfigWriteResult> {
    const { configKey } = this.#keys;
    const history = await this.history();
    const noticed = history
      .filter((version) => version.note.isExternal === true)
      .slice(0, MAX_EXTERNAL_VERSIONS);
    const success: RequestOp[] = [
      this.#put(configKey, text),
      this.#put(this.#historyKey(note.timeMs), JSON.stringify({ text, note })),
      ...noticed.map((version) => this.#putVersion(version)),
      ...(isRenumberingConfirmed ? [this.#put(this.#own(RENUMBER_KEY), note.author ?? 'confirmed')] : []),
    ];
    const compare = [
      expected === 0
        ? ({ key: configKey, target: 'Version', result: 'Equal', version: 0 } as const)
        : ({ key: configKey, target: 'Mod', result: 'Equal', mod_revision: expected } as const),
    ];
    const answer = await this.#client.unary(this.#call('write', false), undefined, (rpc) =>
      rpc.txn({ compare, success }),
    );
    if (!answer.succeeded) return { written: false };
    if (history.length >= MAX_VERSIONS) await this.#prune();
    return { written: true, revision: toRevision(answer.header.revision) };
  }

  nearMisses(): Promise<readonly string[]> {
    return readNearMisses(this.#client, this.#keys);
  }

  close(): void {
    this.#client.close();
  }

  /**
   * The document at `revision`, or the present one; `undefined` if there was none, or etcd
   * compacted it.
   */
  async #at(revision: Revision | undefined): Promise<ConfigEntry | undefined> {
    if (revision === 0) return undefined;
    const request = { key: this.#keys.configKey, ...(revision !== undefined && { revision }) };
    try {
      const { kvs } = await this.#client.unary(this.#call('history', true), undefined, (rpc) =>
        rpc.range(request),
      );
      return kvs[0] && decodeConfig(kvs[0]);
    } catch (error) {
      // Compacted: etcd has forgotten it.
      if (error instanceof RegistryError && error.code === 'REGISTRY_REJECTED') return undefined;
      throw error;
    }
  }

  async #prune(): Promise<void> {
    const range = { ...this.#folder(HISTORY_FOLDER), keys_only: true };
    const { kvs } = await this.#client.unary(this.#call('history', true), undefined, (rpc) =>
      rpc.range(range),
    );
    const oldest = kvs
      .map(({ key }) => key)
      .sort((a, b) => a.compare(b))
      .slice(0, -MAX_VERSIONS);
    for (const key of oldest)
      await this.#client.unary(this.#call('history', true), undefined, (rpc) => rpc.deleteRange({ key }));
  }

  #putVersion({ text, note, modRevision }: ConfigVersion): RequestOp {
    const key = Buffer.concat([this.#historyKey(note.timeMs), Buffer.from(`-${modRevision}`)]);
    return this.#put(key, JSON.stringify({ text, note, revision: modRevision }));
  }

  #put(key: Buffer, value: string): RequestOp {
    return { request_put: { key, value: Buffer.from(value), lease: NO_LEASE } };
  }

  #historyKey(timeMs: number): Buffer {
    return this.#own(`${HISTORY_FOLDER}${new Date(timeMs).toISOString()}`);
  }

  #own(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  /** All keys below a folder, whose name ends with a slash. */
  #folder(folder: string): ReturnType<typeof folderRange> {
    return folderRange(this.#prefix + folder);
  }

  #below(folder: Buffer, pair: KeyValue): string {
    return pair.key.toString('utf8', folder.length);
  }

  #call(name: string, isRepeatable: boolean): EtcdCall {
    return { name: `config ${name}`, scope: `${this.#keys.scope} and ${this.#prefix}`, isRepeatable };
  }
}

/** Anything but a version is skipped. */
function decodeVersion(pair: KeyValue): ConfigVersion[] {
  try {
    const { text, note, revision } = JSON.parse(pair.value.toString()) as {
      text: unknown;
      note: ConfigNote | undefined;
      revision?: number;
    };
    if (typeof text !== 'string' || typeof note?.timeMs !== 'number') return [];
    return [{ text, note, modRevision: toRevision(revision ?? pair.mod_revision) }];
  } catch {
    return [];
  }
}
