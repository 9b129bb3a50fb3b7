// Options of the etcd registry, and the settings made of them. The caller has validated them; only
// the PEM files are read here, to find errors in them at start. Opens no connection.
import { posix } from 'node:path';
import { readTlsMaterial } from './tls.ts';
import type { TlsFiles } from './tls.ts';

export interface EtcdOptions {
  /** `http://host:port` or `https://host:port`, at least one. */
  readonly endpoints: readonly string[];
  /** Directory of `config` and `subnets/`. */
  readonly prefix: string;
  /** For https endpoints; by default the system's authorities and no client certificate. */
  readonly tls?: TlsFiles | undefined;
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
  /** Bound on each call with all its tries, in ms. Default 5000. */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * Silence after which a watch requests progress, in ms. It waits half as long for the answer, and
   * at least as long as for a call. Default 20 000.
   */
  readonly idleProbeMs?: number | undefined;
  /** Called with the name of each RPC that is sent, for example `KV.txn`. Must not throw. */
  readonly onCall?: ((rpc: string) => void) | undefined;
}

export interface EtcdEndpoint {
  /** `https://host:port` */
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
  /** Directory of weft's own keys; ends with a slash. */
  readonly weftPrefix: string;
  readonly tlsFiles: TlsFiles;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  readonly requestTimeoutMs: number;
  readonly idleProbeMs: number;
  readonly onCall: (rpc: string) => void;
}

/**
 * Completes `options`.
 * @throws RegistryError `REGISTRY_REJECTED` naming the file that cannot be used and its flag
 */
export function resolveEtcdOptions(options: EtcdOptions): EtcdSettings {
  const { endpoints, prefix, tls = {}, auth } = options;
  readTlsMaterial(tls);
  return {
    endpoints: endpoints.map(parseEndpoint),
    configKey: posix.join(prefix, 'config'),
    subnetsPrefix: `${posix.join(prefix, 'subnets')}/`,
    weftPrefix: `${posix.join(prefix, 'weft')}/`,
    tlsFiles: tls,
    auth,
    requestTimeoutMs: options.requestTimeoutMs ?? 5000,
    idleProbeMs: options.idleProbeMs ?? 20_000,
    onCall: options.onCall ?? (() => undefined),
  };
}

function parseEndpoint(url: string): EtcdEndpoint {
  // `URL` leaves out a port that is the scheme's own.
  const match = /^(https?):\/\/(?:\[([\da-f:]+)\]|([^\s[\]:/@]+)):(\d+)$/i.exec(url);
  if (match === null) throw new TypeError('An etcd endpoint is not http://host:port or https://host:port');
  const [, scheme, ipv6, host = ipv6 ?? '', port] = match;
  return { url, isSecure: scheme === 'https', host, port: Number(port) };
}
