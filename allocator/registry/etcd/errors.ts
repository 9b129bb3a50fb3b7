// The one border where what gRPC and etcd report becomes a RegistryError. Knows codes and remedies;
// retries nothing.
import { RegistryError } from '../registry.ts';
import type { RegistryErrorCode } from '../registry.ts';

/** gRPC status codes that are distinguished (https://grpc.io/docs/guides/status-codes/). */
export const GRPC = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

// etcd gives several conditions one gRPC code and a fixed description each, which its own clients
// compare as well (etcd api/v3rpc/rpctypes).
const USER_EMPTY = 'etcdserver: user name is empty';
const WRONG_PASSWORD = 'etcdserver: authentication failed, invalid user ID or password';
const OLD_AUTH_REVISION = 'etcdserver: revision of auth store is old';
const TOO_MANY_REQUESTS = 'etcdserver: too many requests';
const PERMISSION_DENIED = 'etcdserver: permission denied';
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';

/** What a message says about the call that failed. */
export interface CallContext {
  readonly call: string;
  readonly endpoint: string;
  readonly username?: string | undefined;
  /** Key or directory that the call touches, for the remedy of a missing permission. */
  readonly scope: string;
  /** Whether the request may have been carried out although it failed. */
  readonly mayHaveApplied?: boolean;
}

interface GrpcStatus {
  readonly code: number;
  readonly details: string;
}

/** The status inside what grpc-js rejects with; unset for any other error. */
export function grpcStatus(error: unknown): GrpcStatus | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined;
  const details = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
  return { code: error.code, details };
}

/** Whether the server rejected the token itself, so that a new one may help. */
export function isTokenRejected(error: unknown): boolean {
  const status = grpcStatus(error);
  if (status === undefined) return false;
  if (status.code === GRPC.UNAUTHENTICATED) return true;
  // etcd 3.4 reports these two as invalid arguments: authentication was switched on, or its users
  // changed.
  return (
    status.code === GRPC.INVALID_ARGUMENT &&
    (status.details === USER_EMPTY || status.details === OLD_AUTH_REVISION)
  );
}

/** Converts what a call rejected with. A RegistryError passes through. */
export function toRegistryError(error: unknown, context: CallContext): RegistryError {
  if (error instanceof RegistryError) return error;
  const status = grpcStatus(error);
  const details = status?.details ?? (error instanceof Error ? error.message : String(error));
  const code = status === undefined ? 'REGISTRY_REJECTED' : codeOf(status);
  return registryError(code, context, details, remedyOf(status, context), error);
}

/** Builds the error of a call: where, what, why and what to do. */
export function registryError(
  code: RegistryErrorCode,
  context: CallContext,
  reason: string,
  remedy?: string,
  cause?: unknown,
): RegistryError {
  const parts = [`etcd ${context.call} at ${context.endpoint} failed: ${reason}`];
  if (remedy !== undefined) parts.push(remedy);
  if (code === 'REGISTRY_UNAVAILABLE' && context.mayHaveApplied === true)
    parts.push('it may have been carried out nevertheless');
  return new RegistryError(code, parts.join('; '), { cause });
}

function codeOf({ code, details }: GrpcStatus): RegistryErrorCode {
  switch (code) {
    case GRPC.NOT_FOUND:
      // A lease is the only thing that these calls can fail to find.
      return 'REGISTRY_LEASE_NOT_FOUND';
    case GRPC.PERMISSION_DENIED:
    case GRPC.UNAUTHENTICATED:
      return 'REGISTRY_DENIED';
    case GRPC.INVALID_ARGUMENT:
      return details === USER_EMPTY || details === WRONG_PASSWORD || details === OLD_AUTH_REVISION
        ? 'REGISTRY_DENIED'
        : 'REGISTRY_REJECTED';
    case GRPC.RESOURCE_EXHAUSTED:
      return details === TOO_MANY_REQUESTS ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_REJECTED';
    case GRPC.CANCELLED:
    case GRPC.UNKNOWN:
    case GRPC.DEADLINE_EXCEEDED:
    case GRPC.ABORTED:
    case GRPC.INTERNAL:
    case GRPC.UNAVAILABLE:
      return 'REGISTRY_UNAVAILABLE';
    default:
      return 'REGISTRY_REJECTED';
  }
}

function remedyOf(status: GrpcStatus | undefined, context: CallContext): string | undefined {
  if (status === undefined) return undefined;
  if (status.code === GRPC.PERMISSION_DENIED)
    return `grant ${context.username === undefined ? 'this client' : `user ${context.username}`} access to ${context.scope}`;
  if (status.code === GRPC.UNIMPLEMENTED) return 'etcd 3.3 or later is needed';
  switch (status.details) {
    case USER_EMPTY:
      return 'this etcd wants a user: set --etcd-username and --etcd-password';
    case WRONG_PASSWORD:
      return `check --etcd-username (${context.username ?? 'unset'}) and --etcd-password`;
    case NO_SPACE:
      return 'compact and defragment etcd, then run: etcdctl alarm disarm';
    default:
      return undefined;
  }
}

/** How Go prints a gRPC status; etcd sends it as the reason of a cancelled watch. */
const PRINTED_STATUS = /^rpc error: code = \w+ desc = (.*)$/s;

/** The error of a watch that the server cancelled for a reason other than compaction. */
export function watchCancelled(reason: string, context: CallContext): RegistryError {
  const details = PRINTED_STATUS.exec(reason)?.[1] ?? reason;
  if (details !== PERMISSION_DENIED)
    return registryError('REGISTRY_UNAVAILABLE', context, details || 'cancelled by the server');
  const remedy = remedyOf({ code: GRPC.PERMISSION_DENIED, details }, context);
  return registryError('REGISTRY_DENIED', context, details, remedy);
}
