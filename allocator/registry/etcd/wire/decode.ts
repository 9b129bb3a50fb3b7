// Answers of etcd from protobuf. Numbers are those of the fields in etcd's rpc.proto and kv.proto; a
// field that is missing has its default, one that is unknown is skipped. Throws RangeError for a
// damaged answer.
import { ProtoReader } from './proto-reader.ts';
import type {
  AuthenticateResponse,
  KeyValue,
  LeaseResponse,
  ListedRange,
  ListResponse,
  RangeResponse,
  Response,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
  WatchEvent,
  WatchResponse,
} from './messages.ts';

/** Without the qualifier, which the caller's object becomes as it is filled. */
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const EMPTY: Buffer = Buffer.alloc(0);

/** Fills `message` from the fields of `reader`; `read` returns whether it knows the field. */
function fill<T>(reader: ProtoReader, message: T, read: (field: number, message: T) => boolean): T {
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (!read(field, message)) reader.skip();
  return message;
}

function readHeader(reader: ProtoReader): ResponseHeader {
  return fill<Mutable<ResponseHeader>>(reader, { revision: 0 }, (field, header) => {
    if (field !== 3) return false;
    header.revision = reader.number();
    return true;
  });
}

/** Written out: a list has thousands. */
function readKeyValue(reader: ProtoReader): KeyValue {
  let key = EMPTY;
  let value = EMPTY;
  let modRevision = 0;
  let lease = '0';
  for (let field = reader.next(); field !== 0; field = reader.next())
    switch (field) {
      case 1:
        key = reader.bytes();
        break;
      case 3:
        modRevision = reader.number();
        break;
      case 5:
        value = reader.bytes();
        break;
      case 6:
        lease = reader.int64();
        break;
      default:
        reader.skip();
    }
  return { key, value, mod_revision: modRevision, lease };
}

function readRange(reader: ProtoReader): RangeResponse {
  const kvs: KeyValue[] = [];
  const response: Mutable<RangeResponse> = { header: { revision: 0 }, kvs, count: 0 };
  return fill(reader, response, (field) => {
    if (field === 1) response.header = reader.message(readHeader);
    else if (field === 2) kvs.push(reader.message(readKeyValue));
    else if (field === 4) response.count = reader.number();
    else return false;
    return true;
  });
}

function readTxn(reader: ProtoReader): TxnResponse {
  const responses: ResponseOp[] = [];
  const response: Mutable<TxnResponse> = { header: { revision: 0 }, succeeded: false, responses };
  return fill(reader, response, (field) => {
    if (field === 1) response.header = reader.message(readHeader);
    else if (field === 2) response.succeeded = reader.isTrue();
    else if (field === 3) responses.push(reader.message(readResponseOp));
    else return false;
    return true;
  });
}

function readResponseOp(reader: ProtoReader): ResponseOp {
  const operation = fill<Partial<Mutable<ResponseOp>>>(reader, {}, (field, op) => {
    if (field === 1) op.response_range = reader.message(readRange);
    else if (field === 4) op.response_txn = reader.message(readTxn);
    else return false;
    return true;
  });
  return operation as ResponseOp;
}

function readEvent(reader: ProtoReader): WatchEvent {
  let type: WatchEvent['type'] = 'Put';
  let kv: KeyValue = { key: EMPTY, value: EMPTY, mod_revision: 0, lease: '0' };
  fill(reader, undefined, (field) => {
    if (field === 1) type = reader.isTrue() ? 'Delete' : 'Put';
    else if (field === 2) kv = reader.message(readKeyValue);
    else return false;
    return true;
  });
  return { type, kv };
}

class Pairs implements Iterable<KeyValue> {
  readonly positions: number[] = [];
  readonly #buffer: Buffer;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  *[Symbol.iterator](): Iterator<KeyValue> {
    const reader = new ProtoReader(this.#buffer);
    for (const at of this.positions) yield reader.messageAt(at, readKeyValue);
  }
}

export function decodeList(bytes: Buffer): ListResponse {
  const reader = new ProtoReader(bytes);
  const ranges: ListedRange[] = [];
  const response: Mutable<ListResponse> = { header: { revision: 0 }, ranges };
  return fill(reader, response, (field) => {
    if (field === 1) response.header = reader.message(readHeader);
    else if (field === 3) ranges.push(reader.message((inner) => readListedRange(inner, bytes)));
    else return false;
    return true;
  });
}

/** The range inside of a response_op. */
function readListedRange(reader: ProtoReader, bytes: Buffer): ListedRange {
  const kvs = new Pairs(bytes);
  const range: Mutable<ListedRange> = { kvs, count: 0 };
  const readField = (field: number): boolean => {
    if (field === 2) kvs.positions.push(reader.skipMessage());
    else if (field === 4) range.count = reader.number();
    else return false;
    return true;
  };
  return fill(reader, range, (field) => {
    if (field !== 1) return false;
    reader.message((inner) => fill(inner, range, readField));
    return true;
  });
}

export function decodeRange(bytes: Buffer): RangeResponse {
  return readRange(new ProtoReader(bytes));
}

export function decodeTxn(bytes: Buffer): TxnResponse {
  return readTxn(new ProtoReader(bytes));
}

/** Of a put, a deletion and a revocation. */
export function decodeResponse(bytes: Buffer): Response {
  const reader = new ProtoReader(bytes);
  return fill<Mutable<Response>>(reader, { header: { revision: 0 } }, (field, response) => {
    if (field !== 1) return false;
    response.header = reader.message(readHeader);
    return true;
  });
}

export function decodeWatch(bytes: Buffer): WatchResponse {
  const reader = new ProtoReader(bytes);
  const events: WatchEvent[] = [];
  const response: Mutable<WatchResponse> = {
    header: { revision: 0 },
    watch_id: '0',
    created: false,
    canceled: false,
    compact_revision: 0,
    cancel_reason: '',
    events,
  };
  return fill(reader, response, (field) => {
    if (field === 1) response.header = reader.message(readHeader);
    else if (field === 2) response.watch_id = reader.int64();
    else if (field === 3) response.created = reader.isTrue();
    else if (field === 4) response.canceled = reader.isTrue();
    else if (field === 5) response.compact_revision = reader.number();
    else if (field === 6) response.cancel_reason = reader.text();
    else if (field === 11) events.push(reader.message(readEvent));
    else return false;
    return true;
  });
}

export function decodeLease(bytes: Buffer): LeaseResponse {
  const reader = new ProtoReader(bytes);
  return fill<Mutable<LeaseResponse>>(
    reader,
    { header: { revision: 0 }, ID: '0', TTL: 0 },
    (field, lease) => {
      if (field === 1) lease.header = reader.message(readHeader);
      else if (field === 2) lease.ID = reader.int64();
      // Below 0 is possible, and as good as 0.
      else if (field === 3) lease.TTL = Number(reader.int64());
      else return false;
      return true;
    },
  );
}

export function decodeAuthenticate(bytes: Buffer): AuthenticateResponse {
  const reader = new ProtoReader(bytes);
  return fill<Mutable<AuthenticateResponse>>(
    reader,
    { header: { revision: 0 }, token: '' },
    (field, answer) => {
      if (field === 1) answer.header = reader.message(readHeader);
      else if (field === 2) answer.token = reader.text();
      else return false;
      return true;
    },
  );
}
