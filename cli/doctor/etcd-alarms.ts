// Whether etcd has raised an alarm, by its answer to GET /health, which needs no user. etcd 3.4 gives no
// reason there; its gateway of gRPC lists alarms, to any user unless authentication is on.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Check } from './check.ts';

const TIMEOUT_MS = 2500;
const MAX_LENGTH = 4096;

export const etcdAlarm: Check = {
  id: 'etcd-alarm',
  about: 'whether etcd has raised an alarm: out of space, or damaged',
  run: async (facts) => {
    const answers = await Promise.all(
      facts.etcd.endpoints.map(async (endpoint) => ({ endpoint, text: await readAlarms(endpoint) })),
    );
    const raised = answers.flatMap(({ endpoint, text }) => {
      const alarm = alarmOf(text);
      return alarm === undefined ? [] : [{ endpoint, alarm }];
    });
    const [first] = raised;
    if (first === undefined) return [];
    const isFull = first.alarm === 'NOSPACE';
    return [
      {
        severity: 'error',
        title: isFull
          ? 'etcd is out of space and takes no writes'
          : `etcd has raised the alarm ${first.alarm}`,
        evidence: raised.map(({ endpoint, alarm }) => `${endpoint}: ALARM ${alarm}`),
        impact: isFull
          ? 'Leases are kept alive, but no host can join, publish a change or take a config'
          : 'Members of etcd have different data: hosts may see different leases',
        fix: isFull
          ? `etcdctl compact "$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | head -n 1 | cut -d: -f2)"; etcdctl defrag --cluster; etcdctl alarm disarm  # a larger --quota-backend-bytes and --auto-compaction-retention keep it so`
          : 'etcdctl alarm list; replace the damaged member (etcd.io, "Disaster recovery")',
      },
    ];
  },
};

/** The alarm that an answer names, for example `{"health":"false","reason":"ALARM NOSPACE"}`. */
export function alarmOf(text: string | undefined): string | undefined {
  return /\bALARM\s+([A-Z]+)|"alarm":\s*"([A-Z]+)"/
    .exec(text ?? '')
    ?.slice(1)
    .find(Boolean);
}

async function readAlarms(endpoint: string): Promise<string | undefined> {
  const health = await ask(new URL('/health', endpoint));
  const isNamed = alarmOf(health) !== undefined || !/"health":\s*"false"/.test(health ?? '');
  return isNamed ? health : ask(new URL('/v3/maintenance/alarm', endpoint), '{"action":"GET"}');
}

/** An answer of etcd's; `undefined` without one. A body makes it a POST. */
function ask(url: URL, body?: string): Promise<string | undefined> {
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const method = body === undefined ? 'GET' : 'POST';
  return new Promise((resolve) => {
    const request = start(url, { method, timeout: TIMEOUT_MS, rejectUnauthorized: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_LENGTH) response.destroy();
      });
      response.once('close', () => resolve(text));
    });
    request.once('timeout', () => request.destroy(new Error('late')));
    request.once('error', () => resolve(undefined));
    request.end(body);
  });
}
