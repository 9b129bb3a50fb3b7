// The page of the daemon with a cluster that a test makes up, and what a browser makes of it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PeerV1, SyncV1 } from '../../api/index.ts';
import { listenHttp, type HttpListener } from '../../daemon/http/http-listener.ts';
import type { ClusterV1 } from '../../api/index.ts';
import { loadPage } from '../../daemon/metrics/page.ts';
import { STATUS } from '../../cli/fixture/status.ts';

/** A cluster of `count` other hosts, some of them with errors. */
export function clusterOf(
  count: number,
  troubled: Readonly<Partial<Record<SyncV1, number>>> = {},
): ClusterV1 {
  const { pending = 0, error: errors = 0 } = troubled;
  const stateOf = (index: number): SyncV1 =>
    index < errors ? 'error' : index < errors + pending ? 'pending' : 'in-sync';
  // Errors are spread over the hosts.
  const peers = Array.from({ length: count }, (_, index) => peerOf(index, stateOf((index * 7 + 3) % count)));
  return {
    status: {
      ...STATUS,
      ...(pending + errors > 0 && {
        health: 'degraded',
        reasons: [`${pending + errors} of ${count} peers are not programmed`],
      }),
      peers: {
        total: count,
        inSync: count - pending - errors,
        pending,
        errors,
        liveness: {
          reachable: count - pending - errors,
          silent: 0,
          'overlay-broken': 0,
          unknown: pending + errors,
        },
      },
    },
    peers,
  };
}

function peerOf(index: number, state: SyncV1): PeerV1 {
  const [high, low] = [Math.floor((index + 1) / 250), (index + 1) % 250];
  return {
    key: `10.${5 + high}.${low}.0-24`,
    ipv4: `10.${5 + high}.${low}.0/24`,
    publicIp: `198.18.${high}.${low + 1}`,
    mac: '02:00:00:00:00:01',
    mode: state === 'error' ? 'error' : 'kernel',
    state,
    ...(state === 'error' && { reason: '<b>its backend is host-gw</b>, this network has vxlan' }),
    missing: state === 'pending' ? [`route 10.${5 + high}.${low}.0/24`] : [],
    since: '2026-11-25T09:17:00.000Z',
    isReservation: false,
    ...(state === 'in-sync' && {
      liveness: {
        state: 'reachable' as const,
        since: '2026-11-25T09:17:00.000Z',
        answeredAt: STATUS.at,
        rttMs: 0.4,
      },
    }),
  };
}

export function servePage(cluster: () => ClusterV1): Promise<HttpListener> {
  return listenHttp({ ip: '127.0.0.1', port: 0, title: 'Test', flag: 'metrics' }, ({ url }, response) => {
    if (url === '/')
      response.writeHead(200, { 'Content-Type': 'text/html', ...loadPage().headers }).end(loadPage().text);
    else if (url === '/cluster.json') response.end(JSON.stringify(cluster()));
    else response.writeHead(404).end();
  });
}

/** Runs Chromium with a profile of its own; resolves with what it printed. */
export async function chromium(
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const profile = await mkdtemp(join(tmpdir(), 'weft-chromium-'));
  const quiet = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--disable-background-networking',
  ];
  try {
    const options = { timeout: 110_000, maxBuffer: 64 << 20, env: { ...process.env, HOME: profile } };
    const log = ['--enable-logging=stderr', '--log-level=0'];
    return await promisify(execFile)(
      'chromium',
      [...quiet, ...log, `--user-data-dir=${profile}`, ...args],
      options,
    );
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
