// Requests to etcd as protobuf. Numbers are those of the fields in etcd's rpc.proto.
import { ProtoWriter } from './proto-writer.ts';
import type {
  AuthenticateRequest,
  Compare,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
} from './messages.ts';

const COMPARE_TARGETS = { Version: 0, Mod: 2 } as const;
const COMPARE_RESULTS = { Equal: 0 } as const;
const SORT_ORDERS = { Ascend: 1 } as const;
const SORT_TARGETS = { Key: 0 } as const;

export function encodeRange(request: RangeRequest): Buffer {
  return new ProtoWriter()
    .bytes(1, request.key)
    .bytes(2, request.range_end)
    .int(4, request.revision)
    .int(5, request.sort_order && SORT_ORDERS[request.sort_order])
    .int(6, request.sort_target && SORT_TARGETS[request.sort_target])
    .int(8, request.keys_only)
    .int(10, request.min_mod_revision)
    .finish();
}

export function encodePut({ key, value, lease }: PutRequest): Buffer {
  return new ProtoWriter().bytes(1, key).bytes(2, value).int(3, lease).finish();
}

export function encodeDeleteRange({ key }: DeleteRangeRequest): Buffer {
  return new ProtoWriter().bytes(1, key).finish();
}

export function encodeTxn({ compare = [], success = [], failure = [] }: TxnRequest): Buffer {
  const writer = new ProtoWriter();
  for (const each of compare) writer.bytes(1, encodeCompare(each));
  for (const each of success) writer.bytes(2, encodeRequestOp(each));
  for (const each of failure) writer.bytes(3, encodeRequestOp(each));
  return writer.finish();
}

function encodeCompare(compare: Compare): Buffer {
  const writer = new ProtoWriter()
    .int(1, COMPARE_RESULTS[compare.result])
    .int(2, COMPARE_TARGETS[compare.target])
    .bytes(3, compare.key);
  if (compare.target === 'Version') writer.int(4, compare.version);
  else writer.int(6, compare.mod_revision);
  return writer.finish();
}

function encodeRequestOp(operation: RequestOp): Buffer {
  const writer = new ProtoWriter();
  if ('request_range' in operation) writer.bytes(1, encodeRange(operation.request_range));
  else if ('request_put' in operation) writer.bytes(2, encodePut(operation.request_put));
  else if ('request_txn' in operation) writer.bytes(4, encodeTxn(operation.request_txn));
  else writer.bytes(3, encodeDeleteRange(operation.request_delete_range));
  return writer.finish();
}

export function encodeWatch(request: WatchRequest): Buffer {
  const writer = new ProtoWriter();
  if ('create_request' in request) writer.bytes(1, encodeWatchCreate(request.create_request));
  else writer.bytes(3, Buffer.alloc(0));
  return writer.finish();
}

function encodeWatchCreate(request: WatchCreateRequest): Buffer {
  return new ProtoWriter()
    .bytes(1, request.key)
    .bytes(2, request.range_end)
    .int(3, request.start_revision)
    .int(4, request.progress_notify)
    .finish();
}

export function encodeLeaseGrant({ TTL }: LeaseGrantRequest): Buffer {
  return new ProtoWriter().int(1, TTL).finish();
}

/** Of a revocation and of a keep-alive. */
export function encodeLease({ ID }: LeaseRequest): Buffer {
  return new ProtoWriter().int(1, ID).finish();
}

export function encodeAuthenticate({ name, password }: AuthenticateRequest): Buffer {
  return new ProtoWriter().text(1, name).text(2, password).finish();
}
