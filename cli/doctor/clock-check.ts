// Compares the clock of this host with those of the registry's servers, by the Date header of their
// HTTP answers (RFC 9110, section 6.6.1).
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { Check } from './check.ts';
import { serversOf } from './kubernetes/kubernetes-facts.ts';

const TIMEOUT_MS = 2500;
/** Leases follow etcd's clock, certificates this host's. */
const MAX_SKEW_MS = 10_000;

const IMPACT =
  'Certificates may seem expired or not yet valid; timestamps in logs of hosts do not match; with wireguard RotateAfter begins at different times, and peers ignore handshakes of a host whose clock was set back';
const FIX = 'timedatectl status; set up NTP on both hosts';

export const etcdClock: Check = {
  id: 'etcd-clock',
  about: "whether the clocks of this host and etcd's agree",
  run: async (facts) => {
    const evidence = await describeSkews(facts.etcd.endpoints);
    const title = "The clock of this host and that of etcd's host differ";
    return evidence.length === 0 ? [] : [{ severity: 'warning', title, evidence, impact: IMPACT, fix: FIX }];
  },
};

export const kubeClock: Check = {
  id: 'kube-clock',
  about: "whether the clocks of this host and of the API servers' hosts agree",
  run: async (facts) => {
    const options = await facts.kubernetes;
    // Servers that are not configured are the other checks' to report.
    const servers = options === undefined ? [] : await serversOf(options).catch(() => []);
    const evidence = await describeSkews(servers);
    const title = "The clock of this host and that of an API server's host differ";
    const impact = `Tokens may seem expired or not yet valid. ${IMPACT}`;
    return evidence.length === 0 ? [] : [{ severity: 'warning', title, evidence, impact, fix: FIX }];
  },
};

async function describeSkews(endpoints: readonly string[]): Promise<readonly string[]> {
  const skews = await Promise.all(endpoints.map((endpoint) => readSkew(endpoint)));
  return endpoints.flatMap((endpoint, index) => describeSkew(endpoint, skews[index]));
}

export function describeSkew(endpoint: string, skewMs: number | undefined): readonly string[] {
  if (skewMs === undefined || Math.abs(skewMs) <= MAX_SKEW_MS) return [];
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  return [`${endpoint}: its clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${direction} this host's`];
}

/**
 * How far an endpoint's clock is ahead, in ms, exact to a second; `undefined` without an answer.
 */
function readSkew(endpoint: string): Promise<number | undefined> {
  const url = new URL('/version', endpoint);
  const get = url.protocol === 'https:' ? httpsGet : httpGet;
  return new Promise((resolve) => {
    const request = get(url, { timeout: TIMEOUT_MS, rejectUnauthorized: false }, ({ headers, socket }) => {
      socket.destroy();
      const serverTimeMs = Date.parse(headers.date ?? '');
      resolve(Number.isNaN(serverTimeMs) ? undefined : serverTimeMs - Date.now());
    });
    request.once('timeout', () => request.destroy(new Error('late')));
    request.once('error', () => resolve(undefined));
  });
}
