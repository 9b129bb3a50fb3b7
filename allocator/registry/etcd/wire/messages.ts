// Messages of etcd's API (etcd api/etcdserverpb/rpc.proto) as far as weft uses them, with the names
// of their fields there. Types only.

/** An int64, in decimal where a number would not hold it exactly. */
type Int64 = number | string;

export interface RangeRequest {
  readonly key: Buffer;
  /** First key after the range; default: the key alone. */
  readonly range_end?: Buffer;
  readonly revision?: Int64;
  readonly sort_order?: 'Ascend';
  readonly sort_target?: 'Key';
  readonly keys_only?: boolean;
  readonly min_mod_revision?: Int64;
}

/** What a range leaves out, or how it is read. */
export type RangeFilter = Omit<RangeRequest, 'key' | 'range_end'>;

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease?: Int64;
}

export interface DeleteRangeRequest {
  readonly key: Buffer;
}

export type RequestOp =
  | { readonly request_range: RangeRequest }
  | { readonly request_put: PutRequest }
  | { readonly request_delete_range: DeleteRangeRequest }
  | { readonly request_txn: TxnRequest };

export type Compare = { readonly key: Buffer; readonly result: 'Equal' } & (
  | { readonly target: 'Version'; readonly version: Int64 }
  | { readonly target: 'Mod'; readonly mod_revision: Int64 }
);

export interface TxnRequest {
  readonly compare?: Compare[];
  readonly success?: readonly RequestOp[];
  readonly failure?: readonly RequestOp[];
}

export interface WatchCreateRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly start_revision: Int64;
  readonly progress_notify: boolean;
}

export type WatchRequest =
  { readonly create_request: WatchCreateRequest } | { readonly progress_request: object };

export interface LeaseGrantRequest {
  readonly TTL: Int64;
}

/** Of a revocation and of a keep-alive. */
export interface LeaseRequest {
  readonly ID: Int64;
}

export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}

export interface ResponseHeader {
  readonly revision: number;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly mod_revision: number;
  readonly lease: string;
}

/** What every answer begins with. */
export interface Response {
  readonly header: ResponseHeader;
}

export interface RangeResponse extends Response {
  readonly kvs: readonly KeyValue[];
  /** Of all keys in the range, whatever a filter leaves out. */
  readonly count: number;
}

/** A range whose pairs are decoded as they are gone through: there may be tens of thousands. */
export interface ListedRange {
  readonly kvs: Iterable<KeyValue>;
  /** Of all keys in the range, whatever a filter leaves out. */
  readonly count: number;
}

/** The answer to a transaction of ranges alone. */
export interface ListResponse extends Response {
  readonly ranges: readonly ListedRange[];
}

/** Has one of the two, or none for a write; the request says which. */
export interface ResponseOp {
  readonly response_range: RangeResponse;
  readonly response_txn: TxnResponse;
}

export interface TxnResponse extends Response {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface WatchEvent {
  readonly type: 'Put' | 'Delete';
  readonly kv: KeyValue;
}

export interface WatchResponse extends Response {
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: number;
  readonly cancel_reason: string;
  readonly events: readonly WatchEvent[];
}

/** Of a grant and of a keep-alive. */
export interface LeaseResponse extends Response {
  readonly ID: string;
  readonly TTL: number;
}

export interface AuthenticateResponse extends Response {
  readonly token: string;
}
