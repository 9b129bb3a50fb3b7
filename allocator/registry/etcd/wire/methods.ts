// The methods of etcd's gRPC services that weft calls: path, and how messages become bytes.
import * as decode from './decode.ts';
import * as encode from './encode.ts';

export interface Method<Request, Response> {
  /** For statistics: `KV.txn`. */
  readonly name: string;
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

export const RANGE = method('KV.range', encode.encodeRange, decode.decodeRange);
export const PUT = method('KV.put', encode.encodePut, decode.decodeResponse);
export const DELETE_RANGE = method('KV.deleteRange', encode.encodeDeleteRange, decode.decodeResponse);
export const TXN = method('KV.txn', encode.encodeTxn, decode.decodeTxn);
/** {@link TXN} with nothing but ranges, which may be long. */
export const LIST = method('KV.txn', encode.encodeTxn, decode.decodeList);
export const LEASE_GRANT = method('Lease.leaseGrant', encode.encodeLeaseGrant, decode.decodeLease);
export const LEASE_REVOKE = method('Lease.leaseRevoke', encode.encodeLease, decode.decodeResponse);
export const LEASE_KEEP_ALIVE = method('Lease.leaseKeepAlive', encode.encodeLease, decode.decodeLease);
export const AUTHENTICATE = method('Auth.authenticate', encode.encodeAuthenticate, decode.decodeAuthenticate);
export const WATCH = method('Watch.watch', encode.encodeWatch, decode.decodeWatch);

function method<Request, Response>(
  name: string,
  encodeRequest: (request: Request) => Buffer,
  decodeAnswer: (bytes: Buffer) => Response,
): Method<Request, Response> {
  const [service = '', rpc = ''] = name.split('.');
  const path = `/etcdserverpb.${service}/${rpc.charAt(0).toUpperCase()}${rpc.slice(1)}`;
  return { name, path, encode: encodeRequest, decode: decodeAnswer };
}
