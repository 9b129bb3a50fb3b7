// Registry on etcd v3: each method is one RPC. `transactions.ts` builds the requests; connection,
// endpoints and authentication are the client's.
import { eachInSlices } from '../../../lib/slices.ts';
import { MAX_CREATE_KEYS, RegistryError, toLeaseId, toRevision } from '../registry.ts';
import type {
  ConfigEntry,
  CreateRequest,
  CreateResult,
  NewEntry,
  Registry,
  RegistryChanges,
  KnownEntries,
  LeaseId,
  MetaListener,
  RegistryEntry,
  RegistrySnapshot,
  Revision,
  WatchEnd,
  WatchOptions,
  WriteResult,
} from '../registry.ts';
import { EtcdClient } from './client.ts';
import type { EtcdCall } from './client.ts';
import { followFolder } from './follow.ts';
import { keepAliveOnce } from './keep-alive.ts';
import { EtcdKeys, decodeConfig, folderRange } from './keys.ts';
import { readNearMisses } from './near-misses.ts';
import { resolveEtcdOptions } from './options.ts';
import type { EtcdOptions, EtcdSettings } from './options.ts';
import type { EtcdRpc } from './rpc.ts';
import { EtcdTransactions, descendFailures } from './transactions.ts';
import { watchEtcd } from './watch.ts';
import type { RangeFilter, TxnRequest, TxnResponse } from './wire/messages.ts';

/** A millisecond of decoding. */
const ENTRIES_PER_SLICE = 200;

/**
 * A registry on etcd 3.3 or later. Connects on the first call.
 *
 * A call that writes is sent to one endpoint only, once. When it rejects with
 * `REGISTRY_UNAVAILABLE` it may have been carried out all the same:
 * - `create`, `update`, `move`: take a snapshot and compare the key with what was to be written;
 * - `grant`: ask for another; the lost lease has no keys and expires by itself;
 * - `remove`, `revoke`, `keepAlive` end up the same if done twice, so they are repeated here
 *   already.
 *
 * @throws RegistryError `REGISTRY_REJECTED` if a PEM file cannot be used, naming its flag
 */
export function createEtcdRegistry(options: EtcdOptions): Registry {
  return new EtcdRegistry(resolveEtcdOptions(options));
}

class EtcdRegistry implements Registry {
  readonly allocation = 'claimed';
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #transactions: EtcdTransactions;

  constructor(settings: EtcdSettings) {
    this.#client = new EtcdClient(settings);
    this.#keys = new EtcdKeys(settings);
    this.#transactions = new EtcdTransactions(this.#keys);
  }

  async snapshot(signal?: AbortSignal, known?: KnownEntries): Promise<RegistrySnapshot> {
    const { count: _, ...snapshot } = await this.#read('snapshot', {}, signal, known);
    return snapshot;
  }

  changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges> {
    return this.#read('changesSince', { min_mod_revision: since + 1 }, signal);
  }

