// The one border where what the API server and the connection report becomes a RegistryError.
import { RegistryError } from '../registry.ts';
import type { RegistryErrorCode } from '../registry.ts';

/** Fields of a metav1.Status that are read. */
export interface ApiStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** An answer other than 2xx. */
export class ApiError extends RegistryError {
  readonly status: number;
  /** For programs, like `Expired` or `Conflict`. */
  readonly reason: string;
  /** From Retry-After, in ms. */
  readonly retryAfterMs: number | undefined;

  constructor(call: string, status: ApiStatus, retryAfterMs?: number) {
    const { code = 500, message = '', reason = '' } = status;
    super(codeOf(code), `${call}: ${shortened(message) || `HTTP ${code}`}${remedyOf(code)}`);
    this.status = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** History before the asked revision is gone: read everything again. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || error.reason === 'Expired');
}

/** The asked revision is in the future of this server: it lags behind, or was restored. */
export function isFutureRevision(error: unknown): boolean {
  return error instanceof ApiError && error.status === 504;
}

function codeOf(status: number): RegistryErrorCode {
  if (status === 401 || status === 403) return 'REGISTRY_DENIED';
  if (status === 408 || status === 429 || status >= 500) return 'REGISTRY_UNAVAILABLE';
  return 'REGISTRY_REJECTED';
}

function remedyOf(status: number): string {
  if (status === 401)
    return '; the credentials are not valid (any more): check the token or certificate, and the clock';
  if (status === 403) return '; grant it with the ClusterRole of deploy/kubernetes/rbac.yaml';
  return '';
}

const MAX_MESSAGE_CHARACTERS = 300;

function shortened(text: string): string {
  return text.length > MAX_MESSAGE_CHARACTERS ? `${text.slice(0, MAX_MESSAGE_CHARACTERS)}…` : text;
}

/** What a request that got no answer rejects with. */
export function connectionError(call: string, server: string, error: unknown): RegistryError {
  const { code = '', message } = error as Error & { code?: string };
  return new RegistryError(
    'REGISTRY_UNAVAILABLE',
    `${call} at ${server}: ${message}${connectionRemedy(code)}`,
    {
      cause: error,
    },
  );
}

/**
 * Another server may do better: this one was not reached, is cut off from its etcd, or is a proxy
 * without servers. One that names a time is only busy, and a write may fail by an admission webhook.
 */
export function isServerFault(error: RegistryError, method: string): boolean {
  if (!(error instanceof ApiError)) return error.isTransient;
  return method === 'GET' && [500, 502, 503].includes(error.status) && error.retryAfterMs === undefined;
}

/** Each server failed in a manner of its own; one whose certificate is not trusted decides what is done about it. */
export function allUnreached(failures: readonly RegistryError[]): RegistryError {
  const [only] = failures;
  if (failures.length === 1 && only !== undefined) return only;
  const { cause } = failures.find(isUntrusted) ?? failures.at(-1)!;
  return new RegistryError('REGISTRY_UNAVAILABLE', failures.map(({ message }) => message).join('; '), {
    cause,
  });
}

/** The certificate of the server is not of the authority known: that may have been replaced. */
export function isUntrusted(error: unknown): boolean {
  const { code = '' } = ((error as Error | undefined)?.cause ?? {}) as { code?: string };
  return UNTRUSTED.test(code);
}

const UNTRUSTED = /^(?:UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_|ERR_TLS)/;

/** Codes of Node: system errors, c-ares and OpenSSL. */
function connectionRemedy(code: string): string {
  if (code === 'ECONNREFUSED') return '; is kube-apiserver running there?';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return '; the name is not resolved: check DNS, or give an address';
  if (code === 'CERT_HAS_EXPIRED') return '; renew the certificate of the API server, or check the clock';
  if (UNTRUSTED.test(code))
    return '; the certificate is not of the configured authority: check certificate-authority and tls-server-name';
  return '';
}
