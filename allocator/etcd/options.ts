// Options of the etcd registry as the operator writes them, and the checked settings made of them. Reads the PEM files
// once to find mistakes at start; opens no connection.
import { posix } from 'node:path';
import { RegistryError } from '../registry.ts';
import { readTlsMaterial } from './tls.ts';
import type { TlsFiles } from './tls.ts';

/** Both of flannel's defaults: the port etcd had before 2.0, and the one it has now. */
export const DEFAULT_ENDPOINTS: readonly string[] = ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'];
export const DEFAULT_PREFIX = '/coreos.com/network';
const DEFAULT_PORT = '2379';

export interface EtcdOptions {
  /** `http://host:port`, `https://host:port` or `host:port`. Default {@link DEFAULT_ENDPOINTS}. */
  readonly endpoints?: readonly string[] | undefined;
  /** Directory of `config` and `subnets/`. Default {@link DEFAULT_PREFIX}. */
  readonly prefix?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Bound on each call with all its tries, in ms. Default 5000. */
  readonly requestTimeoutMs?: number | undefined;
  /** A quiet watch asks for a sign of life this often, in ms; two silent periods end it. Default 10 000. */
  readonly idleProbeMs?: number | undefined;
  /** Called with the name of each RPC that is sent, for example `KV.txn`. Must not throw. */
  readonly onCall?: ((rpc: string) => void) | undefined;
}

export interface EtcdEndpoint {
  /** Normalised, for messages: `https://host:port`. */
  readonly url: string;
  readonly isSecure: boolean;
  /** Without the brackets of an IPv6 literal. */
  readonly host: string;
  readonly port: number;
}

export interface EtcdSettings {
  readonly endpoints: readonly EtcdEndpoint[];
  readonly configKey: string;
  /** Ends with a slash, so that `subnets-old/` is another directory. */
  readonly subnetsPrefix: string;
  readonly tlsFiles: TlsFiles;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  readonly requestTimeoutMs: number;
  readonly idleProbeMs: number;
  readonly onCall: (rpc: string) => void;
}

/**
 * Checks and completes `options`. An empty text counts as not given.
 * @throws RegistryError `REGISTRY_REJECTED` naming the flag, the value and the remedy
 */
export function resolveEtcdOptions(options: EtcdOptions): EtcdSettings {
  const tlsFiles: TlsFiles = {
    keyFile: options.keyFile || undefined,
    certFile: options.certFile || undefined,
    caFile: options.caFile || undefined,
  };
  const endpoints = parseEndpoints(options.endpoints ?? DEFAULT_ENDPOINTS, tlsFiles);
  readTlsMaterial(tlsFiles);
  const prefix = options.prefix || DEFAULT_PREFIX;
  return {
    endpoints,
    configKey: posix.join(prefix, 'config'),
    subnetsPrefix: `${posix.join(prefix, 'subnets')}/`,
    tlsFiles,
    auth: resolveAuth(options),
    requestTimeoutMs: options.requestTimeoutMs ?? 5000,
    idleProbeMs: options.idleProbeMs ?? 10_000,
    onCall: options.onCall ?? (() => undefined),
  };
}

function resolveAuth({ username, password }: EtcdOptions): EtcdSettings['auth'] {
  if (!username && !password) return undefined;
  if (!username) throw invalid('--etcd-password is set without --etcd-username: set both or none');
  if (!password)
    throw invalid(`--etcd-username ${username} is set without --etcd-password: set both or none`);
  return { username, password };
}

function parseEndpoints(texts: readonly string[], tlsFiles: TlsFiles): EtcdEndpoint[] {
  const trimmed = texts.map((text) => text.trim()).filter((text) => text !== '');
  if (trimmed.length === 0)
    throw invalid('--etcd-endpoints is empty: name at least one, as http://host:2379');
  const hasTlsFiles = Object.values(tlsFiles).some((file) => file !== undefined);
  const secure = trimmed.find((text) => /^https:/i.test(text));
  const plain = trimmed.find((text) => /^http:/i.test(text));
  if (secure !== undefined && plain !== undefined)
    throw invalid(`--etcd-endpoints mixes ${plain} and ${secure}: use http for all or https for all`);
  // Sending in clear what the operator secured with certificates is worse than not starting.
  if (plain !== undefined && hasTlsFiles)
    throw invalid(
      `--etcd-endpoints has ${plain}, but certificate files are given, too: ` +
        'write https:// or drop --etcd-cafile, --etcd-certfile and --etcd-keyfile',
    );
  const scheme = secure !== undefined || hasTlsFiles ? 'https:' : 'http:';
  return trimmed.map((text) => parseEndpoint(text, scheme));
}

function parseEndpoint(text: string, defaultScheme: string): EtcdEndpoint {
  const hint = 'want http://host:port, https://host:port or host:port';
  const withScheme = /^[a-z][a-z+.-]*:\/\//i.test(text) ? text : `${defaultScheme}//${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const isOrigin =
    url !== undefined &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.pathname === '/' &&
    url.search + url.hash + url.username + url.password === '';
  // The text may hold a password, so only its readable part is repeated.
  if (!isOrigin) throw invalid(`--etcd-endpoints has ${url?.host || 'an entry'} in a wrong form: ${hint}`);
  // URL drops the port if it is the scheme's own.
  const port = url.port || /:(\d+)\/?$/.exec(withScheme)?.[1] || DEFAULT_PORT;
  return {
    url: `${url.protocol}//${url.hostname}:${port}`,
    isSecure: url.protocol === 'https:',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
  };
}

function invalid(message: string): RegistryError {
  return new RegistryError('REGISTRY_REJECTED', message);
}
