// The transactions of the etcd registry, as requests. Pure.
import type { CreateRequest, NewEntry, Revision } from '../registry.ts';
import type { EtcdKeys } from './keys.ts';
import type {
  Compare,
  RangeFilter,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from './wire/messages.ts';

export class EtcdTransactions {
  readonly #keys: EtcdKeys;

  constructor(keys: EtcdKeys) {
    this.#keys = keys;
  }

  /** All keys below subnets/. */
  listSubnets(options: RangeFilter = {}): RequestOp {
    return { request_range: { key: this.#keys.subnetsStart, range_end: this.#keys.subnetsEnd, ...options } };
  }

  put({ key, value, leaseId }: NewEntry): RequestOp {
    return { request_put: { key: this.#keys.encode(key), value: Buffer.from(value), lease: leaseId } };
  }

  delete(key: string): RequestOp {
    return { request_delete_range: { key: this.#keys.encode(key) } };
  }

  isFree(key: string): Compare {
    return { key: this.#keys.encode(key), target: 'Version', result: 'Equal', version: 0 };
  }

  /**
   * Puts the first key that is free; lists all keys if none is. Each further key nests one
   * transaction deeper.
   */
  createFirst(request: CreateRequest, index = 0): TxnRequest {
    const { keys, value, leaseId } = request;
    const key = keys[index] ?? '';
    const isLast = index === keys.length - 1;
    return {
      compare: [this.isFree(key)],
      success: [this.put({ key, value, leaseId })],
      failure: [
        isLast
          ? this.listSubnets({ keys_only: true })
          : { request_txn: this.createFirst(request, index + 1) },
      ],
    };
  }

  /** Applies `writes` if the key was not written since `modRevision`; reads it otherwise. */
  ifUnchanged(key: string, modRevision: Revision, ...writes: RequestOp[]): TxnRequest {
    const encoded = this.#keys.encode(key);
    return {
      compare: [{ key: encoded, target: 'Mod', result: 'Equal', mod_revision: modRevision }],
      success: writes,
      failure: [{ request_range: { key: encoded } }],
    };
  }
}

/**
 * Follows the failed branches of nested transactions: how many keys were taken, and the innermost
 * answer.
 */
export function descendFailures(answer: TxnResponse): { taken: number; last: ResponseOp | undefined } {
  let taken = 0;
  let level = answer;
  while (!level.succeeded) {
    taken++;
    const [last] = level.responses;
    if (last === undefined || !('response_txn' in last)) return { taken, last };
    level = last.response_txn;
  }
  return { taken, last: level.responses[0] };
}
