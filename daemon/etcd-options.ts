// What the --etcd-* flags say together: where etcd is, how to prove who is who. Reads no file and opens no connection.
import { posix } from 'node:path';
import { Secret } from './secret.ts';

/** Files are read by whoever connects, so that rotated ones can be read again. */
export interface EtcdTlsOptions {
  readonly caFile?: string;
  /** Present together or not at all. */
  readonly client?: { readonly certFile: string; readonly keyFile: string };
}

export interface EtcdOptions {
  /** `http://host:port` or `https://host:port`, one scheme for all, at least one. */
  readonly endpoints: readonly string[];
  /** Key prefix without a slash at the end; may be empty, for keys such as `/config`. */
  readonly prefix: string;
  /** Set if the endpoints are https; empty means the system's authorities and no client certificate. */
  readonly tls?: EtcdTlsOptions;
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

/** Where findings go; one line each. */
export interface Findings {
  readonly errors: string[];
  readonly warnings: string[];
  /** How the operator wrote a flag: `--name`, or the environment variable that stands for it. */
  readonly labelOf: (name: string) => string;
}

/** Reads the etcd flags. The result is meaningless if it adds an error. */
export function parseEtcdOptions(values: EtcdFlagValues, findings: Findings): EtcdOptions {
  const files = readTlsFiles(values, findings);
  const endpoints = parseEndpoints(values['etcd-endpoints'], files !== undefined, findings);
  const isTls = endpoints[0]?.startsWith('https:') === true;
  if (!isTls && files !== undefined)
    findings.warnings.push(
      '--etcd-certfile, --etcd-keyfile and --etcd-cafile have no effect: --etcd-endpoints starts with an http:// endpoint; write https:// for an encrypted connection',
    );
  const auth = readAuth(values, findings);
  return {
    endpoints,
    prefix: parsePrefix(values['etcd-prefix'], findings),
    ...(isTls ? { tls: files ?? {} } : {}),
    ...(auth === undefined ? {} : { auth }),
  };
}

function readTlsFiles(values: EtcdFlagValues, findings: Findings): EtcdTlsOptions | undefined {
  const certFile = values['etcd-certfile'];
  const keyFile = values['etcd-keyfile'];
  const caFile = values['etcd-cafile'];
  if ((certFile === '') !== (keyFile === ''))
    findings.errors.push(
      `--etcd-certfile and --etcd-keyfile belong together, but only --etcd-${certFile === '' ? 'keyfile' : 'certfile'} is set; set --etcd-${certFile === '' ? 'certfile' : 'keyfile'} too`,
    );
  if (certFile === '' && keyFile === '' && caFile === '') return undefined;
  return {
    ...(caFile === '' ? {} : { caFile }),
    ...(certFile === '' || keyFile === '' ? {} : { client: { certFile, keyFile } }),
  };
}

function readAuth(values: EtcdFlagValues, findings: Findings): EtcdOptions['auth'] {
  const username = values['etcd-username'];
  const password = values['etcd-password'];
  if (username === '' && password === '') return undefined;
  if (username === '' || password === '') {
    findings.errors.push(
      `--etcd-username and --etcd-password belong together, but only --etcd-${username === '' ? 'password' : 'username'} is set; set --etcd-${username === '' ? 'username' : 'password'} too`,
    );
    return undefined;
  }
  return { username, password: new Secret(password) };
}

function parseEndpoints(text: string, hasTlsFiles: boolean, findings: Findings): readonly string[] {
  const words = text.split(',').map((word) => word.trim());
  const named = words.filter((word) => word !== '');
  if (named.length === 0)
    findings.errors.push(
      `${findings.labelOf('etcd-endpoints')} is empty; give at least one, for example http://10.0.0.1:2379`,
    );
  const endpoints: string[] = [];
  for (const word of named) {
    const parsed = parseEndpoint(word, hasTlsFiles);
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

function parseEndpoint(word: string, hasTlsFiles: boolean): { endpoint: string } | { problem: string } {
  if (word.includes('@'))
    return { problem: 'an endpoint holds a user or password; use --etcd-username and --etcd-password' };
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(word)
    ? word
    : `${hasTlsFiles ? 'https' : 'http'}://${word}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || url.hostname === '' || !/^https?:$/.test(url.protocol))
    return { problem: `${JSON.stringify(word)} is not http://host:port or https://host:port` };
  // `URL` drops the port that is the scheme's default; etcd needs it said.
  const port = url.port === '' ? (url.protocol === 'http:' ? '80' : '443') : url.port;
  return { endpoint: `${url.protocol}//${url.hostname}:${port}` };
}

/** flannel joins paths with Go's `path.Join`, which folds double slashes and drops the last one. */
function parsePrefix(text: string, findings: Findings): string {
  if (text.trim() === '')
    findings.errors.push(`${findings.labelOf('etcd-prefix')} is empty; the usual one is /coreos.com/network`);
  const clean = posix.normalize(text);
  return clean.endsWith('/') ? clean.slice(0, -1) : clean;
}
