// The error base class and its closed set of codes. Programs match on the code; the message is for
// people and names the thing, the value and the remedy. docs/reference/events-and-errors.md has one
// entry a code.

export type ErrorCode =
  /** The registry does not answer, or not in time. Transient. */
  | 'REGISTRY_UNAVAILABLE'
  /** Credentials or rights are wrong. */
  | 'REGISTRY_DENIED'
  /** The registry lease has ended or was revoked. */
  | 'REGISTRY_LEASE_NOT_FOUND'
  /** The registry rejected the request for another reason. */
  | 'REGISTRY_REJECTED'
  /** No subnet of the pool is free. */
  | 'SUBNET_EXHAUSTED'
  /** The backend cannot run on this host. */
  | 'BACKEND_UNSUITABLE'
  /** The host lacks an interface, a right or a kernel feature. */
  | 'HOST_UNSUITABLE'
  | 'KERNEL_READ_FAILED'
  | 'SYSCTL_PATH_INVALID'
  | 'SUBNET_FILE_FAILED'
  | 'HTTP_LISTEN_FAILED'
  | 'CONTROL_SOCKET_FAILED'
  /** The control socket answers with a status other than 2xx. */
  | 'CONTROL_REQUEST_REJECTED'
  | 'DAEMON_UNREACHABLE'
  | 'DAEMON_RUNNING'
  | 'LEASE_CHANGE_REJECTED'
  | 'PROBE_FAILED'
  /** Flags or arguments are wrong. */
  | 'USAGE'
  | 'CNI_FAILED'
  | 'CNI_INSTALL_FAILED';

/** Codes in answers of the control socket other than 2xx. */
export type ControlErrorCode =
  | 'not-found'
  | 'wrong-method'
  | 'too-large'
  | 'not-json'
  | 'bad-request'
  | 'bad-address'
  | 'bad-count'
  | 'bad-level'
  | 'bad-peer'
  | 'bad-ping'
  /** The registry holds something else than the request expects. */
  | 'conflict'
  /** The daemon is still starting. */
  | 'not-ready'
  | 'registry-unavailable'
  | 'cannot-probe'
  | 'internal';

/** Body of every answer that is not 2xx. */
export interface ErrorV1 {
  readonly error: {
    /** For programs. */
    readonly code: ControlErrorCode;
    /** For people; names the remedy where there is one. */
    readonly message: string;
  };
}

/** Base of every error of weft. */
export class WeftError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
