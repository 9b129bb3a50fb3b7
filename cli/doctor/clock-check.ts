// Compares the clocks of this host and etcd's host by the Date header of etcd's HTTP answers
// (RFC 9110, section 6.6.1).
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { Check } from './check.ts';

const TIMEOUT_MS = 2500;
/** Leases follow etcd's clock, certificates this host's. */
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
        impact: 'Certificates may seem expired or not yet valid; timestamps in logs of hosts do not match',
        fix: 'timedatectl status; set up NTP on both hosts',
      },
    ];
  },
};

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
      const etcdTimeMs = Date.parse(headers.date ?? '');
      resolve(Number.isNaN(etcdTimeMs) ? undefined : etcdTimeMs - Date.now());
    });
    request.once('timeout', () => request.destroy(new Error('late')));
    request.once('error', () => resolve(undefined));
  });
}
