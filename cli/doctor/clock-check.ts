// Whether this host and etcd's agree about the time, by what etcd says in its answers over HTTP (RFC 9110 §6.6.1, Date).
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { Check } from './check.ts';

const TIMEOUT_MS = 2500;
/** Leases live by etcd's clock, certificates by this host's: more than this is worth a word. */
const MAX_SKEW_MS = 10_000;

export const etcdClock: Check = {
  id: 'etcd-clock',
  about: "whether the clocks of this host and etcd's agree",
  run: async (facts) => {
    const skews = await Promise.all(facts.etcd.endpoints.map((endpoint) => readSkew(endpoint)));
    const evidence = facts.etcd.endpoints.flatMap((endpoint, index) => describeSkew(endpoint, skews[index]));
    if (evidence.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: "The clock of this host and that of etcd's host differ",
        evidence,
        impact: 'Certificates may seem expired or not valid yet; times in logs of hosts do not fit together',
        fix: 'timedatectl status; set up NTP on both',
      },
    ];
  },
};

export function describeSkew(endpoint: string, skewMs: number | undefined): readonly string[] {
  if (skewMs === undefined || Math.abs(skewMs) <= MAX_SKEW_MS) return [];
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  return [`${endpoint}: its clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${direction} this host's`];
}

/** How far the clock of an endpoint is ahead, in ms and about a second exact; `undefined` if it does not say. */
function readSkew(endpoint: string): Promise<number | undefined> {
  const url = new URL('/version', endpoint);
  const get = url.protocol === 'https:' ? httpsGet : httpGet;
  return new Promise((resolve) => {
    const request = get(url, { timeout: TIMEOUT_MS, rejectUnauthorized: false }, ({ headers, socket }) => {
      socket.destroy();
      const etcdTimeMs = Date.parse(headers.date ?? '');
      resolve(Number.isNaN(etcdTimeMs) ? undefined : etcdTimeMs - Date.now());
    });
    request.once('timeout', () => request.destroy(new Error('late')));
    request.once('error', () => resolve(undefined));
  });
}
