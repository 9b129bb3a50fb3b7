// Checks of each endpoint of etcd: name, connection, certificate, credentials, quorum, clock.
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { createEtcdConfigStore } from '../../allocator/registry/etcd/config-store.ts';
import type { EtcdOptions } from '../../allocator/registry/etcd/options.ts';
import type { ConfigStore } from '../../allocator/registry/config-store.ts';
import { RegistryError } from '../../allocator/registry/registry.ts';
import { certificateEnd } from './certificate-check.ts';
import type { Check, Found } from './check.ts';
import { etcdClock } from './clock-check.ts';
import { etcdAlarm } from './etcd-alarms.ts';
import { ETCD_TIMEOUT_MS, type Facts } from './facts.ts';
import { again, twice } from './twice.ts';

type EndpointProblem = Omit<Found, 'severity'> & { readonly check: string };

const CONNECT_TIMEOUT_MS = 2500;
const IMPACT =
  'Packets follow the last kernel state; joins, leaves and config changes are not seen, and the lease ends unless it is renewed';

async function probeEndpoints(facts: Facts): Promise<readonly EndpointProblem[]> {
  // Flannel's defaults, which do not answer, say nothing about the etcd of this cluster.
  if (!facts.isEtcdNamed && (await facts.registry) === undefined) return [];
  const all = await Promise.all(facts.etcd.endpoints.map((endpoint) => probeEndpoint(facts.etcd, endpoint)));
  const isConnected = (await facts.status)?.registry.isConnected === true;
  // The daemon does not report its password, so a denied request says nothing about the daemon.
  const isSecret = (problem: EndpointProblem): boolean =>
    problem.check === 'etcd-auth' && isConnected && facts.etcd.auth === undefined;
  return all.filter((problem) => problem !== undefined).filter((problem) => !isSecret(problem));
}

function endpointCheck(id: string, about: string): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const problems = await facts.once('endpoints', () => probeEndpoints(facts));
      const isAll = problems.length === facts.etcd.endpoints.length;
      return problems
        .filter(({ check }) => check === id)
        .map(({ title, evidence, impact, fix }) => ({
          severity: isAll ? 'error' : 'warning',
          title,
          evidence,
          impact: isAll ? impact : 'One endpoint fewer remains for the failure of another',
          fix,
        }));
    },
  };
}

async function probeEndpoint(etcd: EtcdOptions, endpoint: string): Promise<EndpointProblem | undefined> {
  const { hostname, port, protocol } = new URL(endpoint);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const problem = (check: string, title: string, evidence: string, fix: string): EndpointProblem => ({
    check,
    title,
    evidence: [`${endpoint}: ${evidence}`],
    impact: IMPACT,
    fix,
  });
  if (isIP(host) === 0) {
    const failure = await lookup(host).then(() => undefined, messageOf);
    if (failure !== undefined)
      return problem(
        'etcd-dns',
        `The name ${host} of etcd does not resolve`,
        failure,
        `getent hosts ${host}; correct --etcd-endpoints or the DNS server`,
      );
  }
  const address = { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
  const connectError = await again(() => tryTcp(address));
  if (connectError !== undefined)
    return problem(
      'etcd-unreachable',
      `etcd at ${endpoint} is unreachable`,
      connectError,
      `ping ${host}; on that host: systemctl status etcd, ss -ltn, and its firewall`,
    );
  const tlsError = protocol === 'https:' ? await again(() => tryTls(address, etcd)) : undefined;
  if (tlsError !== undefined)
    return problem(
      'etcd-tls',
      `TLS between this host and etcd at ${endpoint} fails`,
      tlsError,
      `openssl s_client -connect ${host}:${address.port}; renew the certificate, or correct --etcd-cafile`,
    );
  const error = await tryRead(etcd, endpoint);
  if (error === undefined) return undefined;
  if (error.code === 'REGISTRY_DENIED')
    return problem(
      'etcd-auth',
      `etcd at ${endpoint} rejects this host's credentials`,
      error.message,
      'etcdctl user get USER; correct --etcd-username, --etcd-password or the client certificate',
    );
  return problem(
    'etcd-quorum',
    `etcd at ${endpoint} accepts connections and answers no request: it has no leader, or speaks another protocol`,
    error.message,
    'etcdctl endpoint status --cluster; start the members that are down; for TLS use https:// endpoints',
  );
}

const messageOf = (error: Error): string => error.message;

function tryTcp({ host, port }: { host: string; port: number }): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const end = (reason?: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`));
    socket.once('error', (error) => end(error.message));
  });
}

async function tryTls(
  { host, port }: { host: string; port: number },
  { tls }: EtcdOptions,
): Promise<string | undefined> {
  const files: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {};
  for (const [name, path] of [
    ['ca', tls?.caFile],
    ['cert', tls?.client?.certFile],
    ['key', tls?.client?.keyFile],
  ] as const) {
    if (path === undefined || path === '') continue;
    try {
      files[name] = await readFile(path);
    } catch (error) {
      return messageOf(error as Error);
    }
  }
  return new Promise((resolve) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = connectTls({
      host,
      port,
      ...files,
      ...name,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    const end = (reason?: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
      end('no TLS handshake in time: check that this is the client port'),
    );
    socket.once('error', (error) => end(error.message));
    socket.once('secureConnect', () =>
      end(
        socket.authorized
          ? undefined
          : explainTlsError(String(socket.authorizationError), socket.getPeerCertificate()),
      ),
    );
  });
}

/** The fault of a server's certificate; `reason` is a code of OpenSSL or Node. */
export function explainTlsError(
  reason: string,
  { valid_from, valid_to, subjectaltname }: Partial<PeerCertificate>,
): string {
  if (reason.includes('CERT_HAS_EXPIRED')) return `its certificate expired on ${valid_to}`;
  if (reason.includes('CERT_NOT_YET_VALID'))
    return `its certificate is valid from ${valid_from} on: check the clocks`;
  if (reason.includes('ALTNAME')) return `its certificate is for ${subjectaltname ?? 'no name'} only`;
  return `its certificate is not from an authority that this host trusts (${reason})`;
}

async function tryRead(etcd: EtcdOptions, endpoint: string): Promise<RegistryError | undefined> {
  let store: ConfigStore | undefined;
  try {
    store = createEtcdConfigStore({ ...etcd, endpoints: [endpoint], requestTimeoutMs: ETCD_TIMEOUT_MS });
    await twice((one) => one.read(), store);
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  } finally {
    store?.close();
  }
}

const CHECKS: readonly Check[] = [
  endpointCheck('etcd-dns', 'whether the names of the endpoints of etcd resolve'),
  endpointCheck('etcd-unreachable', 'whether each endpoint accepts connections'),
  endpointCheck('etcd-tls', 'whether certificates are valid: authority, name, dates'),
  endpointCheck('etcd-auth', 'whether etcd accepts this host’s credentials'),
  endpointCheck('etcd-quorum', 'whether each endpoint answers requests'),
  certificateEnd,
  etcdAlarm,
  etcdClock,
];

export const ETCD_CHECKS: readonly Check[] = CHECKS.map((check) => ({ ...check, isAboutEtcd: true }));
