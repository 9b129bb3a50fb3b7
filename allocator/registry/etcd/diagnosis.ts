// Why a connection could not be made, found with one plain socket: gRPC reports every such failure
// as "unavailable" with a text. Runs only after a failure; sends an HTTP/2 preface and nothing
// else.
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { RegistryErrorCode } from '../registry.ts';
import { firstEndOf, lastEndOf } from './certificate-dates.ts';
import type { EtcdEndpoint } from './options.ts';
import type { TlsMaterial } from './tls.ts';

export interface ConnectionFault {
  readonly code: RegistryErrorCode;
  readonly reason: string;
  readonly remedy?: string;
}

const CERTIFICATE_TIMEOUT_MS = 1000;

/** Connection preface and an empty SETTINGS frame (RFC 9113 §3.4): any HTTP/2 server answers it. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** Of getaddrinfo(3). */
const UNRESOLVED: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA']);

const UNTRUSTED: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** Tries to connect once within `timeoutMs` and says what went wrong. Never rejects. */
export async function diagnoseConnection(
  endpoint: EtcdEndpoint,
  material: TlsMaterial,
  timeoutMs: number,
): Promise<ConnectionFault> {
  const outcome = await greet(endpoint, material, timeoutMs);
  if (outcome instanceof Error)
    return (
      explainOwn(outcome, material) ??
      explain(outcome, endpoint, await serverEnd(outcome, endpoint, material))
    );
  if (outcome === 'answered') return unavailable('the connection was lost, but the server answers again');
  if (outcome === 'silent') return unavailable(`no answer within ${Math.round(timeoutMs)} ms`);
  return { ...unavailable('the server closed the connection'), remedy: otherScheme(endpoint) };
}

type Outcome = Error | 'answered' | 'silent' | 'closed';

function greet(endpoint: EtcdEndpoint, material: TlsMaterial, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const { socket, readyEvent } = open(endpoint, material);
    const finish = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
      socket.destroy();
    };
    const timer = setTimeout(() => finish('silent'), timeoutMs);
    socket.once(readyEvent, () => socket.write(PREFACE));
    // A TLS server that gets plain text may answer with an HTTP/1 error; a frame starts with its
    // 24-bit length.
    socket.once('data', (data) => finish(data[0] === 0 ? 'answered' : 'closed'));
    socket.once('close', () => finish('closed'));
    socket.on('error', finish);
  });
}

function open(endpoint: EtcdEndpoint, material: TlsMaterial): { socket: Socket; readyEvent: string } {
  const { host, port } = endpoint;
  if (!endpoint.isSecure) return { socket: connectTcp({ host, port }), readyEvent: 'connect' };
  return { socket: connectTls({ ...tlsOptions(endpoint), ...material }), readyEvent: 'secureConnect' };
}

function tlsOptions({ host, port }: EtcdEndpoint): ConnectionOptions {
  return { host, port, servername: serverName(host), ALPNProtocols: ['h2'] };
}

/** RFC 6066 §3 allows no IP address as a server name. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host;
}

const EXPIRED = 'CERT_HAS_EXPIRED';

/** A certificate of this host that has expired, where that explains `error`. */
function explainOwn(error: NodeJS.ErrnoException, { ca, cert }: TlsMaterial): ConnectionFault | undefined {
  const code = error.code ?? '';
  const isRejected = code.includes('_ALERT_') || code === 'ECONNRESET';
  const caEnd = ca && code === EXPIRED ? lastEndOf(ca) : undefined;
  const certEnd = cert && isRejected ? firstEndOf(cert) : undefined;
  for (const [flag, end] of [
    ['--etcd-cafile', caEnd],
    ['--etcd-certfile', certEnd],
  ] as const)
    if (end !== undefined && end.getTime() < Date.now())
      return denied(`the certificate of ${flag} expired on ${formatDate(end)} (${code})`, 'renew it');
  return undefined;
}

/** When the certificate of the server ends, if `error` is that it has. */
function serverEnd(
  error: NodeJS.ErrnoException,
  endpoint: EtcdEndpoint,
  material: TlsMaterial,
): Promise<Date | undefined> {
  if (error.code !== EXPIRED) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    // Reads the certificate and ends the connection: nothing is sent to a server without authority.
    const socket = connectTls({ ...tlsOptions(endpoint), ...material, rejectUnauthorized: false });
    const finish = (end?: Date): void => {
      socket.destroy();
      resolve(end);
    };
    socket.setTimeout(CERTIFICATE_TIMEOUT_MS, () => finish());
    socket.on('error', () => finish());
    socket.once('secureConnect', () => finish(new Date(socket.getPeerCertificate().valid_to)));
  });
}

function formatDate(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

function explain(
  error: NodeJS.ErrnoException,
  endpoint: EtcdEndpoint,
  end: Date | undefined,
): ConnectionFault {
  const code = error.code ?? '';
  if (code === 'ECONNRESET') return { ...unavailable(error.message), remedy: otherScheme(endpoint) };
  if (UNRESOLVED.has(code))
    return {
      ...unavailable(`the name ${endpoint.host} does not resolve (${error.message})`),
      remedy: 'correct --etcd-endpoints, or the name server in /etc/resolv.conf',
    };
  if (UNTRUSTED.has(code))
    return denied(
      `its certificate is not trusted (${code}: ${error.message})`,
      'set --etcd-cafile to the certificate of the authority that signed it',
    );
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return denied(
      `its certificate is for other names (${error.message})`,
      'use a name in --etcd-endpoints that it holds',
    );
  if (code === EXPIRED || code === 'CERT_NOT_YET_VALID')
    return denied(
      end === undefined
        ? `its certificate is not valid now (${code})`
        : `its certificate expired on ${formatDate(end)} (${code})`,
      'renew it, or correct the clock of this host',
    );
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return denied(`no TLS on this port (${code})`, 'if etcd serves without TLS, write http://');
  if (code.includes('_ALERT_'))
    return denied(
      `it refused the TLS handshake (${code})`,
      'if it wants a client certificate, set --etcd-certfile and --etcd-keyfile to one that it trusts',
    );
  return unavailable(error.message || code);
}

/** A server that is addressed with the wrong scheme usually closes the connection. */
function otherScheme({ isSecure }: EtcdEndpoint): string {
  return isSecure ? 'if etcd serves without TLS, write http://' : 'if etcd wants TLS, write https://';
}

function unavailable(reason: string): ConnectionFault {
  return { code: 'REGISTRY_UNAVAILABLE', reason };
}

function denied(reason: string, remedy: string): ConnectionFault {
  return { code: 'REGISTRY_DENIED', reason, remedy };
}
