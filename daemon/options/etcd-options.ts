// Parses the --etcd-* flags together: endpoints, prefix and credentials. It reads no file and opens
// no connection.
import { posix } from 'node:path';
import type { TlsFiles } from '../../allocator/registry/etcd/index.ts';
import { contains, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import { Secret } from '../../lib/secret.ts';

/** Default client port of etcd. */
const ETCD_PORT = '2379';
const LOOPBACK = ['127.0.0.0/8', '::1/128'] as string[] as Cidr[];

export interface EtcdOptions {
  /** `http://host:port` or `https://host:port`, one scheme for all, at least one. */
  readonly endpoints: readonly string[];
  /** Key prefix without a trailing slash, except for `/` itself. */
  readonly prefix: string;
  /**
   * Set if the endpoints are https. Empty means the system's authorities and no client certificate.
   */
  readonly tls?: TlsFiles;
  readonly auth?: { readonly username: string; readonly password: Secret };
}

export interface EtcdFlagValues {
  readonly 'etcd-endpoints': string;
  readonly 'etcd-prefix': string;
  readonly 'etcd-keyfile': string;
  readonly 'etcd-certfile': string;
  readonly 'etcd-cafile': string;
  readonly 'etcd-username': string;
  readonly 'etcd-password': string;
}

/** Collects errors and warnings, one line each. */
export interface Findings {
  readonly errors: string[];
  readonly warnings: string[];
  /** The flag as the operator set it: `--name`, or its environment variable. */
  readonly labelOf: (name: string) => string;
}

/** Addresses of the endpoints that have one of another host instead of a name. */
export function endpointAddresses({ endpoints }: Pick<EtcdOptions, 'endpoints'>): readonly IpAddress[] {
  return endpoints.flatMap((endpoint) => {
    const address = parseIp(new URL(endpoint).hostname.replaceAll(/[[\]]/g, ''));
    return address === undefined || LOOPBACK.some((network) => contains(network, address)) ? [] : [address];
  });
}

/** Parses the etcd flags. The result is invalid if this adds an error. */
export function parseEtcdOptions(values: EtcdFlagValues, findings: Findings): EtcdOptions {
  const files = parseTlsFiles(values, findings);
  const endpoints = parseEndpoints(values['etcd-endpoints'], files !== undefined, findings);
  const isTls = endpoints[0]?.startsWith('https:') === true;
  // Starting would send in clear what the operator wants encrypted.
  if (!isTls && files !== undefined && endpoints.length > 0)
    findings.errors.push(
      `${findings.labelOf('etcd-endpoints')} has http:// but --etcd-certfile, --etcd-keyfile or --etcd-cafile is set; write https://, or leave those out`,
    );
  const auth = parseAuth(values, findings);
  return {
    endpoints,
    prefix: parsePrefix(values['etcd-prefix'], findings),
    ...(isTls ? { tls: files ?? {} } : {}),
    ...(auth === undefined ? {} : { auth }),
  };
}

function parseTlsFiles(values: EtcdFlagValues, findings: Findings): TlsFiles | undefined {
  const certFile = values['etcd-certfile'];
  const keyFile = values['etcd-keyfile'];
  const caFile = values['etcd-cafile'];
  if ((certFile === '') !== (keyFile === '')) {
    const [given, missing] = certFile === '' ? ['keyfile', 'certfile'] : ['certfile', 'keyfile'];
    findings.errors.push(
      `--etcd-certfile and --etcd-keyfile belong together, but only --etcd-${given} is set; set --etcd-${missing} too`,
    );
    return undefined;
  }
  if (certFile === '' && keyFile === '' && caFile === '') return undefined;
  return {
    ...(caFile === '' ? {} : { caFile }),
    ...(certFile === '' ? {} : { client: { certFile, keyFile } }),
  };
}

function parseAuth(values: EtcdFlagValues, findings: Findings): EtcdOptions['auth'] {
  const username = values['etcd-username'];
  const password = values['etcd-password'];
  if (username === '' && password === '') return undefined;
  if (username === '' || password === '') {
    const [given, missing] = username === '' ? ['password', 'username'] : ['username', 'password'];
    findings.errors.push(
      `--etcd-username and --etcd-password belong together, but only --etcd-${given} is set; set --etcd-${missing} too`,
    );
    return undefined;
  }
  return { username, password: new Secret(password) };
}

function parseEndpoints(text: string, hasTlsFiles: boolean, findings: Findings): readonly string[] {
  const items = text.split(',').map((item) => item.trim());
  const named = items.filter((item) => item !== '');
  if (named.length === 0)
    findings.errors.push(
      `${findings.labelOf('etcd-endpoints')} is empty; give at least one, for example http://10.0.0.1:2379`,
    );
  const endpoints: string[] = [];
  for (const item of named) {
    const parsed = parseEndpoint(item, hasTlsFiles);
    if ('problem' in parsed) findings.errors.push(`${findings.labelOf('etcd-endpoints')}: ${parsed.problem}`);
    else endpoints.push(parsed.endpoint);
  }
  const schemes = new Set(endpoints.map((endpoint) => endpoint.split('://')[0]));
  if (schemes.size > 1)
    findings.errors.push(
      `${findings.labelOf('etcd-endpoints')} mixes http:// and https://; use one scheme for all endpoints`,
    );
  return endpoints;
}

function parseEndpoint(text: string, hasTlsFiles: boolean): { endpoint: string } | { problem: string } {
  if (text.includes('@'))
    return { problem: 'an endpoint holds a user or password; use --etcd-username and --etcd-password' };
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
    : `${hasTlsFiles ? 'https' : 'http'}://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const isOrigin = url !== undefined && url.hostname !== '' && url.pathname + url.search + url.hash === '/';
  if (!isOrigin || !/^https?:$/.test(url.protocol))
    return { problem: `${JSON.stringify(text)} is not http://host:port or https://host:port` };
  // `URL` drops the scheme's default port; the text shows whether a port was written.
  const port = url.port || /:(\d+)\/?$/.exec(withScheme)?.[1] || ETCD_PORT;
  return { endpoint: `${url.protocol}//${url.hostname}:${port}` };
}

/**
 * flannel joins paths with Go's `path.Join`, which folds double slashes and drops a trailing one.
 */
function parsePrefix(text: string, findings: Findings): string {
  if (text.trim() === '')
    findings.errors.push(`${findings.labelOf('etcd-prefix')} is empty; the usual one is /coreos.com/network`);
  const clean = posix.normalize(text);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}
