// Whether etcd has raised an alarm, by its answer to GET /health, which needs no user.
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { Check } from './check.ts';

const TIMEOUT_MS = 2500;
const MAX_LENGTH = 4096;

export const etcdAlarm: Check = {
  id: 'etcd-alarm',
  about: 'whether etcd has raised an alarm: out of space, or damaged',
  run: async (facts) => {
    const answers = await Promise.all(
      facts.etcd.endpoints.map(async (endpoint) => ({ endpoint, text: await readHealth(endpoint) })),
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
        evidence: raised.map(({ endpoint, alarm }) => `${endpoint}/health: ALARM ${alarm}`),
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
  return /\bALARM\s+([A-Z]+)/.exec(text ?? '')?.[1];
}

function readHealth(endpoint: string): Promise<string | undefined> {
  const url = new URL('/health', endpoint);
  const get = url.protocol === 'https:' ? httpsGet : httpGet;
  return new Promise((resolve) => {
    const request = get(url, { timeout: TIMEOUT_MS, rejectUnauthorized: false }, (response) => {
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
  });
}