  /** The count is that of all entries, whatever `filter` leaves out. */
  async #read(
    name: string,
    filter: RangeFilter,
    signal?: AbortSignal,
    known?: KnownEntries,
  ): Promise<RegistryChanges> {
    // Only a transaction reads two ranges at one revision.
    const request = {
      success: [{ request_range: { key: this.#keys.configKey } }, this.#transactions.listSubnets(filter)],
    };
    const { header, ranges } = await this.#client.unary(this.#call(name, true), signal, (rpc) =>
      rpc.list(request),
    );
    const [configPair] = ranges[0]?.kvs ?? [];
    const { kvs = [], count = 0 } = ranges[1] ?? {};
    const entries: RegistryEntry[] = [];
    await eachInSlices(kvs, ENTRIES_PER_SLICE, (pair) => entries.push(this.#keys.decodeEntry(pair, known)));
    signal?.throwIfAborted();
    return {
      revision: toRevision(header.revision),
      ...(configPair !== undefined && { config: decodeConfig(configPair) }),
      entries,
      count,
    };
  }

  async grant(ttlSec: number, signal?: AbortSignal): Promise<LeaseId> {
    const response = await this.#client.unary(this.#call('grant', false), signal, (rpc) =>
      rpc.leaseGrant({ TTL: ttlSec }),
    );
    return toLeaseId(response.ID);
  }

  async create(request: CreateRequest, signal?: AbortSignal): Promise<CreateResult> {
    const { keys } = request;
    if (keys.length < 1 || keys.length > MAX_CREATE_KEYS)
      throw new RangeError(`create takes 1..${MAX_CREATE_KEYS} keys, not ${keys.length}`);
    const answer = await this.#txn(
      'create',
      this.#path(keys.join(', ')),
      false,
      this.#transactions.createFirst(request),
      signal,
    );
    const revision = toRevision(answer.header.revision);
    const { taken, last } = descendFailures(answer);
    const key = keys[taken];
    if (key !== undefined) return { created: true, key, revision };
    const takenKeys = last?.response_range.kvs.map((pair) => this.#keys.decode(pair.key)) ?? [];
    return { created: false, revision, takenKeys };
  }

  async update(entry: NewEntry, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult> {
    const request = this.#transactions.ifUnchanged(
      entry.key,
      expectedModRevision,
      this.#transactions.put(entry),
    );
    return this.#written(await this.#txn('update', this.#path(entry.key), false, request, signal));
  }

  async move(
    from: string,
    expectedModRevision: Revision,
    entry: NewEntry,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    // In this order: flannel hosts apply an event to the subnet as a whole, so the new key must
    // come last.
    const writes = [this.#transactions.delete(from), this.#transactions.put(entry)];
    const request = this.#transactions.ifUnchanged(from, expectedModRevision, ...writes);
    request.compare?.push(this.#transactions.isFree(entry.key));
    const scope = this.#path(`${from}, ${entry.key}`);
    return this.#written(await this.#txn('move', scope, false, request, signal));
  }

  async remove(key: string, expectedModRevision: Revision, signal?: AbortSignal): Promise<WriteResult> {
    const request = this.#transactions.ifUnchanged(key, expectedModRevision, this.#transactions.delete(key));
    const result = this.#written(await this.#txn('remove', this.#path(key), true, request, signal));
    return result.written || result.current !== undefined
      ? result
      : { written: true, revision: result.revision };
  }

  keepAlive(leaseId: LeaseId, signal?: AbortSignal): Promise<number> {
    return this.#client.unary(this.#call('keepAlive', true), signal, (rpc) => keepAliveOnce(rpc, leaseId));
  }

  async revoke(leaseId: LeaseId, signal?: AbortSignal): Promise<void> {
    try {
      await this.#client.unary(this.#call('revoke', true), signal, (rpc) => rpc.leaseRevoke({ ID: leaseId }));
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'REGISTRY_LEASE_NOT_FOUND') throw error;
    }
  }

  async readMeta(key: string, signal?: AbortSignal): Promise<ConfigEntry | undefined> {
    const path = this.#weftPath(key);
    const call = { name: 'readMeta', scope: path, isRepeatable: true };
    const { kvs } = await this.#client.unary(call, signal, (rpc) => rpc.range({ key: Buffer.from(path) }));
    const [pair] = kvs;
    return pair && decodeConfig(pair);
  }

  async listMeta(folder: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const path = this.#weftPath(folder);
    const call = { name: 'listMeta', scope: path, isRepeatable: true };
    const range = folderRange(path);
    const { kvs } = await this.#client.unary(call, signal, (rpc) => rpc.range(range));
    const start = range.key.length;
    return new Map(kvs.map(({ key, value }) => [key.toString('utf8', start), value.toString()]));
  }

  async writeMeta({ key, value, leaseId }: NewEntry, signal?: AbortSignal): Promise<Revision> {
    const path = this.#weftPath(key);
    const put = { key: Buffer.from(path), value: Buffer.from(value), lease: leaseId };
    const call = { name: 'writeMeta', scope: path, isRepeatable: true };
    const { header } = await this.#client.unary(call, signal, (rpc) => rpc.put(put));
    return toRevision(header.revision);
  }

  followMeta(folder: string, onChange: MetaListener, signal: AbortSignal): Promise<never> {
    return followFolder(this.#client, this.#weftPath(folder), onChange, signal);
  }

  configNearMisses(signal?: AbortSignal): Promise<readonly string[]> {
    return readNearMisses(this.#client, this.#keys, signal);
  }

  watch(options: WatchOptions): Promise<WatchEnd> {
    return watchEtcd(this.#client, this.#keys, options);
  }

  reconnect(): void {
    this.#client.reconnect();
  }

  close(): void {
    this.#client.close();
  }

  #txn(
    name: string,
    scope: string,
    isRepeatable: boolean,
    request: TxnRequest,
    signal: AbortSignal | undefined,
  ): Promise<TxnResponse> {
    return this.#client.unary({ name, scope, isRepeatable }, signal, (rpc: EtcdRpc) => rpc.txn(request));
  }

  #call(name: string, isRepeatable: boolean): EtcdCall {
    return { name, scope: this.#keys.scope, isRepeatable };
  }

  #path(key: string): string {
    return this.#keys.subnetsPrefix + key;
  }

  #weftPath(key: string): string {
    return this.#client.settings.weftPrefix + key;
  }

  #written(answer: TxnResponse): WriteResult {
    const revision = toRevision(answer.header.revision);
    if (answer.succeeded) return { written: true, revision };
    const pair = answer.responses[0]?.response_range.kvs[0];
    if (pair === undefined) return { written: false, revision };
    return { written: false, revision, current: this.#keys.decodeEntry(pair) };
  }
}
